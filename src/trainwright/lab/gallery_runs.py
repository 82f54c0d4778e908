"""The runs of the gallery: what each trains, and what the doctor should say of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from trainwright.lab.tiny import clusters, moons, network, wave
from trainwright.lab.training import Plan
from trainwright.parts.losses import cross_entropy


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One run of the gallery. `story` says what the curve shows; `expected` is the kind that the doctor should name."""

    name: str
    title: str
    story: str
    plan: Callable[[], Plan]
    expected: str = ""


def _plan(name: str, train: Any, validation: Any, steps: int, **more: Any) -> Plan:
    make, loss = more.pop("make"), more.pop("loss", None)
    settings = {
        "optimizer": "adamw",
        "schedule": "constant",
        "batch_size": 32,
        "weight_decay": 0.0,
        "clip_norm": 0.0,
        **more,
    }
    if not isinstance(train, tuple):
        settings.pop("batch_size")
    every = max(1, steps // 50)
    return Plan(
        name=name,
        make=make,
        train=train,
        validation=validation,
        settings=settings,
        steps=steps,
        every=every,
        loss=loss,
        train_too=isinstance(train, tuple),
    )


def _squares(count: int, first: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return points whose class is that of a chessboard of four fields: no line tells them apart."""
    x = 2 * torch.rand(count, 2, generator=torch.Generator().manual_seed(first)) - 1
    return x, ((x[:, 0] > 0) ^ (x[:, 1] > 0)).long()


def _spiked() -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return 300 batches of which one is broken: its inputs twenty times as large, its labels those of others."""
    x, y = clusters(32 * 300, 0)
    batches = list(zip(x.split(32), y.split(32), strict=True))
    batches[150] = (batches[150][0] * 20, (batches[150][1] + 1) % 4)
    return batches


def _sorted() -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return batches in the order of their labels: each is of one class alone."""
    x, y = clusters(512, 0)
    order = torch.sort(y, stable=True).indices
    return list(zip(x[order].split(32), y[order].split(32), strict=True))


def _leaked() -> tuple[torch.Tensor, torch.Tensor]:
    """Return validation samples that are all training samples too."""
    x, y = moons(64, 0, flipped=0.2)
    return x[:48], y[:48]


def _softmaxed(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return cross_entropy(output.softmax(1), target)


_NET = network(8, 4, width=32)
_WIDE = network(2, 2, width=128, depth=2)

SCENARIOS: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            name="good",
            title="good training",
            story="a steep fall, then a smooth approach to a plateau far below a guess; both curves stay together",
            plan=lambda: _plan("good", clusters(512, 0), clusters(512, 1), 300, make=_NET, lr=0.01, schedule="cosine"),
        ),
        Scenario(
            name="too-high",
            title="learning rate too high",
            story="the loss jumps about far above where it could be: every step overshoots",
            plan=lambda: _plan(
                "too-high",
                moons(256, 0),
                moons(256, 1),
                300,
                make=network(2, 2, activation="tanh"),
                lr=10.0,
                optimizer="sgd",
            ),
            expected="learning-rate-too-high",
        ),
        Scenario(
            name="too-low",
            title="learning rate too low",
            story="the loss falls in a straight line, and so slowly that it looks level",
            plan=lambda: _plan(
                "too-low",
                moons(256, 0),
                moons(256, 1),
                500,
                make=network(2, 2, activation="tanh"),
                lr=1e-4,
                optimizer="sgd",
            ),
            expected="learning-rate-too-low",
        ),
        Scenario(
            name="overfitting",
            title="overfitting",
            story="the training loss keeps falling, the validation loss turns and rises: learnt by heart",
            plan=lambda: _plan(
                "overfitting", moons(60, 0, flipped=0.15), moons(500, 1, flipped=0.15), 300, make=_WIDE, lr=0.005
            ),
            expected="overfitting",
        ),
        Scenario(
            name="underfitting",
            title="underfitting",
            story="both curves lie together at the height of a guess: this model cannot learn this",
            plan=lambda: _plan(
                "underfitting", _squares(512, 0), _squares(512, 1), 300, make=network(2, 2, depth=0), lr=0.1
            ),
            expected="underfitting",
        ),
        Scenario(
            name="nan",
            title="explodes to NaN",
            story="the loss grows from step to step until it is no number any more",
            plan=lambda: _plan(
                "nan", wave(256, 0), wave(256, 1), 300, make=network(1, 1, regression=True), lr=30.0, optimizer="sgd"
            ),
            expected="learning-rate-too-high",
        ),
        Scenario(
            name="spike",
            title="a spike",
            story="one batch is unlike all others: the loss leaps, and the run needs a while to recover",
            plan=lambda: _plan("spike", _spiked(), clusters(512, 1), 300, make=_NET, lr=0.01),
        ),
        Scenario(
            name="plateau",
            title="a plateau",
            story="the loss falls, and then stays: what is left is noise, or needs a smaller rate",
            plan=lambda: _plan(
                "plateau", moons(512, 0), moons(512, 1), 600, make=network(2, 2, activation="tanh"), lr=0.03
            ),
            expected="plateau",
        ),
        Scenario(
            name="double-softmax",
            title="a softmax too many",
            story="the loss falls and stops at log(1 + (C - 1) / e), 0.744 for four classes, however long it trains",
            plan=lambda: _plan(
                "double-softmax", clusters(512, 0), clusters(512, 1), 300, make=_NET, lr=0.01, loss=_softmaxed
            ),
            expected="softmax-before-cross-entropy",
        ),
        Scenario(
            name="leak",
            title="validation leaks",
            story="the validation loss follows the training loss down to where no unseen sample would be",
            plan=lambda: _plan("leak", moons(64, 0, flipped=0.2), _leaked(), 600, make=_WIDE, lr=0.005),
            expected="validation-overlaps-training",
        ),
        Scenario(
            name="no-shuffle",
            title="not shuffled",
            story="the loss swings in each epoch: the network learns one class and forgets the others",
            plan=lambda: _plan("no-shuffle", _sorted(), clusters(512, 1), 320, make=_NET, lr=0.02),
            expected="data-not-shuffled",
        ),
    )
}
