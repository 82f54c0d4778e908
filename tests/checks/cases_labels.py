"""Planted faults of labels, weights of classes and a cut graph, each beside its fixed twin."""

from __future__ import annotations

from collections.abc import Callable

import torch
from checks_cases import Case
from torch import nn
from torch.nn import functional as F

from trainwright.checks.subject import Subject
from trainwright.randomness import isolated
from trainwright.stages.subject import subject_of


def weighted(inverted: bool) -> Subject:
    """Return labels of four classes, the rarest one in thirty, under weights for their counts."""
    with isolated(11):
        x = torch.randn(1200, 8)
        model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    y = torch.bucketize(x[:, 0].contiguous(), torch.tensor([0.8, 1.3, 1.9]))
    counts = torch.bincount(y).float()
    weight = counts / counts.mean() if inverted else counts.mean() / counts
    return subject_of(model, nn.CrossEntropyLoss(weight=weight), (x, y))


def counted(first: int) -> Subject:
    """Return labels of three classes that count from `first`, before as many outputs as that takes."""
    with isolated(12):
        x = torch.randn(300, 6)
        model = nn.Linear(6, 3 + first)
    return subject_of(model, "cross_entropy", (x, x[:, :3].argmax(1) + first))


class Reader(nn.Module):
    """Names the next token."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(20, 8), nn.Linear(8, 20)
        self.rnn = nn.GRU(8, 8, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.rnn(self.embedding(x))[0])


def ahead(lag: int) -> Subject:
    """Return text whose targets lie `lag` tokens ahead."""

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(output.flatten(0, 1), target.flatten())

    with isolated(13):
        tokens, model = torch.randint(1, 20, (24, 14)), Reader()
    return subject_of(model, loss, (tokens[:, :12].clone(), tokens[:, lag : lag + 12].clone()))


class Halves(nn.Module):
    """Two layers, between which the graph may be cut."""

    def __init__(self, cut: bool) -> None:
        super().__init__()
        self.cut, self.first, self.second = cut, nn.Linear(6, 8), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.first(x).tanh()
        return self.second(torch.tensor(hidden.tolist(), dtype=hidden.dtype) if self.cut else hidden)


def halves(cut: bool) -> Subject:
    """Return a training of two layers."""
    with isolated(14):
        x, model = torch.randn(64, 6), Halves(cut)
    return subject_of(model, "cross_entropy", (x, x[:, :3].argmax(1)))


def _case(name: str, check: str, kind: str, sick: Callable[[], Subject], fixed: Callable[[], Subject]) -> Case:
    return Case(name=name, check=check, kind=kind, sick=sick, fixed=fixed)


CASES = [
    _case(
        "weights of classes in proportion to their counts",
        "labels",
        "class-weights-inverted",
        lambda: weighted(True),
        lambda: weighted(False),
    ),
    _case("labels from 1", "labels", "labels-out-of-range", lambda: counted(1), lambda: counted(0)),
    _case("tokens shifted twice", "no-future", "next-token-not-shifted", lambda: ahead(2), lambda: ahead(1)),
    _case(
        "a graph cut by a list", "gradients", "parameters-without-gradient", lambda: halves(True), lambda: halves(False)
    ),
]
