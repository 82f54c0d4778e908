"""Whether the values that enter a loss can be right: read once before the first step, because reading them waits."""

from __future__ import annotations

import torch

from trainwright.errors import DataError, ModelError
from trainwright.parts.loss_shapes import IGNORED
from trainwright.records import LossSpec

TOLERANCE = 1e-2
"""How far from 1 probabilities may sum: bfloat16 over many classes is off by some 1e-3, a mistake by far more."""


def check_target(spec: LossSpec, target: torch.Tensor, *, outputs: int | None = None) -> None:
    """Raise `DataError` where targets cannot be what `spec` expects, naming the first offender.

    Class ids must be at least 0, or -100 for what does not count, and below `outputs` where that is given. Targets that
    stand for yes or no must lie between 0 and 1, and class probabilities must also sum to 1 along dimension 1. Whether
    the shape fits the output, each loss says itself. Values are not judged, and neither are targets with NaN, which
    are a matter of the data.
    """
    if spec.target == "values" or target.numel() == 0:
        return
    if not target.is_floating_point():
        if spec.target == "binary":
            _check_between_0_and_1(spec, target)
        else:
            _check_ids(spec, target, outputs)
        return
    _check_between_0_and_1(spec, target)
    if "multi-label" not in spec.tasks and target.dim() > 1:
        worst = float((target.double().sum(1) - 1).abs().max())
        if worst > TOLERANCE:
            raise DataError(
                f"{spec.name} takes class probabilities that sum to 1, and these do not",
                evidence=f"a row of the target is off by {worst:.3g}",
                remedy="divide each row by its sum; for several labels at once use bce_with_logits",
            )


def _check_ids(spec: LossSpec, target: torch.Tensor, outputs: int | None) -> None:
    ids = target.long()
    above = ids >= outputs if outputs is not None else torch.zeros_like(ids, dtype=torch.bool)
    wrong = ids[((ids < 0) & (ids != IGNORED)) | above]
    if len(wrong):
        most = "" if outputs is None else f", and at most {outputs - 1}"
        raise DataError(
            f"{spec.name} takes class ids that count from 0{most}; {IGNORED} is for what does not count",
            evidence=f"{len(wrong)} of {ids.numel()} targets are others, the first {int(wrong[0])}",
            remedy="number the classes from 0 without gaps, and let the last layer have one output unit for each",
        )


def _check_between_0_and_1(spec: LossSpec, target: torch.Tensor) -> None:
    low, high = float(target.min()), float(target.max())  # NaN compares false: it passes, here and for sums
    if low < 0 or high > 1:
        labels = "1 and 2" if (low, high) == (1, 2) else "-1 and 1" if (low, high) == (-1, 1) else ""
        raise DataError(
            f"{spec.name} takes targets between 0 and 1",
            evidence=f"they run from {low:g} to {high:g}",
            remedy=f"the labels are {labels}: map them to 0 and 1" if labels else "pass 0 or 1, or a probability",
        )


def check_output(spec: LossSpec, output: torch.Tensor) -> None:
    """Raise `ModelError` where a loss that expects log-probabilities gets something else along dimension 1.

    Logits and values can be any number: whether they went through a softmax first, the doctor sees. An output that is
    not finite, or has no classes, is not judged here.
    """
    if spec.expects != "log-probabilities" or output.dim() < 2 or output.numel() == 0:
        return
    rows = output.detach().double()
    if not torch.isfinite(rows).all():
        return
    log_sums = rows.logsumexp(1)
    if float(log_sums.abs().max()) <= TOLERANCE:
        return
    worst = float(log_sums.flatten()[int(log_sums.abs().argmax())].exp())
    probabilities = bool((rows >= 0).all()) and float((rows.sum(1) - 1).abs().max()) <= TOLERANCE
    if probabilities:
        kind = "probabilities"
        remedy = "take the logarithm of what the softmax gives: put nn.LogSoftmax(1) in the place of nn.Softmax(1)"
    else:
        kind = "none"
        remedy = "append nn.LogSoftmax(1) to the model, or use cross_entropy, which takes raw logits"
    raise ModelError(
        f"{spec.name} takes log-probabilities, and the model's output is {kind}",
        evidence=f"exp(output) sums to {worst:.4g} over the classes of a sample, not to 1",
        remedy=remedy,
    )
