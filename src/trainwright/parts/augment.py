"""Augmentation: changes of training samples that leave what they show as it is, or mix two and their targets.

Each change has one number, its strength, and 0 is off. What a sample goes through is a function of (seed, epoch, index)
alone, in whichever batch it comes; who it is mixed with is a function of seed, epoch and the batch's samples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch

from trainwright.errors import DataError, UsageError
from trainwright.parts import augment_images, augment_mixes, losses
from trainwright.parts.augment_catalogue import CATALOGUE
from trainwright.parts.catalogue import find, option_problem
from trainwright.randomness import sample_uniforms
from trainwright.records import DataShape, Task

__all__ = ["CATALOGUE", "NEEDS_KORNIA", "SOFT_LOSSES", "Augment", "problem"]

NEEDS_KORNIA = ("rotate", "scale")
"""The changes that are made by kornia, the extra "images"."""

SOFT_LOSSES = ("cross_entropy", "bce_with_logits", "kl_div")
"""The losses for classes that take soft targets, with a gradient linear in them, as mixing assumes.

nll is not among them: a user's own torch.nn.NLLLoss goes by that name, too, and takes class ids alone.
"""


def problem(strengths: Mapping[str, float], shape: DataShape, loss_name: str) -> str | None:
    """Return why these changes cannot be made to such data, trained with such a loss, with the remedy; else None.

    `loss_name` is the catalogue's, or "" for a loss of the user's own, of which nobody knows what it takes.
    """
    on = [find(CATALOGUE, name, "augmentation") for name, strength in strengths.items() if strength]
    if not on:
        return None
    if shape.vocabulary is not None:
        return f"augment.{on[0].name} changes numbers, and these samples are token ids; take [augment] out"
    for spec in on:
        if spec.images and len(shape.input_shape) != 3:
            others = " and ".join(name for name, other in CATALOGUE.items() if not other.images)
            return f"augment.{spec.name} is for images, not for samples of shape {shape.input_shape}; use {others}"
    shift = strengths.get("shift", 0)
    if shift and shift >= (side := min(shape.input_shape[1:])):
        return f"augment.shift = {shift:g} moves images of {side} pixels out of sight; use {max(1, side // 10)}"
    if strengths.get("cutmix") and shape.task == "regression":
        return "augment.cutmix counts classes by their area, and these targets are values; use augment.mixup"
    mixing = next((spec.name for spec in on if spec.mixes), None)
    hard = loss_name in losses.CATALOGUE and loss_name not in SOFT_LOSSES
    if mixing and hard and shape.task != "regression":
        fitting = losses.automatic(shape.task, max(2, shape.outputs))
        return f"augment.{mixing} makes targets soft, which loss '{loss_name}' does not take; use '{fitting}'"
    return None


class Augment:
    """Changes batches of training samples by the `strengths` of the catalogue's entries; what is absent is off.

    `task` and `outputs`, the network's output units, say how targets become soft. `fill` is the value of black after
    standardisation, (0 - mean) / std: one number, or one for each channel. Raises `UsageError` on an unknown name, a
    strength out of its range, or a missing kornia.
    """

    def __init__(
        self,
        strengths: Mapping[str, float],
        *,
        seed: int,
        task: Task,
        outputs: int,
        fill: float | Sequence[float] = 0.0,
    ) -> None:
        for name, strength in strengths.items():
            wrong = option_problem(f"augment.{name}", strength, find(CATALOGUE, name, "augmentation").strength)
            if wrong:
                raise UsageError(wrong, evidence=CATALOGUE[name].strength.meaning)
            if strength and name in NEEDS_KORNIA:
                augment_images.require_kornia(name)
        self.strengths = {name: float(strengths[name]) for name in CATALOGUE if strengths.get(name)}
        self.seed = seed
        self.task: Task = task
        self.outputs = outputs
        self.fill = torch.tensor(fill, dtype=torch.float64).reshape(1, -1, 1, 1)

    @property
    def mixes(self) -> bool:
        """Whether targets become soft."""
        return any(CATALOGUE[name].mixes for name in self.strengths)

    def __call__(
        self, x: torch.Tensor, y: torch.Tensor, *, epoch: int, indices: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return samples `(N, ...)` and targets, changed; `indices`, int64 `(N,)`, says which samples they are.

        Images are changed in their geometry, then in their colour, then comes the noise, then erasing, then mixing. The
        tensors that were passed are left as they are. Raises `DataError` on samples that are no floats, or no images.
        """
        if not self.strengths:
            return x, y
        if not x.is_floating_point():
            raise DataError(
                "augmentation needs samples of floats", evidence=f"{x.dtype}", remedy="pass images as floats"
            )
        draw = _Draw(self.seed, epoch, indices)
        if any(CATALOGUE[name].images for name in self.strengths):
            if x.dim() != 4 or self.fill.numel() not in (1, x.shape[1]):
                raise DataError(
                    "these changes are for images (N, channels, height, width), with one black or one for each channel",
                    evidence=f"samples of shape {tuple(x.shape)}, {self.fill.numel()} values of black",
                    remedy="leave what is for images at 0, or give as many values of black as there are channels",
                )
            x = self._images(x, draw)
        if "noise" in self.strengths:
            # The middle of each of the 2**53 values that a draw can have: the ends of (-1, 1) do not come up.
            uniforms = draw("noise", math.prod(x.shape[1:])) * 2 - 1 + 2.0**-53
            normal = torch.erfinv(uniforms).reshape(x.shape) * math.sqrt(2)
            x = x + (normal * self.strengths["noise"]).to(x)
        if "erase" in self.strengths:
            uniforms = draw("erase", 5)
            erased = uniforms[:, 4] < self.strengths["erase"]
            x = augment_images.erase(x, erased, uniforms, self._black(x))
        return self._mixed(x, y, draw) if self.mixes else (x, y)

    def _images(self, x: torch.Tensor, draw: _Draw) -> torch.Tensor:
        """Return images changed in their geometry and colour."""
        strengths, black = self.strengths, self._black(x)
        if "flip" in strengths:
            x = augment_images.flip(x, draw("flip", 1)[:, 0] < strengths["flip"])
        if "rotate" in strengths or "scale" in strengths:
            degrees = draw.symmetric("rotate") * strengths.get("rotate", 0.0)
            zoom = torch.exp(draw.symmetric("scale") * math.log1p(strengths.get("scale", 0.0)))
            x = augment_images.warp(x, degrees, zoom, black)
        if "shift" in strengths:
            most = int(strengths["shift"])
            down, right = (torch.floor(draw("shift", 2) * (2 * most + 1)).long() - most).unbind(1)
            x = augment_images.shift(x, down, right, black)
        if "brightness" in strengths:
            x = augment_images.brighten(x, 1 + draw.symmetric("brightness") * strengths["brightness"], black)
        if "contrast" in strengths:
            x = augment_images.contrast(x, 1 + draw.symmetric("contrast") * strengths["contrast"])
        return x

    def _mixed(self, x: torch.Tensor, y: torch.Tensor, draw: _Draw) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the batch mixed by mixup or by CutMix: where both are on, by one of them, with equal chances."""
        y = augment_mixes.soft_targets(y, task=self.task, outputs=self.outputs, dtype=x.dtype)
        uniforms = draw("mix", 5)
        partner = augment_mixes.partners(uniforms[:, 0])
        chosen = [name for name in ("mixup", "cutmix") if name in self.strengths]
        if len(chosen) == 2:
            # The coin of the sample with the smallest key decides for its batch: no other draw depends on that coin.
            coin = float(uniforms[uniforms[:, 0].argmin(), 1])
            chosen = chosen[:1] if coin < 0.5 else chosen[1:]
        share = augment_mixes.beta_quantiles(uniforms[:, 2], self.strengths[chosen[0]])
        if chosen == ["cutmix"]:
            x, share = augment_mixes.paste(x, partner, share, uniforms[:, 3:])
            return x, augment_mixes.mix(y, partner, share)
        return augment_mixes.mix(x, partner, share), augment_mixes.mix(y, partner, share)

    def _black(self, x: torch.Tensor) -> torch.Tensor:
        return self.fill.to(x.dtype).to(x.device)


class _Draw:
    """The random numbers of a batch: `draw(purpose, count)` is float64 `(N, count)` on the CPU."""

    def __init__(self, seed: int, epoch: int, indices: torch.Tensor) -> None:
        self.seed = seed
        self.epoch = epoch
        self.indices = indices.cpu()

    def __call__(self, purpose: str, count: int) -> torch.Tensor:
        """Return `count` numbers in [0, 1) for each sample."""
        return sample_uniforms(self.seed, self.epoch, self.indices, count, purpose)

    def symmetric(self, purpose: str) -> torch.Tensor:
        """Return one number in [-1, 1) for each sample."""
        return self(purpose, 1)[:, 0] * 2 - 1
