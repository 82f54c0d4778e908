"""Which loss a function really is, seen from its calls, and what guessing means to it.

`lambda z, y: F.cross_entropy(z, y)` is that cross-entropy, and `nn.BCELoss` one that takes probabilities: what they
should be before training is known as well as for a loss of the catalogue.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from trainwright.checks.guessing import least, one_answer
from trainwright.checks.subject import Subject
from trainwright.parts.loss_catalogue import CATALOGUE
from trainwright.records import LossSpec
from trainwright.records.loss_call import LossCall

_PROBABILITIES = replace(
    CATALOGUE["bce_with_logits"],
    name="bce",
    expects="probabilities",
    factory=nn.BCELoss,
    torch_names=("BCELoss", "binary_cross_entropy"),
)
_COUNTS = replace(
    CATALOGUE["mse"], name="poisson_nll", factory=nn.PoissonNLLLoss, torch_names=("PoissonNLLLoss", "poisson_nll_loss")
)
_SPECS: Mapping[str, LossSpec] = {
    "cross_entropy": CATALOGUE["cross_entropy"],
    "nll_loss": CATALOGUE["nll"],
    "binary_cross_entropy_with_logits": CATALOGUE["bce_with_logits"],
    "binary_cross_entropy": _PROBABILITIES,
    "mse_loss": CATALOGUE["mse"],
    "l1_loss": CATALOGUE["mae"],
    "smooth_l1_loss": CATALOGUE["smooth_l1"],
    "huber_loss": CATALOGUE["huber"],
    "poisson_nll_loss": _COUNTS,
}
"""torch's function -> what is known of it."""


@dataclass(frozen=True, kw_only=True)
class KnownLoss:
    """What a loss takes. `through` makes such an answer of any numbers, and of zeros the one that favours nothing.

    `classes` is the dimension along which it looks class ids up, None where it does not.
    """

    spec: LossSpec
    through: Callable[[torch.Tensor], torch.Tensor] | None = None
    classes: int | None = None

    def neutral(self, output: torch.Tensor) -> torch.Tensor:
        """Return an answer of the output's shape that favours nothing."""
        zeros = torch.zeros_like(output)
        return zeros if self.through is None else self.through(zeros)

    def constant(self, loss: Any, y: Any, output: torch.Tensor) -> float | None:
        """Return the least loss of one answer for all samples, None where it is not known."""
        if self.classes is not None and self.spec.target == "class-index":
            shape = [1] * output.dim()
            shape[self.classes] = output.shape[self.classes]
            table = output.new_zeros(shape)
        elif self.through is None:
            table = one_answer(output, y, self.spec)
        else:
            table = output.new_zeros((1, *output.shape[1:]))
        return least(loss, y, output, table, through=self.through)

    def strength(self, output: torch.Tensor) -> torch.Tensor:
        """Return the output as logits, less what the classes have in common, or as the values that it stands for."""
        values = output.detach().double()
        if self.spec is _PROBABILITIES:
            return values.clamp(1e-12, 1 - 1e-12).logit()
        if self.spec is _COUNTS:
            return values if self.through is None else self.through(values)
        if self.classes is not None and "multi-label" not in self.spec.tasks and values.shape[self.classes] > 1:
            return values - values.mean(self.classes, keepdim=True)
        return values


def known_loss(subject: Subject, output: torch.Tensor) -> KnownLoss | None:
    """Return what the subject's loss is: by its own entry of the catalogue, or else by the one call that it is."""
    spec, classes = subject.spec, 1
    if spec is None:
        call = _only_call(subject)
        if call is None:
            return None
        spec = _SPECS[call.function]
        if spec.target == "class-index" and call.input.shape[1:] != output.shape[1:]:
            if len(call.input.shape) != 2 or call.input.shape[1] != output.shape[-1]:
                return None
            classes = output.dim() - 1  # flattened on the way to the loss
    if spec.expects == "log-probabilities":
        return KnownLoss(spec=spec, through=lambda z: z.log_softmax(classes), classes=classes)
    if spec is _PROBABILITIES:
        return KnownLoss(spec=spec, through=torch.sigmoid)
    if spec is _COUNTS:
        return _counts(subject, output)
    logits = spec.target == "class-index" and output.dim() > 1
    return KnownLoss(spec=spec, classes=classes if logits else None)


def _counts(subject: Subject, output: torch.Tensor) -> KnownLoss:
    """Tell rates from their logarithms: of a negative rate there is no loss."""
    with torch.no_grad():
        value = subject.loss(torch.full_like(output, -1.0), subject.y)
    rates = not math.isfinite(float(value))
    return KnownLoss(spec=_COUNTS, through=torch.exp if rates else None)


def _only_call(subject: Subject) -> LossCall | None:
    """Return the call of a known loss, of the model's own output, that is the whole of the subject's loss."""
    facts = subject.info.output
    for call in facts.calls if facts is not None else ():
        whole = call.weight is not None and abs(call.weight - 1) < 1e-4
        if whole and call.input.direct and call.function in _SPECS:
            return call
    return None
