"""What the lines of a journal add up to: rounds, chunks, trials. The same lines always give the same ledger."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from trainwright.errors import RunError
from trainwright.records.jsonable import from_plain
from trainwright.records.space import Axis
from trainwright.records.study import Plan, Round, Trial
from trainwright.search.owner import Owner
from trainwright.search.problem import Problem

Key = tuple[int, int]
"""Round and chunk."""


@dataclass(frozen=True, kw_only=True)
class Saved:
    """A snapshot: the trials of a chunk that were left after `steps` steps, in a file of the study's folder."""

    steps: int
    file: str
    sha256: str


@dataclass(kw_only=True)
class Chunk:
    """Some trials that are trained side by side, by one worker at a time."""

    key: Key
    numbers: tuple[int, ...]
    owner: Owner | None = None
    heard: float = 0.0
    kept: dict[int, frozenset[int]] = field(default_factory=dict)  # steps of a stop -> trials that went on
    saved: Saved | None = None
    is_over: bool = False


class Ledger:
    """A fold over the lines."""

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self.given: dict[str, Axis] = {}
        """The space as the user gave it last."""
        self.problem: Problem | None = None
        """What the study is about; None in one of an earlier version."""
        self.is_new_space = False
        """Whether it was changed since the last round was opened."""
        self.rounds: list[Round] = []
        self.chunks: dict[Key, Chunk] = {}
        self.trials: dict[int, Trial] = {}
        self.notes: list[str] = []

    def add(self, line: Mapping[str, Any]) -> None:
        """Take one line in. Raises `RunError` where it does not fit those before it."""
        kind = line.get("kind")
        try:
            getattr(self, f"_{kind}")(line)
        except (AttributeError, KeyError, IndexError, TypeError, ValueError) as problem:
            raise RunError(
                "the lines of the study's journal do not belong together",
                evidence=f"a line of the kind '{kind}' speaks of what no line before it began ({problem!r})",
                remedy="restore study.jsonl from a copy: a line of it is missing or doubled, or of another version",
            ) from None

    def _plan(self, line: Mapping[str, Any]) -> None:
        self.plan = from_plain(Plan, line["plan"])

    def _problem(self, line: Mapping[str, Any]) -> None:
        self.problem = from_plain(Problem, line["problem"])

    def _note(self, line: Mapping[str, Any]) -> None:
        self.notes.append(line["text"])

    def _space(self, line: Mapping[str, Any]) -> None:
        self.given = {name: from_plain(Axis, axis) for name, axis in line["space"].items()}
        self.is_new_space = True
        if self.rounds:  # what the present round has not begun is left to the next
            last = self.rounds[-1]
            begun = [place for place in range(len(last.chunks)) if (last.number, place) in self.chunks]
            self.rounds[-1] = replace(last, chunks=last.chunks[: max(begun, default=-1) + 1])

    def _round(self, line: Mapping[str, Any]) -> None:
        self.rounds.append(from_plain(Round, line["round"]))
        self.is_new_space = False

    def _lease(self, line: Mapping[str, Any]) -> None:
        key = (line["round"], line["chunk"])
        if key not in self.chunks:
            trials = [from_plain(Trial, plain) for plain in line["trials"]]
            self.trials |= {trial.number: trial for trial in trials}
            self.chunks[key] = Chunk(key=key, numbers=tuple(trial.number for trial in trials))
        self.chunks[key].owner = from_plain(Owner, line["owner"])
        self.chunks[key].heard = line["time"]

    def _release(self, line: Mapping[str, Any]) -> None:
        self.chunks[line["round"], line["chunk"]].owner = None

    def _scores(self, line: Mapping[str, Any]) -> None:
        chunk = self.chunks[line["round"], line["chunk"]]
        kept, steps, is_last = frozenset(line["kept"]), line["steps"], line["last"]
        chunk.kept[steps] = kept
        chunk.heard = line["time"]
        chunk.is_over = is_last or not kept
        for number, score in ((int(number), score) for number, score in line["scores"].items()):
            trial = self.trials[number]
            trial = replace(trial, steps=steps, seconds=trial.seconds + line["seconds"] / len(line["scores"]))
            if math.isfinite(score):
                trial = replace(
                    trial,
                    score=score,
                    budgets=(*trial.budgets, steps),
                    scores=(*trial.scores, score),
                    rung=trial.rung + (line["rung"] is not None),
                )
                if is_last:
                    trial = replace(trial, status="finished")
                elif number not in kept:
                    place = f"not among the best {len(kept)} of {len(line['scores'])} after {steps} steps"
                    trial = replace(trial, status="pruned", reason=place)
            else:
                told = line.get("reasons", {}).get(str(number))
                reason = told or f"the validation score is {score} after {steps} steps"
                trial = replace(trial, status="failed", reason=reason)
            self.trials[number] = trial

    def _saved(self, line: Mapping[str, Any]) -> None:
        saved = Saved(steps=line["steps"], file=line["file"], sha256=line["sha256"])
        self.chunks[line["round"], line["chunk"]].saved = saved
