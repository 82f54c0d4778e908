"""Several processes against one: the same losses, gradients, weights, evaluations and decisions, in float64."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from distributed_launching import series
from distributed_programs import SERIES, trained

TOLERANCE = 1e-9


def check_same(alone: dict[str, Any], together: dict[str, Any]) -> None:
    """Compare two trainings, number by number."""
    for column in ("losses", "norms", "weights"):
        assert together[column] == pytest.approx(alone[column], rel=TOLERANCE, abs=TOLERANCE), column
    assert together["samples"] == alone["samples"]
    assert together["ended"] == alone["ended"]
    assert together["findings"] == alone["findings"]
    assert len(together["evaluations"]) == len(alone["evaluations"])
    for (loss, accuracy, samples), (other, *rest) in zip(together["evaluations"], alone["evaluations"], strict=True):
        assert loss == pytest.approx(other, rel=TOLERANCE)
        assert [accuracy, samples] == rest


def check_series(ranks: int, name: str, output: Path, *members: str) -> None:
    """Train the members of a series in one process and in several, and compare."""
    found = series(ranks, name, output, *members)
    assert set(found) == set(members or SERIES[name])
    for member, together in found.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check_same(trained(member, SERIES[name][member]), together)


def test_two_devices_train_as_one(tmp_path: Path) -> None:
    check_series(2, "ddp", tmp_path / "found.json", "accumulated", "averaged", "normalised")


@pytest.mark.slow
def test_two_devices_that_hold_a_part_of_the_model_train_as_one(tmp_path: Path) -> None:
    check_series(2, "fsdp", tmp_path / "found.json")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ddp", "fsdp"])
def test_four_devices_train_as_one_though_some_get_nothing_of_the_last_batch(tmp_path: Path, name: str) -> None:
    check_series(4, name, tmp_path / "found.json")


HALF = 2e-2
"""Relative difference of bfloat16's losses: eight bits of mantissa, rounded at other places where weights are parts."""


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [2, 4])
def test_a_model_in_parts_trains_in_bfloat16_with_its_activations_computed_again(tmp_path: Path, ranks: int) -> None:
    found = series(ranks, "bf16", tmp_path / "found.json")
    for name in ("plain", "tied"):
        whole, parts = found[f"{name}, replicated"], found[f"{name}, divided"]
        assert parts["losses"] == pytest.approx(whole["losses"], rel=HALF)
        assert parts["samples"] == whole["samples"]
        assert parts["ended"][0] == whole["ended"][0] == "finished"
        assert parts["losses"][-1] < parts["losses"][0]
