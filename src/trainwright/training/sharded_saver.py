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
from torch.distributed.checkpoint.api import CheckpointException

from trainwright.errors import RunError, SaidElsewhere
from trainwright.runs import durable
from trainwright.tensors import digest
from trainwright.training import checkpoint, state, stored
from trainwright.training.distributed import Ranks
from trainwright.training.keeping import Due, Keeping
from trainwright.training.packing import pack
from trainwright.training.saver import Log

if TYPE_CHECKING:
    from trainwright.training.course import Course


class ShardedSaver:
    """Keeps the state of one run in a folder that all ranks see; `log` is that of the first rank.

    All ranks call every method together.
    """

    def __init__(self, keeping: Keeping, log: Log | None, ranks: Ranks) -> None:
        self.keeping = keeping
        self.folder = keeping.folder
        self.log = log
        self.ranks = ranks
        self._due = Due(keeping.every_steps, ranks)
        self._looked = -2

    def after_step(self, course: Course) -> None:
        """See a step done and looked at; write the state where that is due."""
        if self._due.after(course):
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
        with self.ranks.together():
            if not part.is_dir():
                raise RunError(
                    f"the folder {self.folder} is not to be seen from every process",
                    evidence=f"rank {self.ranks.rank} does not see {part}",
                    remedy="on several machines, keep the run in a folder that all of them share",
                )
        self._write_parts(part, tensors)
        with self.ranks.together():
            if self.ranks.leads:
                facts = {"kind": "training", "step": step, "digest": content, **self.keeping.facts}
                self._commit(part, plain, facts, course)
        self._looked, self._due.cost = course.looked, time.monotonic() - started
        self._due.taken()

    def keep(self, name: str, weights: Mapping[str, torch.Tensor], step: int, facts: Mapping[str, Any]) -> None:
        """Write whole weights under a name of their own, as the first rank."""
        with self.ranks.together():
            if self.ranks.leads:
                try:
                    checkpoint.save(self.folder, name, weights, step=step, facts=facts)
                except OSError as problem:
                    raise self.keeping.refused(_WHAT, problem) from None

    def close(self, course: Course) -> None:
        """End: everything is written already."""

    def abandon(self) -> None:
        """End: nothing is under way."""

    def _write_parts(self, part: Path, tensors: dict[str, Any]) -> None:
        """Let each rank write its part; where one cannot, the first says which, and why."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                engine.save(tensors, storage_writer=engine.HuggingFaceStorageWriter(str(part), save_distributed=True))
        except CheckpointException as found:  # all ranks have it
            if not self.ranks.leads:
                raise SaidElsewhere("rank 0 says who could not write") from found
            rank, (problem, _) = min(found.failures.items())
            shown = problem if isinstance(problem, OSError) else OSError(f"{type(problem).__name__}: {problem}")
            raise self.keeping.refused(f"rank {rank} cannot write its part of a checkpoint", shown) from found

    def _begun(self) -> str:
        try:
            durable.make_folder(self.folder)
            part = durable.temporary_beside(self.folder / checkpoint.LATEST)
            durable.make_folder(part)
        except OSError as problem:
            raise self.keeping.refused(_WHAT, problem) from None
        return str(part)

    def _commit(self, part: Path, plain: Any, facts: Mapping[str, Any], course: Course) -> None:
        assert self.log is not None
        try:
            log = dict(self.log.lengths())
            self.log.sync()  # the log must not be shorter than the state that belongs to it
            epoch = course.training.place.epoch
            stored.commit_parts(self.folder, part, plain, {**facts, "epoch": epoch, "log": log}, self.keeping.keep_last)
        except OSError as problem:
            raise self.keeping.refused(_WHAT, problem) from None


_WHAT = "a checkpoint cannot be written"
