"""Penalties on large weights, added to the loss, where the initial loss shows that they are alive (G2, chapter 2)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import nn

from trainwright.errors import ModelError, UsageError
from trainwright.parts.groups import decay_table
from trainwright.records import Option

PENALTIES: Mapping[str, Option] = MappingProxyType(
    {
        "l1": Option(
            default=0.0,
            minimum=0.0,
            meaning="times the sum of |w| is added to the loss, on weights alone: pushes small ones as hard as large",
            source="G2, chapter 2: a penalty raises the initial loss; how large is for a search to say",
            log=True,
        ),
        "l2": Option(
            default=0.0,
            minimum=0.0,
            meaning="half of it times the sum of w^2 is added to the loss, on weights alone; with AdamW use "
            "optimizer.weight_decay instead",
            source="G3: Adam's scaling interferes with an L2 penalty, AdamW's decay is kept out of the gradient",
            log=True,
        ),
    }
)
"""What [loss] takes beside the options of any loss."""


class Penalty:
    """l1 sum |w| + l2 / 2 sum w^2 over the weights of `model` that decay (`groups.decay_table`), each once.

    With the half, the gradient of the second term is l2 w: the same as weight_decay = l2 has in plain SGD and in Adam,
    where it is coupled to the gradient. Biases, normalisations and embeddings are left alone. |w| has slope 0 at 0.
    It holds the weights that are trainable when it is made; one that is frozen later is left out from then on.

    Raises `UsageError` for a strength below 0 or not finite, `ModelError` where there is no weight to hold down.
    """

    def __init__(self, model: nn.Module, *, l1: float = 0.0, l2: float = 0.0) -> None:
        for name, strength in (("l1", l1), ("l2", l2)):
            if not 0 <= strength < float("inf"):
                raise UsageError(f"{name} must be a finite number of at least 0", evidence=f"{name} = {strength!r}")
        names = [row.name for row in decay_table(model) if row.decays]
        if not names:
            raise ModelError(
                "there is no weight that a penalty could hold down",
                evidence="of the model's trainable parameters, all are biases, normalisations or embeddings",
                remedy="leave l1 and l2 at 0, or unfreeze a layer with weights",
            )
        parameters = dict(model.named_parameters())
        self.l1 = float(l1)
        self.l2 = float(l2)
        self.names = tuple(names)
        self.weights = tuple(parameters[name] for name in names)

    def __call__(self) -> torch.Tensor:
        """Return the penalty as a scalar on the first weight's device, float32 at least; add it to the mean loss."""
        weights = [_wide(weight) for weight in self.weights if weight.requires_grad]
        total = torch.zeros((), dtype=self._dtype(), device=self.weights[0].device)
        for weight in weights:
            if self.l1:
                total = total + self.l1 * weight.abs().sum().to(total.device)
            if self.l2:
                total = total + 0.5 * self.l2 * weight.square().sum().to(total.device)
        # Of no strength, or all frozen, it is a constant: one whose gradient can be asked for all the same.
        return total if total.requires_grad or not torch.is_grad_enabled() else total.requires_grad_()

    def _dtype(self) -> torch.dtype:
        double = any(weight.dtype == torch.float64 for weight in self.weights)
        return torch.float64 if double else torch.float32


def _wide(weight: torch.Tensor) -> torch.Tensor:
    return weight.float() if weight.dtype in (torch.float16, torch.bfloat16) else weight
