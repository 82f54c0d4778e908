"""Weights of classes in the loss, the right way round and the wrong one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from cases_start import made, mlp
from torch import nn
from torch.nn import functional as F

from trainwright.checks.labels_sane import CHECK
from trainwright.checks.run import run_check
from trainwright.checks.subject import Subject
from trainwright.records import CheckResult
from trainwright.stages.subject import subject_of


def imbalanced(loss_for: Callable[[torch.Tensor], Any], *, binary: bool = False, shift: int = 0) -> CheckResult:
    """Return what is said of labels of four classes (or of yes and no) under the loss made for their counts."""

    def build() -> Subject:
        x = torch.randn(1200, 8)
        y = torch.bucketize(x[:, 0].contiguous(), torch.tensor([1.5]) if binary else torch.tensor([0.8, 1.3, 1.9]))
        loss = loss_for(torch.bincount(y).float())
        return subject_of(mlp(8, 16, 1 if binary else 4), loss, (x, y[:, None].float() if binary else y + shift))

    return run_check(made(build)(), CHECK)


def kinds(result: CheckResult) -> list[str]:
    return [finding.kind for finding in result.findings]


@pytest.mark.parametrize(
    "loss_for",
    [
        lambda counts: nn.CrossEntropyLoss(weight=counts / counts.mean()),
        lambda counts: lambda output, y: F.cross_entropy(output, y, counts / counts.sum()),
        lambda counts: lambda output, y: F.nll_loss(output.log_softmax(1), y, weight=counts),
    ],
    ids=["module", "function by position", "likelihood"],
)
def test_weights_in_proportion_to_the_counts_are_the_wrong_way_round(loss_for: Callable[[torch.Tensor], Any]) -> None:
    assert "class-weights-inverted" in kinds(imbalanced(loss_for))


def test_weights_that_balance_and_none_at_all_are_not_accused() -> None:
    for loss_for in (
        lambda counts: nn.CrossEntropyLoss(weight=counts.mean() / counts),
        lambda counts: nn.CrossEntropyLoss(weight=(counts.mean() / counts).sqrt()),
        lambda counts: nn.CrossEntropyLoss(),
    ):
        assert "class-weights-inverted" not in kinds(imbalanced(loss_for))


def test_the_weight_of_yes_may_not_be_the_share_of_yes_over_no() -> None:
    def loss_for(inverted: bool) -> Callable[[torch.Tensor], Any]:
        return lambda counts: nn.BCEWithLogitsLoss(
            pos_weight=counts[1] / counts[0] if inverted else counts[0] / counts[1]
        )

    assert kinds(imbalanced(loss_for(True), binary=True)) == ["class-weights-inverted"]
    assert kinds(imbalanced(loss_for(False), binary=True)) == []


def test_labels_that_the_loss_renumbers_are_counted_as_it_counts_them() -> None:
    result = imbalanced(
        lambda counts: lambda output, y: F.cross_entropy(output, y - 1, weight=counts.mean() / counts), shift=1
    )
    assert "class-weights-inverted" not in kinds(result)
