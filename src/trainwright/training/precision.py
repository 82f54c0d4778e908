"""Numbers of fewer bits where they do no harm, and the one place that unscales, clips and updates, in that order.

The weights, their gradients and the optimizer stay float32. Under "bf16" and "fp16" the forward pass runs in autocast.
float16 cannot hold small gradients, so the loss is multiplied by a scale first; a step whose gradient overflows is
skipped and the scale halved (Micikevicius et al. 2018).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch

from trainwright.errors import UsageError
from trainwright.training.clipping import Clip
from trainwright.training.updating import Updating

PrecisionName = Literal["fp32", "bf16", "fp16"]
PRECISIONS: tuple[PrecisionName, ...] = ("fp32", "bf16", "fp16")
_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
_LEAST_SCALE = 1.0  # an overflow without any scale is no artefact of float16's range


@dataclass(frozen=True, kw_only=True)
class Update:
    """What became of a gradient: its norm before and after clipping, and whether the weights moved.

    `skipped` says that it overflowed under a scale, which has been lowered; `refused` that it is not finite in itself.
    """

    norm: float
    clipped_norm: float
    clipped: bool = False
    skipped: bool = False
    refused: bool = False


class Precision:
    """How one training computes: `name` is "fp32", "bf16" or "fp16", on devices of `device_type` ("cpu", "cuda")."""

    def __init__(self, name: PrecisionName = "fp32", device_type: str = "cpu", *, initial_scale: float = 2.0**16):
        self.name: PrecisionName = name
        self.device_type = device_type
        self.scaler = torch.amp.GradScaler(device_type, init_scale=initial_scale, enabled=name == "fp16")

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context of a forward pass. A new one each time: what evaluation caches must not reach training."""
        if self.name == "fp32":
            return nullcontext()
        return torch.autocast(self.device_type, dtype=_TYPES[self.name])

    def full(self, output: torch.Tensor) -> torch.Tensor:
        """Return a model's output in the type that a loss is computed in: float32 at least."""
        return output.float() if output.dtype in (torch.float16, torch.bfloat16) else output

    def scaled(self, loss: torch.Tensor) -> torch.Tensor:
        """Return the loss as `backward()` is to see it."""
        return self.scaler.scale(loss)

    @property
    def scale(self) -> float | None:
        """The loss scale in use, None where there is none."""
        return self.scaler.get_scale() if self.name == "fp16" else None

    def update(self, updating: Updating, parameters: Sequence[torch.Tensor], clip: Clip) -> Update:
        """Turn the gradients that `backward()` left into one step of the weights, or say why there was none."""
        scale = self.scale
        if scale is not None:
            self.scaler.unscale_(updating.optimizer)  # once, and before the norm: a scaled gradient has a scaled norm
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        clipping = clip(gradients)
        finite = math.isfinite(clipping.norm)
        if finite and scale is None:
            updating.apply()
        elif finite:
            self.scaler.step(updating.optimizer)
        skipped = not finite and scale is not None and scale > _LEAST_SCALE and self._overflowed(updating.optimizer)
        if scale is not None:
            self.scaler.update()  # lower after an overflow, higher after many steps without one
        return Update(
            norm=clipping.norm,
            clipped_norm=clipping.clipped_norm,
            clipped=clipping.clipped and finite,
            skipped=skipped,
            refused=not finite and not skipped,
        )

    def _overflowed(self, optimizer: torch.optim.Optimizer) -> bool:
        found = self.scaler._found_inf_per_device(optimizer)
        return any(bool(flag) for flag in found.values())


def check_precision(name: str, device: torch.device) -> None:
    """Raise `UsageError` where `device` cannot compute in the precision `name`, or only at a crawl."""
    if name == "fp16" and device.type == "cpu":
        raise UsageError(
            "float16 is of no use on this device: a CPU has no fast arithmetic for it",
            evidence="train.precision = 'fp16', and the device is 'cpu'",
            remedy="train.precision = 'bf16' needs no loss scale and runs everywhere; 'fp32' is exact",
        )
    if name == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise UsageError(
            "this GPU has no arithmetic for bfloat16",
            evidence=torch.cuda.get_device_name(device),
            remedy="train.precision = 'fp16'",
        )
