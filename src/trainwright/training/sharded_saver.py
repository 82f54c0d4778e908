"""Checkpoints of a model that is divided over ranks: each writes its part, the first makes the folder whole.

torch.distributed.checkpoint divides the work and writes safetensors; the folder is committed as every other one is, and
another number of ranks can go on from it.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.distributed import checkpoint as engine

from trainwright.errors import RunError
from trainwright.runs import durable
from trainwright.tensors import digest
from trainwright.training import checkpoint, state, stored
from trainwright.training.distributed import Ranks
from trainwright.training.packing import pack
from trainwright.training.saver import MOST_COST, Log

if TYPE_CHECKING:
    from trainwright.training.course import Course


class ShardedSaver:
    """Keeps the state of one run in `folder`, which all ranks see; `log` is that of the first rank.

    All ranks call every method together. With `every_steps` 0 the state is kept after evaluations, as often as it costs
    no more than a small share of the time.
    """

    def __init__(
        self,
        folder: Path,
        log: Log | None,
        ranks: Ranks,
        *,
        every_steps: int = 0,
        keep_last: int = 2,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = folder
        self.log = log
        self.ranks = ranks
        self.every_steps = every_steps
        self.keep_last = keep_last
        self.facts = dict(facts or {})
        self._looked = -2
        self._evaluated = 0
        self._cost = 0.0
        self._last = time.monotonic()

    def after_step(self, course: Course) -> None:
        """See a step done and looked at; write the state where that is due."""
        step = course.training.place.step
        due = step % self.every_steps == 0 if self.every_steps else self._due(course)
        if due and course.training.diverged is None:
            self.now(course)

    def now(self, course: Course) -> None:
        """Write the state, unless that is done. Raises `RunError` where it cannot be written."""
        if self._looked == course.looked:
            return
        started = time.monotonic()
        tree = state.take(course)
        plain, tensors = pack(tree)
        step, content = tree["place"]["step"], digest(tree["snapshot"]["weights"])
        with self.ranks.together():
            temporary = self._begun() if self.ranks.leads else ""
        part = Path(self.ranks.told(temporary))
        if not part.is_dir():
            raise RunError(
                f"the folder {self.folder} is not to be seen from every process",
                evidence=f"rank {self.ranks.rank} does not see {part}",
                remedy="on several machines, keep the run in a folder that all of them share",
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            engine.save(tensors, storage_writer=engine.HuggingFaceStorageWriter(str(part), save_distributed=True))
        with self.ranks.together():
            if self.ranks.leads:
                facts = {"kind": "training", "step": step, "digest": content, **self.facts}
                self._commit(part, plain, facts, course)
        self._looked, self._last = course.looked, time.monotonic()
        self._cost = self._last - started

    def keep(self, name: str, weights: Mapping[str, torch.Tensor], step: int, facts: Mapping[str, Any]) -> None:
        """Write whole weights under a name of their own, as the first rank."""
        if self.ranks.leads:
            checkpoint.save(self.folder, name, weights, step=step, facts=facts)

    def close(self, course: Course) -> None:
        """End: everything is written already."""

    def abandon(self) -> None:
        """End: nothing is under way."""

    def _due(self, course: Course) -> bool:
        """Say on all ranks what the first one's clock says, and only after an evaluation."""
        evals = course.training.history.evals
        evaluated = evals[-1].step if evals else 0
        new, self._evaluated = evaluated != self._evaluated, evaluated
        if not new:
            return False
        waited = time.monotonic() - self._last
        return bool(self.ranks.told("yes" if waited * MOST_COST >= self._cost else ""))

    def _begun(self) -> str:
        try:
            durable.make_folder(self.folder)
            part = durable.temporary_beside(self.folder / checkpoint.LATEST)
            durable.make_folder(part)
        except OSError as problem:
            raise _refused(self.folder, problem) from None
        return str(part)

    def _commit(self, part: Path, plain: Any, facts: Mapping[str, Any], course: Course) -> None:
        assert self.log is not None
        try:
            log = dict(self.log.lengths())
            self.log.sync()  # the log must not be shorter than the state that belongs to it
            epoch = course.training.place.epoch
            stored.commit_parts(self.folder, part, plain, {**facts, "epoch": epoch, "log": log}, self.keep_last)
        except OSError as problem:
            raise _refused(self.folder, problem) from None


def _refused(folder: Path, problem: OSError) -> RunError:
    return RunError(
        "a checkpoint cannot be written",
        evidence=f"{folder}: {problem.strerror or problem}",
        remedy=f"make room, then: trainwright resume {folder.parent}",
    )
