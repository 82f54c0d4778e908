"""Samples that see one another, and positions that see the future."""

from __future__ import annotations

from typing import Any

import cases_wiring as nets
import torch
from cases_wiring import FEATURES, Plain, labelled, made
from torch import nn
from torch.nn import functional as F
from wiring_nets import Bidirectional, Holder, kinds, one


class OverTheBatch(Plain):
    def between(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden.softmax(0)


def test_a_softmax_over_the_batch_mixes_every_pair() -> None:
    result = one(made(OverTheBatch)(), "samples-apart")
    assert result.measured["pairs_with_gradient"] == 20
    assert result.findings[0].where.module == "head"


def test_batch_normalisation_without_running_statistics_mixes_by_design() -> None:
    def build() -> nn.Module:
        return nn.Sequential(nn.Linear(FEATURES, 4), nn.BatchNorm1d(4, track_running_stats=False))

    result = one(made(build)(), "samples-apart")
    assert result.status == "skipped"
    assert "statistics of the batch" in result.reason


def test_a_batch_that_is_too_small_is_skipped_and_never_passes() -> None:
    subject = made(Plain, data=lambda: labelled(1))()
    assert one(subject, "samples-apart").status == one(subject, "input-matters").status == "skipped"


def forecast() -> Any:
    walks = torch.randn(24, 10, 2).cumsum(1)
    return walks[:, :-1].clone(), walks[:, 1:].clone()


class Forecaster(nn.Module):
    def __init__(self, bidirectional: bool) -> None:
        super().__init__()
        self.rnn = nn.LSTM(2, 8, 2, batch_first=True, dropout=0.2, bidirectional=bidirectional)
        self.head = nn.Linear(16 if bidirectional else 8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.rnn(x)[0])


def test_a_bidirectional_forecaster_sees_the_future_and_a_plain_one_does_not() -> None:
    sick = one(made(lambda: Forecaster(True), data=forecast, loss="mse")(), "no-future")
    assert kinds(sick) == ["future-visible error"]
    assert sick.findings[0].where.module == "rnn"
    assert one(made(lambda: Forecaster(False), data=forecast, loss="mse")(), "no-future").status == "passed"


def shifted_inside(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(output[:, :-1].flatten(0, 1), target[:, 1:].flatten())


class Wrapped(Bidirectional):
    """Returns an object that holds the output, as some libraries do."""

    def forward(self, x: torch.Tensor) -> Any:
        return Holder(super().forward(x))


def shifted_behind(output: Any, target: torch.Tensor) -> torch.Tensor:
    return shifted_inside(output.held, target)


def test_a_loss_that_shifts_the_targets_itself_is_recognised_and_a_copy_is_not_one() -> None:
    def same() -> Any:
        x = torch.randint(0, 11, (24, 9))
        return x, x.clone()

    assert kinds(one(made(Bidirectional, data=same, loss=shifted_inside)(), "no-future")) == ["future-visible error"]
    assert kinds(one(made(Wrapped, data=same, loss=shifted_behind)(), "no-future")) == ["future-visible error"]
    copied = one(made(Bidirectional, data=same, loss=nets.next_token)(), "no-future")
    assert copied.status == "skipped"
    assert "one position ahead" in copied.reason


class CausalConvolution(nn.Module):
    """Outputs `(N, tokens, length)`, with as many tokens as positions."""

    def __init__(self, left: int) -> None:
        super().__init__()
        self.left = left
        self.embedding, self.convolution, self.head = nn.Embedding(9, 8), nn.Conv1d(8, 8, 3), nn.Conv1d(8, 9, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = F.pad(self.embedding(x).transpose(1, 2), (self.left, 2 - self.left))
        return self.head(torch.relu(self.convolution(hidden)))


def test_positions_are_found_behind_the_classes_too() -> None:
    def square() -> Any:
        text = torch.randint(0, 9, (24, 10))
        return text[:, :-1].clone(), text[:, 1:].clone()

    def found(left: int) -> list[str]:
        return kinds(one(made(lambda: CausalConvolution(left), data=square)(), "no-future"))

    assert found(2) == []
    assert found(1) == ["future-visible error"]
