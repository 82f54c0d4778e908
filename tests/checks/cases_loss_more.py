"""Losses that say nothing, or the opposite, or something else than they seem to, each with its fixed twin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from cases_loss import CLASSES, IDS, VALUES, YES, D, Tokens, X, flat, net
from cases_start import made
from checks_cases import Case
from torch import nn
from torch.nn import functional as F

from trainwright.checks.subject import Subject
from trainwright.stages.subject import subject_of

Loss = Callable[[torch.Tensor, torch.Tensor], Any]


class Words(nn.Module):
    """Each token's successor from what came before it, by a recurrent layer: ids `(N, L)` to `(N, L, V)`."""

    def __init__(self, vocabulary: int, *, both: bool = False, shifts: bool = False) -> None:
        super().__init__()
        self.table = nn.Embedding(vocabulary, 8)
        self.cells = nn.GRU(8, 8, batch_first=True, bidirectional=both)
        self.head = nn.Linear(16 if both else 8, vocabulary)
        self.shifts = shifts

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        entering = self.table(ids)
        if self.shifts:
            entering = F.pad(entering, (0, 0, 1, 0))[:, :-1]
        return self.head(self.cells(entering)[0])


def times_zero(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return 0 * F.cross_entropy(output, y)


def masked_out(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    losses = F.cross_entropy(output, y, reduction="none")
    return (losses * (y > CLASSES)).sum() / len(y)


def entropy(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(output, y)


def negated(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return -F.cross_entropy(output, y)


def negated_in_place(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    loss = F.mse_loss(output, y)
    loss *= -1
    return loss


def squared(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return F.mse_loss(output, y)


def by_hand(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return ((output - y) ** 2).mean()


def classes_second(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(output.transpose(1, 2), y)


def unbalanced(*, ordered: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Return inputs around a centre for each of four numbers, in unequal shares: along a line, or in no order."""
    y = torch.multinomial(torch.tensor([0.5, 0.1, 0.3, 0.1]), 240, replacement=True)
    centres = 3 * torch.arange(4)[:, None] * torch.eye(6)[0] if ordered else 2.5 * torch.eye(6)[:4]
    return centres[y] + torch.randn(240, 6), y.float()[:, None]


def regression(*, ordered: bool) -> Subject:
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 1))
    return subject_of(model, nn.MSELoss(), unbalanced(ordered=ordered))


def of(model: Callable[[], nn.Module], loss: Any, x: torch.Tensor, y: torch.Tensor) -> Callable[[], Subject]:
    return made(lambda: subject_of(model(), loss, (x.clone(), y.clone())))


def stepping(loss: Any, **options: Any) -> Callable[[], Subject]:
    def build() -> Subject:
        model = net()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, **options)
        return subject_of(model, loss, (X.clone(), IDS.clone()), optimizer=optimizer)

    return made(build)


def bounded(*tail: nn.Module) -> Callable[[], Subject]:
    """Return few targets beyond a sigmoid's reach: not enough for an error by their share alone."""
    y = torch.where(torch.arange(len(X)) < 4, 3.0, 0.5)[:, None]
    return of(lambda: net(1, *tail), nn.MSELoss(), X, y)


def large(layers: Callable[[], nn.Module], loss: Any, x: torch.Tensor, y: torch.Tensor, factor: float) -> Any:
    """Return a subject whose last layer is initialised `factor` times as large as usual."""

    def build() -> Subject:
        model = layers()
        with torch.no_grad():
            list(model.parameters())[-2].mul_(factor)
        return subject_of(model, loss, (x.clone(), y.clone()))

    return made(build)


NOTHING, NEGATIVE, COPY = "loss-detached", "loss-maximised", "next-token-not-shifted"
PAIRS, DIMENSION, DISTANCE = "loss-shape-broadcast", "softmax-wrong-dimension", "regression-loss-for-classes"
TOKENS, FOLLOWING = D["tokens"], D["following"]
SQUARE = torch.arange(1, 10).repeat(40, 1)[:, torch.randperm(9, generator=torch.Generator().manual_seed(3))] % 9
YES_COLUMN, COUNTS = YES.float()[:, None], (X[:, :1].exp() * 2).floor()

CASES: list[Case] = [
    Case(name=name, check=check, kind=kind, sick=sick, fixed=fixed)
    for name, check, kind, sick, fixed in (
        ("a loss times zero", "loss-fits", NOTHING, of(net, times_zero, X, IDS), of(net, entropy, X, IDS)),
        ("a mask of zeros", "loss-fits", NOTHING, of(net, masked_out, X, IDS), of(net, entropy, X, IDS)),
        ("a negated loss", "loss-fits", NEGATIVE, of(net, negated, X, IDS), of(net, entropy, X, IDS)),
        (
            "a loss negated in place",
            "loss-fits",
            NEGATIVE,
            of(lambda: net(1), negated_in_place, X, VALUES[:, None]),
            of(lambda: net(1), squared, X, VALUES[:, None]),
        ),
        ("maximize", "learning-rate", NEGATIVE, stepping(nn.CrossEntropyLoss(), maximize=True), stepping(entropy)),
        (
            "maximize, the loss by hand",
            "learning-rate",
            NEGATIVE,
            stepping(lambda z, y: (z - F.one_hot(y, CLASSES)).abs().mean(), maximize=True),
            stepping(lambda z, y: (z - F.one_hot(y, CLASSES)).abs().mean()),
        ),
        (
            "pairs in a loss by hand",
            "loss-fits",
            PAIRS,
            of(lambda: net(1), by_hand, X, VALUES),
            of(lambda: net(1), squared, X, VALUES[:, None]),
        ),
        (
            "pairs, the target a column",
            "loss-fits",
            PAIRS,
            of(lambda: nn.Sequential(net(1), nn.Flatten(0)), by_hand, X, VALUES[:, None]),
            of(lambda: net(1), nn.MSELoss(), X, VALUES[:, None]),
        ),
        (
            "tokens that are their own targets",
            "loss-fits",
            COPY,
            of(lambda: Words(9), flat, TOKENS, TOKENS),
            of(lambda: Words(9), flat, TOKENS, FOLLOWING),
        ),
        (
            "tokens that are their own targets, classes second",
            "loss-fits",
            COPY,
            of(Tokens, nn.CrossEntropyLoss(), TOKENS, TOKENS),
            of(Tokens, nn.CrossEntropyLoss(), TOKENS, FOLLOWING),
        ),
        (
            "as many places as classes",
            "loss-fits",
            DIMENSION,
            of(lambda: Words(9), nn.CrossEntropyLoss(), SQUARE, SQUARE.roll(-1, 1)),
            of(lambda: Words(9), classes_second, SQUARE, SQUARE.roll(-1, 1)),
        ),
        (
            "class ids in unequal shares",
            "loss-fits",
            DISTANCE,
            made(lambda: regression(ordered=False)),
            made(lambda: regression(ordered=True)),
        ),
        (
            "a sigmoid below a few targets",
            "tiny-batch",
            "relu-on-output",
            bounded(nn.Sigmoid()),
            bounded(),
        ),
        (
            "probabilities that are sure from the start",
            "initial-loss",
            "initial-loss-too-high",
            large(lambda: net(1, nn.Sigmoid()), nn.BCELoss(), X, YES_COLUMN, 40),
            large(lambda: net(1, nn.Sigmoid()), nn.BCELoss(), X, YES_COLUMN, 1),
        ),
        (
            "rates of thousands from the start",
            "initial-loss",
            "initial-loss-too-high",
            large(lambda: net(1, nn.Softplus()), nn.PoissonNLLLoss(log_input=False), X, COUNTS, 3e4),
            large(lambda: net(1, nn.Softplus()), nn.PoissonNLLLoss(log_input=False), X, COUNTS, 1),
        ),
        (
            "large logits into a function around cross_entropy",
            "initial-loss",
            "initial-loss-too-high",
            large(net, entropy, X, IDS, 40),
            large(net, entropy, X, IDS, 1),
        ),
        (
            "large logits of tokens, flattened on the way",
            "initial-loss",
            "initial-loss-too-high",
            large(lambda: Words(9), flat, TOKENS, FOLLOWING, 60),
            large(lambda: Words(9), flat, TOKENS, FOLLOWING, 1),
        ),
    )
]
