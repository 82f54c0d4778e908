"""Faults of a model, each in a small net: named from the first steps of a loop, on the line to change; its twin not."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from trainwright.records import Finding
from trainwright.watching.watch import Watch, watch

Make = Callable[[], nn.Module]


class Listed(nn.Module):
    """Keeps a layer in a plain list."""

    def __init__(self, hidden: Callable[[list[nn.Module]], Any]) -> None:
        super().__init__()
        self.hidden = hidden([nn.Linear(20, 32)])
        self.out = nn.Linear(32, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(torch.relu(self.hidden[0](x)))


class Cut(nn.Module):
    """Cuts the graph between its two halves, in one way or another."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.body, self.head = nn.Linear(20, 32), nn.Linear(32, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.set_grad_enabled(self.how != "no_grad"):
            hidden = self.body(x)
        if self.how == "detach":
            hidden = hidden.detach()
        return self.head(torch.relu(hidden))


class Functional(nn.Module):
    """Calls its activation as a function, on sums that are moved by `shift`."""

    def __init__(self, shift: float) -> None:
        super().__init__()
        self.shift = shift
        self.body, self.head = nn.Linear(20, 32), nn.Linear(32, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(F.relu(self.body(x) + self.shift))


def filled(value: float) -> nn.Module:
    net = nn.Sequential(nn.Linear(20, 32), nn.Tanh(), nn.Linear(32, 3))
    for layer in net.modules():
        if isinstance(layer, nn.Linear):
            nn.init.constant_(layer.weight, value)
            nn.init.zeros_(layer.bias)
    return net


def zero_head() -> nn.Module:
    head = nn.Linear(32, 3)
    nn.init.zeros_(head.weight)
    return nn.Sequential(nn.Linear(20, 32), nn.ReLU(), head)


def scaled(factor: float, *, last: bool = False) -> nn.Module:
    body, head = nn.Linear(20, 32), nn.Linear(32, 3)
    with torch.no_grad():
        (head if last else body).weight.mul_(factor)
    return nn.Sequential(body, nn.Tanh(), head)


def deep(activation: type[nn.Module]) -> nn.Module:
    layers = [part for _ in range(8) for part in (nn.Linear(20, 20), activation())]
    return nn.Sequential(*layers, nn.Linear(20, 3))


def small(*middle: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(20, 32), *middle, nn.Linear(32, 3))


SICK: dict[str, tuple[str, Make]] = {
    "equal weights": ("symmetric-initialisation", lambda: filled(0.3)),
    "zero weights": ("symmetric-initialisation", lambda: filled(0.0)),
    "closed ReLUs": ("dead-relu", lambda: Functional(-100.0)),
    "steep tanhs": ("saturated-activations", lambda: scaled(200.0)),
    "deep sigmoids": ("activations-change-scale-with-depth", lambda: deep(nn.Sigmoid)),
    "no activation": ("no-nonlinearity", lambda: small(nn.Linear(32, 32))),
    "layers in a list": ("unregistered-submodule", lambda: Listed(list)),
    "detached": ("parameters-without-gradient", lambda: Cut("detach")),
    "under no_grad": ("parameters-without-gradient", lambda: Cut("no_grad")),
    "normalised away": (
        "outputs-ignore-input",
        lambda: nn.Sequential(nn.Unflatten(1, (20, 1)), nn.LayerNorm(1), nn.Flatten(), small(nn.ReLU())),
    ),
    "drops nearly all": ("dropout-too-strong", lambda: small(nn.ReLU(), nn.Dropout(0.95))),
    "drops, then normalises": (
        "dropout-before-batch-norm",
        lambda: small(nn.Dropout(0.3), nn.ReLU(), nn.BatchNorm1d(32)),
    ),
    "large logits": ("initial-loss-too-high", lambda: scaled(40.0, last=True)),
}
HEALTHY: dict[str, Make] = {
    "plain": lambda: small(nn.ReLU()),
    "zero head": zero_head,
    "open ReLUs": lambda: Functional(0.0),
    "deep ReLUs": lambda: deep(nn.ReLU),
    "registered": lambda: Listed(nn.ModuleList),
    "not cut": lambda: Cut(""),
    "half dropped": lambda: small(nn.ReLU(), nn.BatchNorm1d(32), nn.Dropout(0.5)),
    "bottleneck": lambda: nn.Sequential(nn.Linear(20, 4), nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 3)),
    "gated": lambda: nn.Sequential(nn.Linear(20, 64), nn.GLU(), nn.Linear(32, 3)),
}


def trained(make: Make, *, steps: int = 24, classes: Callable[[torch.Tensor], torch.Tensor] | None = None) -> Watch:
    """Return a watch over some steps of a small classifier on 20 numbers."""
    torch.manual_seed(3)
    x = torch.randn(512, 20)
    y = x[:, :3].argmax(1) if classes is None else classes(x)
    with watch(quiet=True) as watched:
        watched._tape.own_seconds = -60.0  # however slow the machine, nothing is left out for its time
        model = make()
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        for step in range(steps):
            rows = slice(64 * (step % 8), 64 * (step % 8) + 64)
            loss = F.cross_entropy(model(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert watched.problem is None
    return watched


def first(watched: Watch) -> Finding:
    findings = watched.report().findings
    assert findings
    return findings[0]


def text_of(finding: Finding) -> str:
    """Return the line of this file that a finding points to."""
    assert finding.where.line is not None
    assert finding.where.file == __file__
    return inspect.getsource(inspect.getmodule(text_of)).splitlines()[finding.where.line - 1]  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "make"), SICK.values(), ids=list(SICK))
def test_a_fault_of_the_model_is_named_first(kind: str, make: Make) -> None:
    assert first(trained(make)).kind == kind


@pytest.mark.parametrize("make", HEALTHY.values(), ids=list(HEALTHY))
def test_a_model_that_is_in_order_is_let_be(make: Make) -> None:
    assert [found for found in trained(make).report().findings if found.severity != "note"] == []


EXACT = ("equal weights", "no activation", "layers in a list", "detached", "under no_grad", "normalised away")


@pytest.mark.parametrize("name", EXACT)
def test_what_is_exact_is_known_after_two_steps(name: str) -> None:
    kind, make = SICK[name]
    found = first(trained(make, steps=4))
    assert found.kind == kind
    assert found.step in (0, 1, 2)


LINES = {
    "equal weights": "nn.init.constant_(layer.weight, value)",
    "closed ReLUs": "F.relu(self.body(x) + self.shift)",
    "steep tanhs": "model(x[rows])",
    "no activation": "small(nn.Linear(32, 32))",
    "layers in a list": "hidden([nn.Linear(20, 32)])",
    "detached": "hidden = hidden.detach()",
    "under no_grad": "hidden = self.body(x)",
    "normalised away": "nn.LayerNorm(1)",
    "drops nearly all": "nn.Dropout(0.95)",
}


@pytest.mark.parametrize(("name", "line"), LINES.items(), ids=list(LINES))
def test_the_place_is_the_line_that_makes_or_calls_what_is_at_fault(name: str, line: str) -> None:
    assert line in text_of(first(trained(SICK[name][1])))


def test_layers_under_no_grad_that_no_optimizer_holds_are_not_meant_to_learn() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(64, 20), torch.randint(0, 3, (64,))
    with watch(quiet=True) as watched:
        model = Cut("no_grad")
        optimizer = torch.optim.Adam(model.head.parameters(), lr=1e-3)
        for _ in range(6):
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert watched.problem is None
    assert "parameters-without-gradient" not in [found.kind for found in watched.report().findings]


def test_a_part_whose_result_nobody_uses_is_a_note() -> None:
    class Spare(Cut):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.head(torch.relu(self.body(x)))
            return self.other(x)

        def __init__(self) -> None:
            super().__init__("")
            self.other = nn.Linear(20, 3)

    found = [found for found in trained(Spare).report().findings if found.kind == "parameters-without-gradient"]
    assert [finding.severity for finding in found] == ["note"]


def test_one_class_for_everything_is_named_where_the_loss_is_not_that_of_the_labels() -> None:
    torch.manual_seed(0)
    x = torch.randn(512, 20)
    y = x[:, :3].argmax(1)
    with watch(quiet=True) as watched:
        watched._tape.own_seconds = -60.0
        model = small(nn.ReLU())
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        for step in range(90):
            rows = slice(64 * (step % 8), 64 * (step % 8) + 64)
            loss = F.cross_entropy(model(x[rows]), y[rows], weight=torch.tensor([300.0, 1.0, 1.0]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert watched.problem is None
    assert "collapsed-predictions" in [found.kind for found in watched.report().findings]


def test_gates_and_recurrent_layers_may_be_saturated() -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.gate, self.out = nn.GRU(4, 16, batch_first=True), nn.Linear(4, 16), nn.Linear(16, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            steps = x.unflatten(1, (5, 4))
            open_ = torch.sigmoid(100.0 * self.gate(steps[:, -1]))
            return self.out(self.cell(50.0 * steps)[0][:, -1] * open_)

    assert "saturated-activations" not in [found.kind for found in trained(Gated).report().findings]


def test_layers_that_run_inside_of_a_model_are_seen_where_they_are_made() -> None:
    found = first(trained(SICK["drops nearly all"][1]))
    assert found.where.module == "2"


def test_attention_is_seen_as_a_module_and_by_hand() -> None:
    class ByHand(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.queries, self.keys, self.out = nn.Linear(4, 8), nn.Linear(4, 8), nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = x.unflatten(1, (5, 4))
            weights = (self.queries(x) @ self.keys(x).transpose(1, 2)).softmax(-1)
            return self.out((weights @ x).mean(1))

    for make, expected in ((ByHand, True), (lambda: small(nn.ReLU()), False)):
        loop = trained(make, steps=3).chart.info.loop
        assert loop is not None
        assert loop.attention is expected
