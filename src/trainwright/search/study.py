"""A study: a folder that any number of processes work on at once, and that goes on after a kill where it stood.

`study.jsonl` holds every decision, written before it is acted on; `arrays/` the tensors of each chunk at its last stop.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from trainwright.errors import RunError, UsageError
from trainwright.records.jsonable import to_plain
from trainwright.records.space import Axis
from trainwright.records.study import Plan, StudyInfo, Trial
from trainwright.report.numbers import plural
from trainwright.search import snapshots
from trainwright.search.arena import State
from trainwright.search.halving import Stop, check_plan, stops, survivors
from trainwright.search.journal import Journal, write_lines
from trainwright.search.ledger import Chunk, Ledger
from trainwright.search.owner import Owner, this_process
from trainwright.search.planning import draw, is_over, next_round
from trainwright.search.problem import Problem, check_same
from trainwright.search.samplers import Sampler, check_sampler
from trainwright.search.sqlstore import SqlJournal

JOURNAL = "study.jsonl"
FIXED = ("seed", "repeats", "budget", "least", "eta", "save_every")
"""What cannot change in a study that has begun: its scores would no longer compare."""


class LeaseLost(Exception):
    """Another worker took the chunk over, because this one seemed to be gone."""


class StudyView:
    """One process's view of a study. All that is decided goes through the journal, under its lock."""

    def __init__(
        self,
        folder: Path | None,
        plan: Plan,
        space: Mapping[str, Axis],
        *,
        sampler: Sampler | None = None,
        problem: Problem | None = None,
        store: str | None = None,
    ) -> None:
        check_plan(plan)
        check_sampler(plan.sampler if sampler is None else sampler)
        self.folder = folder
        self.owner: Owner = this_process()
        self._given_sampler = sampler
        self._ledger = Ledger()
        if folder is not None:
            _make(folder)
        self._journal = _journal(folder, self.owner, store)
        with self._journal.locked() as lines:
            self._take(lines)
            if self._journal.repaired:
                self._write("note", text=f"{self._journal.repaired} bytes of a torn last line were cut off")
            if self._journal.orphaned:
                self._write(
                    "note", text=f"the lock was taken over from a process that is gone: {self._journal.orphaned}"
                )
            for note in self._journal.notes:
                self._write("note", text=note)
            self._begin(plan, dict(space), problem)
        self.keep()

    def keep(self) -> None:
        """Write the lines of a study that lies in a database into its folder, which can then be read without that."""
        if self.folder is not None and not isinstance(self._journal, Journal):
            self._take(self._journal.new())
            write_lines(self.folder / JOURNAL, self._journal.lines)

    def _begin(self, plan: Plan, space: dict[str, Axis], problem: Problem | None) -> None:
        known = self._ledger.problem
        if known is not None and problem is not None:
            check_same(self.folder, known, problem)
            problem = known.with_searched(problem)
        before = self._ledger.plan
        if before is not None:
            for name in FIXED:
                old, new = getattr(before, name), getattr(plan, name)
                if old != new:
                    raise UsageError(
                        f"the study in {self.folder} was begun with {_asked(name, old)}, not {_asked(name, new)}",
                        remedy="ask for what it was begun with, or start another study in another folder",
                    )
        if before != plan:
            self._write("plan", plan=to_plain(plan))
        if problem is not None and problem != known:
            self._write("problem", problem=to_plain(problem))
        if self._ledger.given != space:
            self._write("space", space=to_plain(space))

    @property
    def plan(self) -> Plan:
        """Return what the study was asked to do."""
        assert self._ledger.plan is not None
        return self._ledger.plan

    @property
    def stops(self) -> tuple[Stop, ...]:
        """Return the moments at which every chunk is scored."""
        return stops(self.plan)

    def info(self) -> StudyInfo:
        """Return the study as it stands, with what other workers have written so far."""
        self._take(self._journal.new())
        return summary(self._ledger)

    def claim(self) -> Chunk | None:
        """Return a chunk to work on, now leased to this process; None where there is none at present.

        Chunks that were begun and left behind come first; a round that is over is closed, and the next one opened.
        """
        with self._journal.locked() as lines:
            self._take(lines)
            ledger, now = self._ledger, time.time()
            while True:
                for chunk in ledger.chunks.values():
                    if not chunk.is_over and (chunk.owner is None or chunk.owner.is_gone(now - chunk.heard)):
                        return self._lease(chunk.key, [], now)
                last = ledger.rounds[-1] if ledger.rounds else None
                for place in range(len(last.chunks) if last else 0):
                    key = (len(ledger.rounds) - 1, place)
                    if key not in ledger.chunks:
                        return self._lease(key, draw(ledger, ledger.rounds[-1], place, self._sampler), now)
                if any(not chunk.is_over for chunk in ledger.chunks.values()) or not self._open():
                    return None

    def is_over(self) -> bool:
        """Return whether nothing is left to do, for this process or any other."""
        self._take(self._journal.new())
        return is_over(self._ledger, self._sampler)

    def untried(self) -> str:
        """Return that nothing was tried in the space as it was given last, "" where something was."""
        if not self._ledger.is_new_space or not self._ledger.rounds:
            return ""
        done = plural(len({trial.configuration for trial in self._ledger.trials.values()}), "trial")
        return f"the space was changed, and nothing was tried in it: {done} were made before; ask for more than that"

    def trials(self, numbers: Sequence[int] | frozenset[int]) -> list[Trial]:
        """Return trials by their numbers, in order."""
        return [self._ledger.trials[number] for number in sorted(numbers)]

    def decide(
        self, chunk: Chunk, stop: Stop, scores: Mapping[int, float], seconds: float, reasons: Mapping[int, str]
    ) -> frozenset[int]:
        """Write down the scores at a stop and who goes on, and return that; what was decided before stands.

        `reasons` say why trials failed, as far as that is known.
        """
        living = self.trials(frozenset(scores))
        is_last = stop == self.stops[-1]
        eta = 1 if stop.rung is None or is_last else self.plan.eta
        kept = survivors(living, scores, eta=eta)
        with self._journal.locked() as lines:
            self._take(lines)
            self._check_lease(chunk)
            facts = {
                "steps": stop.steps,
                "rung": stop.rung,
                "last": is_last,
                "scores": dict(scores),
                "kept": sorted(kept),
                "seconds": seconds,
                "reasons": {str(number): reason for number, reason in reasons.items() if reason},
            }
            self._write("scores", round=chunk.key[0], chunk=chunk.key[1], time=time.time(), **facts)
        return frozenset(kept)

    def save(self, chunk: Chunk, stop: Stop, state: State) -> None:
        """Keep the tensors of the chunk's trials as they are after a stop."""
        if self.folder is None:
            return
        saved = snapshots.save(self.folder, chunk.key, stop.steps, state)
        with self._journal.locked() as lines:
            self._take(lines)
            self._check_lease(chunk)
            self._write("saved", round=chunk.key[0], chunk=chunk.key[1], **to_plain(saved))
        snapshots.tidy(self.folder, chunk.key, saved)

    def load(self, chunk: Chunk) -> tuple[int, State] | None:
        """Return the steps and tensors of the chunk's last snapshot, None where there is none that is whole."""
        if self.folder is None or chunk.saved is None:
            return None
        state = snapshots.load(self.folder, chunk.saved)
        return None if state is None else (chunk.saved.steps, state)

    def release(self, chunk: Chunk) -> None:
        """Leave a chunk to whoever comes next."""
        with self._journal.locked() as lines:
            self._take(lines)
            if chunk.owner == self.owner and not chunk.is_over:
                self._write("release", round=chunk.key[0], chunk=chunk.key[1])

    def _lease(self, key: tuple[int, int], trials: Sequence[Trial], now: float) -> Chunk:
        owner, plain = to_plain(self.owner), to_plain(list(trials))
        self._write("lease", round=key[0], chunk=key[1], owner=owner, time=now, trials=plain)
        return self._ledger.chunks[key]

    def _check_lease(self, chunk: Chunk) -> None:
        if self._ledger.chunks[chunk.key].owner != self.owner:
            raise LeaseLost

    @property
    def _sampler(self) -> Sampler:
        return self.plan.sampler if self._given_sampler is None else self._given_sampler

    def _open(self) -> bool:
        """Close the last round and open the next; False where the study is over."""
        found = next_round(self._ledger, self._sampler)
        if found is not None:
            self._write("round", round=to_plain(found))
        return found is not None

    def _write(self, kind: str, **facts: Any) -> None:
        self._journal.append({"kind": kind, **facts})
        self._take(self._journal.new())

    def _take(self, lines: Sequence[Mapping[str, Any]]) -> None:
        for line in lines:
            self._ledger.add(line)


def _journal(folder: Path | None, owner: Owner, store: str | None) -> Journal | SqlJournal:
    """Return the journal of the study in a folder: the file in it, or the lines in a database under its name."""
    if store is None:
        return Journal(folder / JOURNAL if folder is not None else None, owner)
    if folder is None:
        raise UsageError("a study in a database needs a folder", remedy="name one; its name is the study's")
    return SqlJournal(store, folder.resolve().name, owner)


def read_study(folder: Path, store: str | None = None) -> StudyInfo:
    """Return a study from its folder or its store, without taking part in it. Raises `RunError` where there is none."""
    ledger = Ledger()
    for line in _journal(folder, this_process(), store).new():
        ledger.add(line)
    if ledger.plan is None:
        raise RunError(f"{folder} holds no study", remedy=f"give a folder with a {JOURNAL} in it")
    return summary(ledger)


def abandon(folder: Path, store: str | None, host: str, pid: int) -> int:
    """Leave the chunks of a process that is known to be gone to others; return how many there were."""
    journal, ledger = _journal(folder, this_process(), store), Ledger()
    with journal.locked() as lines:
        for line in lines:
            ledger.add(line)
        left = [
            chunk
            for chunk in ledger.chunks.values()
            if not chunk.is_over and chunk.owner is not None and (chunk.owner.host, chunk.owner.pid) == (host, pid)
        ]
        for chunk in left:
            journal.append({"kind": "release", "round": chunk.key[0], "chunk": chunk.key[1]})
            journal.new()
    return len(left)


def summary(ledger: Ledger) -> StudyInfo:
    """Return the record of a study: running while some process works on it, stopped where none does any more."""
    assert ledger.plan is not None
    trials = tuple(ledger.trials[number] for number in sorted(ledger.trials))
    rounds, notes, now = tuple(ledger.rounds), tuple(ledger.notes), time.time()
    owners = [(chunk.owner, now - chunk.heard) for chunk in ledger.chunks.values() if not chunk.is_over]
    works = any(owner is not None and not owner.is_gone(silent) for owner, silent in owners)
    status = "finished" if is_over(ledger, ledger.plan.sampler) else "running" if works else "stopped"
    if status == "stopped":
        trials = tuple(replace(one, status="stopped") if one.status == "running" else one for one in trials)
    return StudyInfo(plan=ledger.plan, rounds=rounds, trials=trials, status=status, notes=notes)


def _asked(name: str, value: Any) -> str:
    """Return a bound of the plan in the words that a user asks for it."""
    if name == "eta":
        return f"prune = {'true' if value > 1 else 'false'}"
    words = {"budget": "steps in a trial", "repeats": "seeds for each configuration"}
    return f"{value} {words[name]}" if name in words else f"{name} = {value}"


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise RunError(
            f"the study's folder {folder} cannot be written", evidence=str(problem), remedy="choose another folder"
        ) from None
    others = [path.name for path in folder.iterdir() if not path.name.startswith("study.")]
    if others and not (folder / JOURNAL).exists():
        raise RunError(
            f"{folder} holds other files and no study", evidence=f"{others[0]}, ...", remedy="choose another folder"
        )
