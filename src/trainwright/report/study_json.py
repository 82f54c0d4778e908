"""A search as plain JSON values: everything that the terminal and the page show, for other programs."""

from __future__ import annotations

from typing import Any

from trainwright.records import to_plain
from trainwright.records.study import ranked
from trainwright.records.study_final import FinalRun
from trainwright.records.study_reading import StudyReading
from trainwright.report.study_facts import failures, progress
from trainwright.report.study_grid import compare
from trainwright.report.summary import worst_first

SCHEMA = 1
_DERIVED = ("fresh", "optimism", "gain", "gain_error", "is_gain_untouched", "is_beyond_noise")


def study_json(
    reading: StudyReading,
) -> dict[str, Any]:
    """Return the study as dicts, lists and scalars that `json.dumps(..., allow_nan=False)` can write.

    Numbers that JSON has no literal for are the strings "NaN", "Infinity" and "-Infinity". `ranking` holds the numbers
    of the trials from best to worst; rounds are counted from 0; `progress` are pairs of steps spent and best score.
    """
    info = reading.info
    points, axes = compare(info)
    document = {
        "schema": SCHEMA,
        "kind": "study",
        "name": reading.name,
        "status": info.status,
        "reason": info.reason,
        "plan": info.plan,
        "best": info.best,
        "findings": worst_first(reading.findings),
        "edges": reading.edges,
        "importance": reading.importance,
        "final": None if reading.final is None else _final(reading.final),
        "rounds": info.rounds,
        "moves": info.moves,
        "trials": info.trials,
        "ranking": [trial.number for trial in ranked(info.trials)],
        "failures": [{"reason": reason, "trials": count} for reason, count in failures(info.trials)],
        "steps": info.steps,
        "seconds": sum(trial.seconds for trial in info.trials),
        "progress": [list(point) for point in progress(info)],
        "grid": {"points": points, "axes": axes},
        "notes": info.notes,
        "alone": reading.alone,
    }
    return to_plain(document, strict=True)


def _final(final: FinalRun) -> dict[str, Any]:
    return to_plain(final) | {name: getattr(final, name) for name in _DERIVED}
