"""What the ward has seen, as it is kept in ward/results/."""

from __future__ import annotations

import json

from ward.patient import WARD, Said, Visit
from ward.program import Program, programs

HALVES = ("fitting", "reporting")
RESULTS = WARD / "results"


def kept(half: str) -> list[Visit]:
    """Return the visits of the last run of a half that was kept, none where there is none."""
    path = RESULTS / f"{half}.jsonl"
    if not path.is_file():
        return []
    visits = []
    for line in path.read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        findings = tuple(Said(**finding) for finding in told.pop("findings"))
        visits.append(Visit(**{**told, "findings": findings, "unseen": tuple(told["unseen"])}))
    return visits


def known_programs() -> dict[str, Program]:
    """Return every program of the ward by its name."""
    return {program.name: program for folder in (*HALVES, "controls") for program in programs(WARD / folder)}
