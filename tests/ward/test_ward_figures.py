"""The ward's figures, counted by hand."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def ward(monkeypatch, tmp_path):
    """Return the ward's rooms, with nothing kept yet."""
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    ward_page = importlib.import_module("ward_page")
    from ward import kept, patient, program, table

    monkeypatch.setattr(kept, "RESULTS", tmp_path)
    yield {"kept": kept, "patient": patient, "program": program, "table": table, "page": ward_page}
    for name in [name for name in sys.modules if name == "ward" or name.startswith("ward.") or name == "ward_page"]:
        del sys.modules[name]


def visits(patient) -> list:
    """Return a program that is named at its line, one that is missed, and their twins, one with a false alarm."""

    def said(kind: str, line: int | None, step: int | None, severity: str = "error"):
        return patient.Said(kind=kind, severity=severity, line=line, step=step)

    def visit(name: str, variant: str, *findings):
        return patient.Visit(name=name, variant=variant, task="digits", seed=100, findings=findings)

    return [
        visit("loop_no_step", "sick", said("missing-optimizer-step", 29, 1), said("plateau", None, 40, "note")),
        visit("loop_no_step", "fixed", said("overfitting", None, 90, "warning")),
        visit("loop_no_zero_grad_sgd", "sick", said("learning-rate-too-high", 21, 30)),
        visit("loop_no_zero_grad_sgd", "fixed"),
    ]


def test_what_was_kept_is_read_back_the_same(ward, tmp_path) -> None:
    seen = visits(ward["patient"])
    lines = [json.dumps(ward["patient"].plain(visit)) for visit in seen]
    (tmp_path / "fitting.jsonl").write_text("\n".join(lines) + "\n")
    assert ward["kept"].kept("fitting") == seen
    assert ward["kept"].kept("reporting") == []


def test_the_summary_counts_what_was_named_first_where_and_when(ward) -> None:
    text = ward["table"].summary(visits(ward["patient"]), ward["kept"].known_programs())
    assert "sick runs: 2, named 1/2 50%, named first 1/2 50%" in text
    assert "file and line right 1/1 100%" in text
    assert "kinds that are certain: named 1/2 50%, said at step 1 in the median, within 2 steps 1/1 100%" in text
    assert "fixed twins: 2 runs, with errors 0/2 0%, with warnings 1/2 50%" in text
    assert "missed: loop_no_zero_grad_sgd (1)" in text


def test_the_page_names_both_halves_that_were_kept_and_nothing_without_them(ward, tmp_path) -> None:
    assert ward["page"].page() == ""
    lines = [json.dumps(ward["patient"].plain(visit)) for visit in visits(ward["patient"])]
    (tmp_path / "reporting.jsonl").write_text("\n".join(lines) + "\n")
    page = ward["page"].page()
    assert "## The reporting half" in page
    assert "## The fitting half" not in page
    assert "| missing-zero-grad | 1 | 0/1 0% | 0/1 0% | - | - | 0/1 0% |" in page
