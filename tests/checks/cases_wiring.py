"""Planted faults of wiring, each beside its fixed twin: tiny networks that differ in the fault alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from checks_cases import Case
from torch import nn
from torch.nn import functional as F

from trainwright.checks.subject import Subject
from trainwright.randomness import isolated
from trainwright.stages.subject import subject_of

SAMPLES, FEATURES, WIDTH, CLASSES, LENGTH = 24, 6, 12, 3, 9


def labelled(samples: int = SAMPLES) -> tuple[torch.Tensor, torch.Tensor]:
    """Return standard normal inputs and the class of each."""
    x = torch.randn(samples, FEATURES)
    return x, x[:, :CLASSES].argmax(1)


def tokens() -> tuple[torch.Tensor, torch.Tensor]:
    """Return sequences of tokens, and the same one position ahead."""
    text = torch.randint(0, 11, (SAMPLES, LENGTH + 1))
    return text[:, :-1].clone(), text[:, 1:].clone()


def made(
    build: Callable[[], nn.Module],
    *,
    data: Callable[[], Any] = labelled,
    loss: Any = "cross_entropy",
    optimizer: Callable[[nn.Module], torch.optim.Optimizer] | None = None,
    prepare: Callable[[nn.Module], None] | None = None,
) -> Callable[[], Subject]:
    """Return a function that builds the same subject every time."""

    def subject() -> Subject:
        with isolated(3, "cases"):
            given = data()
            model = build()
            chosen = None if optimizer is None else optimizer(model)
            if prepare is not None:
                prepare(model)
        return subject_of(model, loss, given, optimizer=chosen)

    return subject


def mlp() -> nn.Sequential:
    """Return a plain network of two hidden layers."""
    return nn.Sequential(
        nn.Linear(FEATURES, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, CLASSES)
    )


class Plain(nn.Module):
    """An encoder, a head, and between them what a subclass does."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(FEATURES, WIDTH)
        self.head = nn.Linear(WIDTH, CLASSES)

    def between(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.between(torch.tanh(self.encoder(x))))


class CutBetween(Plain):
    def between(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden.detach()


class RoundedBetween(Plain):
    def between(self, hidden: torch.Tensor) -> torch.Tensor:
        return torch.round(4 * hidden)


class StraightThrough(Plain):
    def between(self, hidden: torch.Tensor) -> torch.Tensor:
        return 4 * hidden + (torch.round(4 * hidden) - 4 * hidden).detach()


class CutAtTheEnd(Plain):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tensor(super().forward(x).tolist())


def item_loss(output: torch.Tensor, target: torch.Tensor) -> Any:
    return F.cross_entropy(output, target).detach()


class Listed(nn.Module):
    """Hidden layers in a list, or in what `hold` makes of it."""

    def __init__(self, hold: Callable[[list[nn.Module]], Any]) -> None:
        super().__init__()
        self.layers = hold([nn.Linear(FEATURES, WIDTH), nn.Linear(WIDTH, WIDTH)])
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = torch.relu(layer(x))
        return self.head(x)


class BuiltEachTime(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(FEATURES, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.Linear(WIDTH, CLASSES)(torch.relu(self.first(x)))


class Overwritten(Plain):
    """Sets the weights of its encoder in every pass."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            self.encoder.weight.fill_(0.3)
            self.encoder.bias.fill_(0.1)
        return super().forward(x)


class Regrouped(nn.Module):
    """Swaps the axes of features and channels, by `view` where `permute` is due."""

    def __init__(self, right: bool) -> None:
        super().__init__()
        self.right = right
        self.channels = nn.Linear(1, 4)
        self.head = nn.Linear(4, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(self.channels(x[:, :, None]))  # (N, F, 4)
        hidden = hidden.permute(1, 0, 2)  # (F, N, 4)
        hidden = hidden.permute(1, 0, 2) if self.right else hidden.reshape(len(x), -1, 4)
        return self.head(hidden.mean(1))


class Recurrent(nn.Module):
    def __init__(self, batch_first: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 5)
        self.rnn = nn.GRU(5, WIDTH, batch_first=batch_first)
        self.head = nn.Linear(WIDTH, 11)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.rnn(self.embedding(x))[0])


class Language(nn.Module):
    """One layer of attention over tokens; `masked` says when a position sees no later ones."""

    def __init__(self, masked: Callable[[nn.Module], bool], dropout: float = 0.1) -> None:
        super().__init__()
        self.masked = masked
        self.embedding = nn.Embedding(11, 8)
        self.places = nn.Parameter(torch.randn(LENGTH, 8))
        self.dropout = nn.Dropout(dropout)
        self.query, self.key, self.value = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)
        self.head = nn.Linear(8, 11)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.dropout(self.embedding(x) + self.places[: x.shape[1]])
        query, key, value = self.query(hidden), self.key(hidden), self.value(hidden)
        seen = F.scaled_dot_product_attention(query, key, value, is_causal=self.masked(self))
        return self.head(hidden + seen)


class FunctionalDropout(Plain):
    def between(self, hidden: torch.Tensor) -> torch.Tensor:
        return F.dropout(hidden, 0.3)


class SwitchedDropout(Plain):
    def between(self, hidden: torch.Tensor) -> torch.Tensor:
        return F.dropout(hidden, 0.3, training=self.training)


class BreaksInTraining(Plain):
    def between(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden[:, : WIDTH - 1] if self.training else hidden


class Blind(Plain):
    def between(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden * 0.0


def next_token(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy over all positions."""
    return F.cross_entropy(output.flatten(0, 1), target.flatten())


def normalised() -> nn.Module:
    return nn.Sequential(nn.Linear(FEATURES, WIDTH), nn.BatchNorm1d(WIDTH), nn.ReLU(), nn.Linear(WIDTH, CLASSES))


def adam(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=1e-2)


def without_head(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD([*model.parameters()][:-2], lr=1e-2)


def frozen_group(frozen: bool) -> Callable[[nn.Module], torch.optim.Optimizer]:
    """Return what makes an optimizer of two groups and, after that, freezes the first."""

    def make(model: nn.Module) -> torch.optim.Optimizer:
        encoder, head = [*model.parameters()][:2], [*model.parameters()][2:]
        for parameter in encoder:
            parameter.requires_grad_(not frozen)
        return torch.optim.SGD([{"params": encoder}, {"params": head, "lr": 0.1}], lr=0.01)

    return make


def replaced_head(model: nn.Module) -> None:
    assert isinstance(model, Plain)
    model.head = nn.Linear(WIDTH, CLASSES)


def idle(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.0)


def batches_of(size: int) -> Callable[[], Any]:
    """Return what makes a loader of batches of `size` samples."""

    def make() -> Any:
        x, y = labelled()
        return [(x[start : start + size], y[start : start + size]) for start in range(0, SAMPLES, size)]

    return make


def _case(name: str, check: str, kind: str, sick: Callable[[], Subject], fixed: Callable[[], Subject]) -> Case:
    return Case(name=name, check=check, kind=kind, sick=sick, fixed=fixed)


def coarse(dtype: torch.dtype) -> Subject:
    with isolated(5):
        model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 3)).to(dtype)
        x, y = torch.randn(64, 8).to(dtype), torch.randint(0, 3, (64,))
    return subject_of(model, "cross_entropy", (x, y), optimizer=torch.optim.SGD(model.parameters(), lr=1e-4))


CASES: list[Case] = [
    _case("cut between", "parameters-reached", "parameters-without-gradient", made(CutBetween), made(Plain)),
    _case("rounded", "parameters-reached", "parameters-without-gradient", made(RoundedBetween), made(StraightThrough)),
    _case("cut at the end", "parameters-reached", "loss-detached", made(CutAtTheEnd), made(Plain)),
    _case("cut in the loss", "parameters-reached", "loss-detached", made(Plain, loss=item_loss), made(Plain)),
    _case(
        "layers in a list",
        "layers-registered",
        "unregistered-submodule",
        made(lambda: Listed(list)),
        made(lambda: Listed(nn.ModuleList)),
    ),
    _case("built in forward", "layers-registered", "unregistered-submodule", made(BuiltEachTime), made(Plain)),
    _case(
        "head not given",
        "parameters-updated",
        "parameters-not-in-optimizer",
        made(Plain, optimizer=without_head),
        made(Plain, optimizer=adam),
    ),
    _case(
        "head replaced",
        "parameters-updated",
        "parameters-not-in-optimizer",
        made(Plain, optimizer=adam, prepare=replaced_head),
        made(Plain, optimizer=adam),
    ),
    _case(
        "group frozen",
        "parameters-updated",
        "parameters-frozen",
        made(Plain, optimizer=frozen_group(True)),
        made(Plain, optimizer=frozen_group(False)),
    ),
    _case(
        "rate zero",
        "parameters-updated",
        "weights-never-updated",
        made(Plain, optimizer=idle),
        made(Plain, optimizer=adam),
    ),
    _case(
        "weights in bfloat16",
        "parameters-updated",
        "bf16-updates-lost",
        lambda: coarse(torch.bfloat16),
        lambda: coarse(torch.float32),
    ),
    _case(
        "view for permute",
        "samples-apart",
        "samples-mixed-in-batch",
        made(lambda: Regrouped(False)),
        made(lambda: Regrouped(True)),
    ),
    _case(
        "batch for time",
        "samples-apart",
        "samples-mixed-in-batch",
        made(lambda: Recurrent(False), data=tokens, loss=next_token),
        made(lambda: Recurrent(True), data=tokens, loss=next_token),
    ),
    _case(
        "no mask",
        "no-future",
        "future-visible",
        made(lambda: Language(lambda model: False), data=tokens, loss=next_token),
        made(lambda: Language(lambda model: True), data=tokens, loss=next_token),
    ),
    _case(
        "mask in training only",
        "no-future",
        "future-visible",
        made(lambda: Language(lambda model: model.training), data=tokens, loss=next_token),
        made(lambda: Language(lambda model: True), data=tokens, loss=next_token),
    ),
    _case("dropout always on", "modes", "dropout-always-on", made(FunctionalDropout), made(SwitchedDropout)),
    _case(
        "raises in training",
        "modes",
        "fails-in-one-mode",
        made(lambda: BreaksInTraining().eval()),
        made(lambda: Plain().eval()),
    ),
    _case(
        "batches of two",
        "modes",
        "batch-norm-tiny-batch",
        made(normalised, data=batches_of(2)),
        made(normalised, data=batches_of(8)),
    ),
    _case("input times zero", "input-matters", "outputs-ignore-input", made(Blind), made(Plain)),
]
