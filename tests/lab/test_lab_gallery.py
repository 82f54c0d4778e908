"""The gallery's recorded runs: whole, named by the doctor, and trained again."""

from __future__ import annotations

import dataclasses
import math

import pytest

from trainwright.lab import gallery
from trainwright.lab.gallery import SCENARIOS, Record, check, checksum, curves_of, records

RECORDS = records()


def test_every_scenario_has_its_record_and_every_record_its_scenario() -> None:
    assert list(RECORDS) == list(SCENARIOS)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_record_has_the_checksum_of_its_curves(name: str) -> None:
    record = RECORDS[name]
    assert checksum(curves_of(record)) == record.checksum
    assert record.recipe
    assert record.made_by.startswith("torch")


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_doctor_names_what_the_scenario_shows_and_little_else(name: str) -> None:
    expected, found = SCENARIOS[name].expected, [finding.kind for finding in RECORDS[name].findings]
    assert (expected in found) if expected else not found
    assert len(found) <= 3


def test_the_run_that_ends_in_no_number_says_so() -> None:
    record = RECORDS["nan"]
    assert record.diverged
    assert not math.isfinite(record.losses[-1])


def test_the_spike_is_there_and_is_recovered_from() -> None:
    record = RECORDS["spike"]
    assert record.losses.index(max(record.losses)) == 150
    assert record.validation[-1] < 0.2


def test_the_swings_of_unshuffled_data_come_once_an_epoch() -> None:
    losses = RECORDS["no-shuffle"].losses
    peaks = [max(range(16), key=lambda place, at=16 * epoch: losses[at + place]) for epoch in range(8, 12)]
    assert len(set(peaks)) <= 2


@pytest.mark.parametrize(
    "name", ["too-low", *(pytest.param(name, marks=pytest.mark.slow) for name in SCENARIOS if name != "too-low")]
)
def test_a_run_that_is_trained_again_gives_its_record(name: str) -> None:
    agrees, text = check(name)
    assert agrees, text


def changed(monkeypatch: pytest.MonkeyPatch, record: Record) -> None:
    monkeypatch.setattr(gallery, "records", lambda: {**RECORDS, record.name: record})


def test_a_record_that_was_edited_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    record = RECORDS["too-low"]
    changed(monkeypatch, dataclasses.replace(record, losses=(9.9, *record.losses[1:])))
    agrees, text = check("too-low")
    assert not agrees
    assert "changed" in text


def test_curves_of_another_machine_that_differ_by_rounding_agree_and_say_why(monkeypatch: pytest.MonkeyPatch) -> None:
    record = RECORDS["too-low"]
    curves = {**curves_of(record), "losses": (record.losses[0] * (1 + 1e-4), *record.losses[1:])}
    other = dataclasses.replace(record, **curves, checksum=checksum(curves), made_by="torch 1.0 on z80, DEFAULT")
    changed(monkeypatch, other)
    agrees, text = check("too-low")
    assert agrees, text
    assert "torch 1.0 on z80" in text


def test_curves_that_differ_by_more_are_refused_with_how_much_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    record = RECORDS["too-low"]
    curves = {**curves_of(record), "losses": (record.losses[0] * 2, *record.losses[1:])}
    changed(monkeypatch, dataclasses.replace(record, **curves, checksum=checksum(curves)))
    agrees, text = check("too-low")
    assert not agrees
    assert "differ by up to 0.5" in text
    assert "library" in text
