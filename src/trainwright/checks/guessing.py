"""What a loss is for an answer that does not depend on the input, and the least it can be for given samples.

Both are computed with the loss itself, so that smoothing, class weights, reductions and ignored targets are in them.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from trainwright.checks.subject import Loss
from trainwright.records import LossSpec

_ITERATIONS = 80  # of L-BFGS on a smooth convex problem in the outputs alone: far beyond what it needs
_FAR_BELOW = -1e3  # a loss that gets there is taken to have no floor


def one_answer(output: torch.Tensor, y: Any, spec: LossSpec | None) -> torch.Tensor:
    """Return the table of a constant predictor to start `least` from: one answer for all samples."""
    shape = output.shape[1:]
    if spec is not None and spec.target == "class-index" and output.dim() > 2:
        shape = (output.shape[1], *[1] * (output.dim() - 2))  # the same classes at every place of a sample
    table = output.new_zeros((1, *shape))
    if isinstance(y, torch.Tensor) and y.numel() == output.numel() and (spec is None or spec.expects == "values"):
        table = table + y.to(output.dtype).reshape(output.shape).median(0, keepdim=True).values
    return table


def answer_for_each(output: torch.Tensor, y: Any, groups: torch.Tensor, spec: LossSpec | None) -> torch.Tensor:
    """Return the table of a predictor that may answer every group of samples as it likes."""
    table = output.new_zeros((int(groups.max()) + 1, *output.shape[1:]))
    if isinstance(y, torch.Tensor) and y.numel() == output.numel() and (spec is None or spec.expects == "values"):
        counts = torch.bincount(groups).to(output.dtype)
        total = table.index_add(0, groups, y.to(output.dtype).reshape(output.shape))
        table = total / counts.view(-1, *[1] * (output.dim() - 1))
    return table


def least(
    loss: Loss,
    y: Any,
    output: torch.Tensor,
    table: torch.Tensor,
    groups: torch.Tensor | None = None,
    spec: LossSpec | None = None,
    *,
    through: Any = None,
) -> float | None:
    """Return the least loss over all tables of answers `(G, ...)`, sample i being answered by row `groups[i]`.

    `output` is one that the model gave, whose shape the answers take; `through` is applied to them (an activation).
    None where it cannot be computed, or has no bound.
    """
    answers = table.detach().clone().requires_grad_()
    logs = spec is not None and spec.expects == "log-probabilities"

    def value() -> torch.Tensor:
        rows = answers.expand(output.shape) if groups is None else answers[groups].expand(output.shape)
        rows = rows if through is None else through(rows)
        return loss(rows.log_softmax(1) if logs else rows, y)

    optimizer = torch.optim.LBFGS([answers], max_iter=_ITERATIONS, line_search_fn="strong_wolfe", tolerance_change=1e-9)
    best = math.inf

    def closure() -> torch.Tensor:
        nonlocal best
        optimizer.zero_grad()
        found = value()
        found.backward()
        best = min(best, float(found)) if math.isfinite(float(found)) else best
        return found

    try:
        with torch.enable_grad():
            optimizer.step(closure)
    except Exception:  # a loss that refuses free answers (probabilities alone, several outputs) has no known floor
        return None
    return best if _FAR_BELOW < best < math.inf else None
