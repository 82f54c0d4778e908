"""Targets that are off by a place or a number: tokens shifted twice, labels that count from 1, data without an end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from trainwright.checks.catalogue import CATALOGUE
from trainwright.checks.run import run_check
from trainwright.randomness import isolated
from trainwright.records import CheckResult
from trainwright.stages.subject import subject_of


class Causal(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(20, 8), nn.Linear(8, 20)
        self.rnn = nn.GRU(8, 8, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.rnn(self.embedding(x))[0])


def plain(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(output.flatten(0, 1), target.flatten())


def shifting(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(output[:, :-1].flatten(0, 1), target[:, 1:].flatten())


def of_text(lag: int, loss: Any, *, padded: bool = False) -> CheckResult:
    with isolated(3):
        tokens, model = torch.randint(1, 20, (24, 14)), Causal()
    x, y = tokens[:, :12].clone(), tokens[:, lag : lag + 12].clone()
    if padded:
        y[:, -1] = -100
    return run_check(subject_of(model, loss, (x, y)), CATALOGUE["no-future"])


@pytest.mark.parametrize(
    ("lag", "loss", "padded", "expected"),
    [
        (2, plain, False, ["next-token-not-shifted warning"]),
        (1, shifting, False, ["next-token-not-shifted warning"]),
        (1, plain, False, []),
        (0, shifting, False, []),
        (1, plain, True, []),
    ],
    ids=["two ahead in the data", "in data and loss", "in the data", "in the loss", "padded at the end"],
)
def test_tokens_are_shifted_once(lag: int, loss: Any, padded: bool, expected: list[str]) -> None:
    result = of_text(lag, loss, padded=padded)
    assert [f"{finding.kind} {finding.severity}" for finding in result.findings] == expected


def of_labels(first: int, outputs: int, loss: Any = "cross_entropy", *, samples: int = 300) -> list[str]:
    with isolated(4):
        x, model = torch.randn(samples, 6), nn.Linear(6, outputs)
    y = x[:, :3].argmax(1) + first
    result = run_check(subject_of(model, loss, (x, y)), CATALOGUE["labels"])
    return [f"{finding.kind} {finding.severity}" for finding in result.findings]


def test_labels_that_count_from_one_leave_an_output_without_use() -> None:
    assert of_labels(1, 4) == ["labels-out-of-range note"]
    assert of_labels(0, 3) == of_labels(0, 4) == of_labels(1, 5) == []
    assert of_labels(1, 4, samples=40) == []  # class 0 may be missing by chance
    assert of_labels(1, 4, lambda output, y: F.cross_entropy(output, y - 1)) == []


class Stream:
    """Batches of blobs, with or without an end."""

    def __init__(self, batches: int) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[Any]:
        for _ in range(self.batches):
            x = torch.randn(64, 6)
            yield x, x[:, :3].argmax(1)


def test_a_stream_without_an_end_is_told_in_a_note_and_one_with_an_end_is_not() -> None:
    with isolated(5):
        model = nn.Linear(6, 3)
    endless = run_check(subject_of(model, "cross_entropy", Stream(10**9)), CATALOGUE["data-readable"])
    assert [(finding.kind, finding.severity) for finding in endless.findings] == [("data-unreadable", "note")]
    ended = run_check(subject_of(model, "cross_entropy", Stream(5)), CATALOGUE["data-readable"])
    assert ended.findings == ()
