"""Sick programs and their healthy twins: what is planted is found, first and in its place; the twin is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from doctor_patients import (
    Patient,
    biased,
    decayed,
    flat,
    fragile,
    grey,
    head,
    hindered,
    holes,
    late_hole,
    layered_head,
    marked,
    memoriser,
    numbered,
    own_loss,
    rate,
    regression,
    scaled,
    shuffled,
    two_signs,
)
from doctor_programs import alarms, kinds
from torch import nn
from torch.nn import functional as F

import trainwright as tw
from trainwright.stages.train import train

SEEDS = (0, 1)


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
