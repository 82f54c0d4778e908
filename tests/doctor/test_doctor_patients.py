"""Sick programs and their healthy twins: what is planted is found, first and in its place; the twin is left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from doctor_programs import Data, Run, alarms, clouds, curve, fit, kinds, network
from torch import nn
from torch.nn import functional as F

import trainwright as tw
from trainwright.stages.train import train

SEEDS = (0, 1)


@dataclass(frozen=True, kw_only=True)
class Patient:
    """A program, the settings that make it sick, and those of its healthy twin.

    `points_to` are words of the source line that the finding names; `exact` kinds are certain by the third step.
    """

    name: str
    kind: str
    program: Callable[..., Run]
    sick: Mapping[str, Any]
    well: Mapping[str, Any]
    severity: str = "warning"
    points_to: str = ""
    module: str | None = None
    evidence: str = ""
    exact: bool = False


class Head(nn.Module):
    """A network whose last operation is chosen: what some people call an activation of the output."""

    def __init__(self, seed: int, head: str) -> None:
        super().__init__()
        self.body = network(seed)
        self.head = head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits = self.body(x)
        if self.head == "softmax":
            return F.softmax(logits, dim=1)
        if self.head == "softmax, then view":
            return torch.softmax(logits, 1).view(len(x), -1)
        if self.head == "softmax, then squeeze":
            return logits.unsqueeze(2).softmax(1).squeeze(2)
        if self.head == "log_softmax":
            return F.log_softmax(logits, dim=1)
        return logits


class Fragile(nn.Module):
    """A network with an operation in the middle that makes NaN unless `guard` keeps it from that."""

    def __init__(self, seed: int, operation: str, guard: float) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.first = nn.Linear(8, 16, bias=False)
        self.last = nn.Linear(16, 3)
        self.operation, self.guard = operation, guard

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.first(x).square()
        if self.operation == "log":
            hidden = torch.log(hidden + self.guard)
        elif self.operation == "division":
            hidden = hidden / (hidden.sum(1, keepdim=True) + self.guard)
        else:
            hidden = torch.sqrt(hidden + self.guard)
        return self.last(hidden)


def rate(seed: int, **settings: Any) -> Run:
    return fit(network(seed), clouds(seed), **settings)


def regression(seed: int, **settings: Any) -> Run:
    torch.manual_seed(seed)
    return fit(nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 1)), curve(seed), **settings)


def scaled(seed: int, *, scale: float, offset: float = 0.0, norm_first: bool = False, **settings: Any) -> Run:
    x, y = clouds(seed)
    body = network(seed)
    return fit(nn.Sequential(nn.BatchNorm1d(8), *body) if norm_first else body, (x * scale + offset, y), **settings)


def grey(seed: int, *, divisor: float, norm_first: bool = False) -> Run:
    x, y = clouds(seed)
    x = ((x + 4) * 32).clamp(0, 255).round() / divisor
    body = network(seed)
    return fit(nn.Sequential(nn.BatchNorm1d(8), *body) if norm_first else body, (x, y), epochs=4)


def holes(seed: int, *, value: float, every: int) -> Run:
    x, y = clouds(seed)
    x[::every, 3] = value
    return fit(network(seed), (x, y), epochs=1)


def late_hole(seed: int, *, value: float) -> Run:
    """Return a run whose data come in pieces, too many for all to be looked at beforehand."""
    x, y = clouds(seed, samples=4800)
    x[4700, 2] = value

    class Pieces:
        def __iter__(self) -> Iterator[Data]:
            return iter(list(zip(x.split(100), y.split(100), strict=True)))

        def __len__(self) -> int:
            return 48

    return tw.fit(network(seed), Pieces(), epochs=1, lr=0.003, device="cpu", threads=1)


def numbered(seed: int, *, first: int) -> Run:
    x, y = clouds(seed)
    return fit(network(seed), (x, y + first), epochs=2, loss="cross_entropy")


def marked(seed: int, *, missing: int) -> Run:
    x, y = clouds(seed)
    y[::50] = missing
    return fit(network(seed), (x, y), epochs=2)


def two_signs(seed: int, *, no: int) -> Run:
    x, y = clouds(seed, classes=2)
    return fit(network(seed, outputs=1), (x, torch.where(y == 0, no, 1)), epochs=4, loss="bce_with_logits")


def head(seed: int, *, head: str, loss: Any = None) -> Run:
    return fit(Head(seed, head), clouds(seed), epochs=3, loss=loss)


def layered_head(seed: int, *, softmax: bool) -> Run:
    body = network(seed)
    return fit(nn.Sequential(*body, nn.Softmax(dim=1)) if softmax else body, clouds(seed), epochs=3)


def biased(seed: int, *, bias: float) -> Run:
    model = network(seed)
    nn.init.constant_(model.get_parameter("0.bias"), bias)
    return fit(model, clouds(seed), epochs=8)


def fragile(seed: int, *, operation: str, guard: float) -> Run:
    x, y = clouds(seed)
    x[::20] = 0
    return fit(Fragile(seed, operation, guard), (x, y), epochs=2)


def own_loss(seed: int, *, floor: float) -> Run:
    def likelihood(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        right = output.softmax(1).gather(1, target[:, None])
        return -torch.log(right - 0.3 if floor < 0 else right + floor).mean()

    return fit(network(seed), clouds(seed), epochs=2, loss=likelihood)


def memoriser(seed: int, *, samples: int, epochs: int, patience: int = 0) -> Run:
    x, y = clouds(seed, samples=samples + 300, noise=4.0)
    return tw.fit(
        network(seed, width=128),
        (x[:samples], y[:samples]),
        (x[samples:], y[samples:]),
        epochs=epochs,
        patience=patience,
        batch_size=16,
        lr=0.01,
        device="cpu",
        threads=1,
    )


def decayed(seed: int, *, weight_decay: float) -> Run:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 3))
    return fit(model, clouds(seed), epochs=14, weight_decay=weight_decay)


def hindered(seed: int, *, dropout: float) -> Run:
    torch.manual_seed(seed)
    layers: list[nn.Module] = [nn.Dropout(dropout)]
    for size in (8, 32):
        layers += [nn.Linear(size, 32), nn.ReLU(), nn.Dropout(dropout)]
    return fit(nn.Sequential(*layers, nn.Linear(32, 3)), clouds(seed), epochs=14)


def shuffled(seed: int, *, shuffle: bool) -> Run:
    x, y = clouds(seed, samples=1200)
    if shuffle:
        y = y[torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))]
    return fit(nn.Sequential(nn.Linear(8, 3)), (x, y), epochs=5, lr=0.01)


def flat(seed: int, **settings: Any) -> Run:
    return fit(network(seed, width=8), clouds(seed, samples=1200, noise=4.0), epochs=8, lr=0.01, **settings)


RATES_TOO_HIGH = {"sgd": (100.0, 0.1), "momentum": (30.0, 0.02), "adam": (10.0, 0.003), "adamw": (10.0, 0.003)}
RATES_TOO_LOW = {"sgd": (1e-3, 0.1), "momentum": (1e-4, 0.02), "adam": (1e-5, 0.003), "adamw": (1e-5, 0.003)}
PATIENTS = [
    # --- inputs
    Patient(
        name="NaN among the inputs",
        kind="non-finite-input",
        severity="error",
        program=holes,
        sick={"value": float("nan"), "every": 50},
        well={"value": 0.0, "every": 50},
        exact=True,
        points_to="tw.fit(",
    ),
    Patient(
        name="one infinite input",
        kind="non-finite-input",
        severity="error",
        program=holes,
        sick={"value": float("inf"), "every": 1000},
        well={"value": 0.0, "every": 1000},
        exact=True,
    ),
    Patient(
        name="NaN in a stream, late",
        kind="non-finite-input",
        severity="error",
        program=late_hole,
        sick={"value": float("nan")},
        well={"value": 0.0},
    ),
    Patient(
        name="inputs in the thousands",
        kind="inputs-not-normalised",
        program=scaled,
        sick={"scale": 1e3},
        well={"scale": 1.0},
        exact=True,
        points_to="tw.fit(",
    ),
    Patient(
        name="inputs in the thousands, twin with BatchNorm first",
        kind="inputs-not-normalised",
        program=scaled,
        sick={"scale": 1e3, "norm_first": False},
        well={"scale": 1e3, "norm_first": True},
        exact=True,
    ),
    Patient(
        name="inputs far from zero",
        kind="inputs-not-normalised",
        program=scaled,
        sick={"scale": 1.0, "offset": 50.0},
        well={"scale": 1.0, "offset": 0.0},
        exact=True,
    ),
    Patient(
        name="bytes",
        kind="inputs-not-normalised",
        program=grey,
        sick={"divisor": 1.0},
        well={"divisor": 255.0},
        exact=True,
    ),
    Patient(
        name="bytes, twin with BatchNorm first",
        kind="inputs-not-normalised",
        program=grey,
        sick={"divisor": 1.0, "norm_first": False},
        well={"divisor": 1.0, "norm_first": True},
        exact=True,
    ),
    # --- labels
    Patient(
        name="labels from 1 to C",
        kind="labels-out-of-range",
        severity="error",
        program=numbered,
        sick={"first": 1},
        well={"first": 0},
        exact=True,
        points_to="tw.fit(",
    ),
    Patient(
        name="a negative label",
        kind="labels-out-of-range",
        severity="error",
        program=marked,
        sick={"missing": -1},
        well={"missing": 0},
        exact=True,
    ),
    Patient(
        name="labels -1 and 1 for one logit",
        kind="labels-out-of-range",
        severity="error",
        program=two_signs,
        sick={"no": -1},
        well={"no": 0},
        exact=True,
    ),
    # --- loss
    Patient(
        name="a softmax layer",
        kind="softmax-before-cross-entropy",
        severity="error",
        program=layered_head,
        sick={"softmax": True},
        well={"softmax": False},
        exact=True,
        module="5",
    ),
    *(
        Patient(
            name=f"{how}, {name}",
            kind="softmax-before-cross-entropy",
            severity="error",
            program=head,
            sick={"head": how, "loss": loss},
            well={"head": twin, "loss": loss},
            exact=True,
            points_to=words,
            evidence="softmax",
        )
        for how, words, twin, name, loss in (
            ("softmax", "F.softmax(", "", "no loss named", None),
            ("softmax", "F.softmax(", "log_softmax", "loss='cross_entropy'", "cross_entropy"),
            ("softmax, then view", "torch.softmax(", "", "nn.CrossEntropyLoss()", nn.CrossEntropyLoss()),
            ("softmax, then squeeze", ".softmax(1)", "log_softmax", "F.cross_entropy", F.cross_entropy),
            ("softmax", "F.softmax(", "", "a loss of one's own", lambda output, y: F.cross_entropy(output, y)),
        )
    ),
    # --- numbers
    *(
        Patient(
            name=f"{operation} makes numbers that are not finite",
            kind="non-finite-loss",
            severity="error",
            program=fragile,
            sick={"operation": operation, "guard": 0.0},
            well={"operation": operation, "guard": 1e-2},
            exact=True,
            points_to=words,
            evidence=word,
        )
        for operation, words, word in (
            ("log", "torch.log(", "log"),
            ("division", "hidden = hidden /", "div"),
            ("square root", "torch.sqrt(", "sqrt"),
        )
    ),
    Patient(
        name="a logarithm in the user's own loss",
        kind="non-finite-loss",
        severity="error",
        program=own_loss,
        sick={"floor": -1.0},
        well={"floor": 1e-6},
        exact=True,
        points_to="torch.log(",
        evidence="log",
    ),
    # --- activations
    Patient(
        name="biases of -10 before a ReLU",
        kind="dead-relu",
        severity="error",
        program=biased,
        sick={"bias": -10.0},
        well={"bias": 0.0},
        module="1",
    ),
    # --- rate
    *(
        Patient(
            name=f"{optimizer} diverges or hovers",
            kind="learning-rate-too-high",
            severity="",
            program=rate,
            sick={"optimizer": optimizer, "lr": high, "schedule": "constant", "epochs": 8},
            well={"optimizer": optimizer, "lr": good, "schedule": "constant", "epochs": 8},
            points_to="tw.fit(",
        )
        for optimizer, (high, good) in RATES_TOO_HIGH.items()
    ),
    Patient(
        name="regression diverges",
        kind="learning-rate-too-high",
        severity="error",
        program=regression,
        sick={"optimizer": "sgd", "lr": 10.0, "clip_norm": 0.0},
        well={"optimizer": "sgd", "lr": 0.1, "clip_norm": 0.0},
    ),
    Patient(
        name="hovers at a constant guess",
        kind="learning-rate-too-high",
        severity="",  # an error where the network died of it
        program=rate,
        sick={"optimizer": "adamw", "lr": 10.0},
        well={"optimizer": "adamw", "lr": 0.003},
    ),
    *(
        Patient(
            name=f"{optimizer} crawls",
            kind="learning-rate-too-low",
            program=rate,
            sick={"optimizer": optimizer, "lr": low, "epochs": 12},
            well={"optimizer": optimizer, "lr": good, "epochs": 12},
            points_to="tw.fit(",
        )
        for optimizer, (low, good) in RATES_TOO_LOW.items()
    ),
    # --- generalisation
    Patient(
        name="a large network and few data",
        kind="overfitting",
        program=memoriser,
        sick={"samples": 80, "epochs": 50},
        well={"samples": 2000, "epochs": 2},
    ),
    Patient(
        name="a large network and few data, twin with early stopping",
        kind="overfitting",
        program=memoriser,
        sick={"samples": 80, "epochs": 50, "patience": 0},
        well={"samples": 80, "epochs": 50, "patience": 2},
    ),
    Patient(
        name="dropout of 0.95 everywhere",
        kind="dropout-too-strong",
        program=hindered,
        sick={"dropout": 0.95},
        well={"dropout": 0.05},
    ),
    Patient(
        name="weight decay of 100",
        kind="underfitting",
        program=decayed,
        sick={"weight_decay": 100.0},
        well={"weight_decay": 0.01},
    ),
    Patient(
        name="labels that have nothing to do with the inputs",
        kind="underfitting",
        program=shuffled,
        sick={"shuffle": True},
        well={"shuffle": False},
    ),
    Patient(
        name="noisy data at a constant rate",
        kind="plateau",
        severity="note",
        program=flat,
        sick={"schedule": "constant"},
        well={"schedule": "warmup_cosine"},
    ),
]
EACH = pytest.mark.parametrize("patient", PATIENTS, ids=lambda patient: f"{patient.kind}: {patient.name}")


@EACH
@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_planted_is_found_first_and_in_its_place(patient: Patient, seed: int) -> None:
    run = patient.program(seed, **patient.sick)
    assert kinds(run)[:1] == [patient.kind]
    finding, *others = run.findings
    assert len(others) <= 2
    assert finding.severity in ((patient.severity,) if patient.severity else ("warning", "error"))
    if patient.exact:
        assert (finding.step or 0) <= 2
        assert all(event.step <= 2 for event in run.history.events if event.detail.get("kind") == patient.kind)
    if patient.points_to:
        assert finding.where.file is not None
        assert finding.where.line is not None
        assert patient.points_to in Path(finding.where.file).read_text().splitlines()[finding.where.line - 1]
    if patient.module is not None:
        assert finding.where.module == patient.module
    assert patient.evidence in " ".join(str(item.value).lower() for item in finding.evidence)


@EACH
@pytest.mark.parametrize("seed", SEEDS)
def test_the_healthy_twin_is_left_alone(patient: Patient, seed: int) -> None:
    run = patient.program(seed, **patient.well)
    assert alarms(run) == []
    assert patient.kind not in kinds(run)
    assert run.outcome.status in ("finished", "stopped")


@pytest.mark.parametrize("patient", PATIENTS, ids=lambda patient: f"{patient.kind}: {patient.name}")
def test_a_twin_differs_in_three_settings_at_most(patient: Patient) -> None:
    names = patient.sick.keys() | patient.well.keys()
    assert 1 <= sum(patient.sick.get(name) is not patient.well.get(name) for name in names) <= 3


RECIPE = """\
[data]
source = "wine"
normalise = "standard"

[optimizer]
name = "adamw"
lr = 0.001

[train]
batch_size = 32
epochs = 60
device = "cpu"
threads = 1
"""


@pytest.mark.parametrize(
    ("kind", "line", "sick"),
    [
        ("inputs-not-normalised", 3, 'normalise = "none"'),
        ("learning-rate-too-high", 7, "lr = 30.0"),
        ("learning-rate-too-low", 7, "lr = 1e-7"),
    ],
)
def test_a_recipe_is_told_the_line_and_its_first_remedy_cures_it(
    kind: str, line: int, sick: str, tmp_path: Path
) -> None:
    lines: list[str] = [*RECIPE.splitlines()]
    lines[line - 1] = sick
    path = tmp_path / "recipe.toml"
    path.write_text("\n".join(lines))
    recipe = tw.Recipe.read(path)
    run = train(recipe)
    assert kinds(run)[:1] == [kind]
    assert (run.findings[0].where.file, run.findings[0].where.line) == (str(path), line)
    change = run.findings[0].remedies[0].change
    assert change is not None
    assert alarms(train(recipe.changed(change))) == []
