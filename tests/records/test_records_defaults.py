from __future__ import annotations

import math

import pytest

from trainwright import defaults
from trainwright.defaults import ALL, Default
from trainwright.errors import TrainwrightError, did_you_mean, nearest


@pytest.mark.parametrize("name", ALL)
def test_every_default_has_a_source_and_a_meaning(name: str) -> None:
    default = ALL[name]
    assert default.source.strip()
    assert default.meaning.strip()
    assert math.isfinite(default.value)


def test_the_list_of_defaults_is_complete() -> None:
    assert set(ALL) == {name for name, value in vars(defaults).items() if isinstance(value, Default)}
    assert len(ALL) > 15


@pytest.mark.parametrize(
    ("name", "value"),
    [
        # G2, chapter 5: "beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, eta = 3e-4"
        ("ADAM_LEARNING_RATE", 3e-4),
        ("ADAM_BETA1", 0.9),
        ("ADAM_BETA2", 0.999),
        ("ADAM_EPSILON", 1e-8),
        # G2, chapter 5: "mu is the momentum coefficient (typically 0.9)"
        ("MOMENTUM", 0.9),
        # G3: "0.1 (with schedule)"
        ("SGD_LEARNING_RATE", 0.1),
        # G2, chapter 6: "reduce by 10x at epochs 30, 60, and 90 for a 100-epoch run"
        ("STEP_DECAY_FACTOR", 0.1),
        ("STEP_DECAY_EVERY", 0.3),
        # G1, G3: "max_norm = 1.0 is the standard approach"
        ("CLIP_NORM", 1.0),
    ],
)
def test_numbers_are_those_that_the_guides_print(name: str, value: float) -> None:
    assert ALL[name].value == value


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("WARMUP_FRACTION", 0.01, 0.10),  # G1: 1-10 %, G2: 5-10 %
        ("WEIGHT_DECAY", 1e-4, 0.1),  # G1: 1e-4 to 0.01, G4: 0.01 to 0.1
        ("DROPOUT", 0.1, 0.5),  # G0: 0.1 to 0.3, G1: 0.1 to 0.5
    ],
)
def test_numbers_lie_where_the_guides_place_them(name: str, low: float, high: float) -> None:
    assert low <= ALL[name].value <= high


def test_an_error_says_what_happened_the_evidence_and_the_remedy() -> None:
    error = TrainwrightError("it broke", evidence="a number", remedy="mend it")
    assert str(error).splitlines() == ["it broke", "  evidence: a number", "  remedy:   mend it"]
    assert str(TrainwrightError("it broke")) == "it broke"


def test_a_misspelt_name_gets_the_nearest_one_and_a_strange_one_gets_them_all() -> None:
    known = ("adam", "adamw", "weight_decay")
    assert nearest("weight-decya", known) == "weight_decay"
    assert did_you_mean("Adam", known) == "did you mean 'adam'?"
    assert did_you_mean("zzz", known) == "known: adam, adamw, weight_decay"
