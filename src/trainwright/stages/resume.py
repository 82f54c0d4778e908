"""The verb resume: a run that was broken off goes on from its newest checkpoint, and comes out as if it never had been.

On the same machine, versions and threads that holds bit for bit; where something differs, that is said by name.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainwright.errors import RunError, UsageError
from trainwright.interruption import listening
from trainwright.records import Chart, Location, RunInfo, Setting, to_plain
from trainwright.runs import durable
from trainwright.runs.layout import CHECKPOINTS, RECIPE, SCHEMA, is_run
from trainwright.runs.lock import RunLock
from trainwright.runs.reader import read_run
from trainwright.runs.writer import RunWriter
from trainwright.stages import resume_fields
from trainwright.stages.conditions import conditions, data_of, differences, form_differences, form_of
from trainwright.stages.given import changes_of, prepare_given
from trainwright.stages.recipe import Recipe
from trainwright.stages.run import Run
from trainwright.stages.sections import AUTO
from trainwright.stages.setup import Setup, load_data, prepare
from trainwright.stages.train import GoingOn, carry_out, head_of
from trainwright.tensors import digest
from trainwright.training import checkpoint, stored
from trainwright.training.clock import Clock
from trainwright.training.distributed import ALONE, Ranks
from trainwright.training.history import Observer
from trainwright.training.shared import check_shared
from trainwright.training.stillness import give_back_gradients


@dataclass(frozen=True, kw_only=True)
class Given:
    """What of a run only Python has: what `fit` was called with."""

    model: nn.Module
    train: Any
    validation: Any = None
    loss: Any = None
    optimizer: torch.optim.Optimizer | None = None


def resume(
    folder: str | Path,
    *,
    model: nn.Module | None = None,
    train: Any = None,
    validation: Any = None,
    loss: Any = None,
    optimizer: torch.optim.Optimizer | None = None,
    strict: bool = False,
    **settings: Any,
) -> Run:
    """Go on with the run in `folder` from its newest whole checkpoint, else from its recipe, and return it at its end.

    A run of `fit` needs the model, made as it was, and the same data again, and the loss or the optimizer where those
    were objects. `settings` are those that a run may change: more `epochs` or `steps`, and what only watches. With
    `strict`, a damaged checkpoint is an error; else the one before it is used, and the run's events say so.

    A run that has ended is returned as it is. Raises `RunError` where another process writes it, where the data, the
    model or a setting are not those of the run, or where there is no run.
    """
    frame = sys._getframe(1)
    path = Path(folder)
    given = None
    if model is not None:
        given = Given(model=model, train=train, validation=validation, loss=loss, optimizer=optimizer)
    caller = Location(file=frame.f_code.co_filename, line=frame.f_lineno)
    changes = changes_of(settings, "resume()")
    run = Resumption(path, given=given, changes=changes, caller=caller, strict=strict)
    with listening(own=False), run as resumption:
        return resumption.finished() if resumption.ended else resumption.carry_out()


class Resumption:
    """A run that is to go on: found and locked, then made ready (`setup`), then carried out.

    `ended` says that it went to its end, and that no setting asks for more. `setup` is what the run is made of, where
    that is there already.
    """

    def __init__(
        self,
        folder: Path,
        *,
        given: Given | None = None,
        setup: Setup | None = None,
        changes: Mapping[str, Any] | None = None,
        data_root: str | None = None,
        caller: Location | None = None,
        strict: bool = False,
        ranks: Ranks = ALONE,
    ) -> None:
        self.ranks = ranks
        self.lock: RunLock | None = None
        check_shared(folder, ranks)
        with ranks.together():
            if ranks.leads:
                self._begin(folder, given, setup, changes, data_root, caller, strict)
        with ranks.together():  # the others read what the first one has the right to write
            if not ranks.leads:
                self._begin(folder, given, setup, changes, data_root, caller, strict)

    def _begin(
        self,
        folder: Path,
        given: Given | None,
        setup: Setup | None,
        changes: Mapping[str, Any] | None,
        data_root: str | None,
        caller: Location | None,
        strict: bool,
    ) -> None:
        if not is_run(folder) and not (folder / RECIPE).is_file():
            read_run(folder)  # says what is there instead
        self.folder = folder
        self.given = given
        self._ready = setup
        self.data_root = data_root
        self.caller = caller or Location()
        self.strict = strict
        self.lock = RunLock(folder) if self.ranks.leads else None
        try:
            self.run = read_run(folder) if is_run(folder) else None
            self.head = dict(self.run.head) if self.run else {}
            self._check_given()
            self.recipe, self.changed = self._recipe(changes or {})
            resume_fields.check(self.changed, len(self.run.chart.steps) if self.run else 0)
        except BaseException:
            self._release()
            raise

    def __enter__(self) -> Resumption:
        return self

    def __exit__(self, *rest: object) -> None:
        self._release()

    def _release(self) -> None:
        if self.lock is not None:
            self.lock.release()

    @property
    def ended(self) -> bool:
        """Whether the run went to its end, and no longer one is asked for."""
        outcome = self.run.outcome if self.run else None
        if outcome is None or outcome.status == "interrupted" or self.run is None or self.run.digest is None:
            return False
        more = any(resume_fields.class_of(name) == "extendable" or name == "train.patience" for name in self.changed)
        return outcome.status == "diverged" or not more

    def setup(self) -> Setup:
        """Read the data and build the model again. Raises `RunError` where they are not those of the run."""
        given = self.given
        if self._ready is not None:
            setup = self._ready
        elif given is None:
            setup = prepare(self.recipe, load_data(self.recipe, self.data_root), self.data_root)
        else:
            setup = prepare_given(
                self.recipe,
                given.model,
                given.train,
                given.validation,
                loss=None if isinstance(given.loss, str) else given.loss,
                optimizer=given.optimizer,
                caller=self.caller,
            )
        self._check_identity(setup)
        return replace(setup, info=self._info(setup))

    def carry_out(
        self, watchers: Sequence[Observer] = (), *, setup: Setup | None = None, clock: Clock | None = None
    ) -> Run:
        """Go on, and return the run at its end."""
        setup = self.setup() if setup is None else setup
        found, notes = self._found()
        kept = None if found is None else found.tree(torch.device(setup.recipe.train.device))
        done = 0 if kept is None else kept["place"]["step"]
        said = "; ".join([*notes, self._said(setup, found, done)])
        head = {name: self.head[name] for name in self.head if name not in ("outcome", "digest", "findings")}
        head |= {"schema": SCHEMA, "status": "running", "info": to_plain(setup.info)} | head_of(setup)
        if self.lock is not None and (self.changed or not (self.folder / RECIPE).is_file()):
            durable.replace(self.folder / RECIPE, setup.recipe_text)
        with self.ranks.together():
            writer = None
            if self.lock is not None:
                writer = RunWriter.reopened(self.lock, self.folder, head, {} if found is None else found.log)
        history = read_run(self.folder).chart if found is not None else Chart(info=setup.info)
        going_on = GoingOn(writer=writer, history=history, kept=kept, said=said)
        folder = self.folder if self.ranks.leads else None
        return carry_out(setup, folder, watchers, clock=clock, going_on=going_on, ranks=self.ranks)

    def _found(self) -> tuple[stored.Stored | None, list[str]]:
        """Return the checkpoint to go on from, the same on all ranks, and what is to be said of others."""
        found, notes = None, []
        checkpoints = self.folder / CHECKPOINTS
        with self.ranks.together():
            if self.ranks.leads:
                found, notes = stored.newest(checkpoints, self.folder, strict=self.strict)
        name = self.ranks.told("" if found is None else found.path.name)
        with self.ranks.together():
            if name and not self.ranks.leads:
                found = stored.named(checkpoints, name)
        return found, notes

    def finished(self) -> Run:
        """Return the run that has ended, its model with the best weights."""
        assert self.run is not None
        assert self.run.outcome is not None
        setup = self.setup()
        if self.run.outcome.best_step:
            weights, _ = checkpoint.load(self.folder / CHECKPOINTS, "best")
            setup.model.load_state_dict(weights)
        give_back_gradients(setup.model, setup.freezing)
        return Run(
            model=setup.model,
            history=self.run.chart,
            outcome=self.run.outcome,
            findings=self.run.findings,
            digest=self.run.digest,
            folder=self.folder,
            loaded=setup.loaded,
        )

    def _check_given(self) -> None:
        if self._ready is not None:
            return
        was_given = bool(self.head.get("given"))
        if was_given and self.given is None:
            raise UsageError(
                f"the model and the data of {self.folder} were given in Python, and must be given again",
                remedy="tw.resume(folder, model=..., train=..., validation=...), with those that fit() was called with",
            )
        if not was_given and self.given is not None and self.head:
            raise UsageError(
                f"the run in {self.folder} was made from a recipe, which has its own model and data",
                remedy="tw.resume(folder)",
            )

    def _recipe(self, changes: Mapping[str, Any]) -> tuple[Recipe, dict[str, tuple[Any, Any]]]:
        """Return the recipe to go on with, and what of it is not as it was: by `changes`, or by the file's editor."""
        then = self.head.get("configuration")
        if self._ready is not None:
            return self._ready.recipe, resume_fields.changed(then or {}, self._ready.recipe.plain())
        follows = "train.steps" in changes and "train.epochs" not in changes
        if follows:  # so many steps are so many epochs, whatever they were
            changes = {**changes, "train.epochs": AUTO}
        if then is None or (self.given is None and (self.folder / RECIPE).is_file()):
            recipe = Recipe.read(self.folder / RECIPE, changes)
        else:
            asked = {name: dict(keys) for name, keys in then.items() if name != "tune"}
            if self.head["identity"]["data"]["splits"]["train"]["loader"]:
                asked["train"].pop("batch_size")  # it makes its own batches, and nobody may ask for a size
            recipe = Recipe.of(asked).changed(changes)
        changed = resume_fields.changed(then, recipe.plain()) if then else {}
        if "train.batch_size" not in changes and self.given is not None:
            changed.pop("train.batch_size", None)
        if follows:
            changed.pop("train.epochs", None)
        return recipe, changed

    def _check_identity(self, setup: Setup) -> None:
        then = self.head.get("identity")
        if then is None:
            return
        other = form_differences(then["model"], form_of(setup.model))
        if other:
            raise RunError(
                "the model is not that of the run",
                evidence="; ".join(other[:5]) + (f"; and {len(other) - 5} more" if len(other) > 5 else ""),
                remedy="make it as it was made for the run",
            )
        now = data_of(setup)
        if then["data"] != now:
            raise RunError(
                "the data are not those of the run",
                evidence=_data_differences(then["data"], now, setup.recipe.data.source),
                remedy="give the same data, or train a new run on these",
            )

    def _info(self, setup: Setup) -> RunInfo:
        """Return what the doctor knew of the run, in the light of what was changed."""
        if self.run is None:
            return setup.info
        info, new = self.run.info, setup.info
        settings = {
            **info.settings,
            **{name: Setting(value=pair[1], given=True) for name, pair in self.changed.items()},
        }
        return replace(info, planned_steps=new.planned_steps, steps_per_epoch=new.steps_per_epoch, settings=settings)

    def _said(self, setup: Setup, found: stored.Stored | None, done: int) -> str:
        """Return in a sentence where the run goes on, and why it may not be bit-exact."""
        reasons = differences((self.head if found is None else found.facts).get("conditions", {}), conditions(setup))
        inexact = [name for name in self.changed if resume_fields.class_of(name) in ("extendable", "inexact")]
        told = {"train.threads", "train.device"}  # among the conditions
        for name, (old, new) in self.changed.items():
            if (name in inexact and name not in told) or name == "train.patience":  # which may end the run elsewhere
                reasons.append(f"{name} {old} -> {new}")
        first = self.head.get("identity", {}).get("weights")
        if found is None and first is not None and first != digest(setup.model.state_dict()):
            reasons.append("the model's first weights are others")
        taken = f"; taken over from {self.lock.taken_over}" if self.lock is not None and self.lock.taken_over else ""
        where = f"from step {done}" if found is not None else f"from the start: {self._why_none()}"
        if reasons:
            return f"continued {where}, not bit-exact: {', '.join(reasons)}{taken}"
        return f"resumed {where}, bit for bit{taken}"

    def _why_none(self) -> str:
        """Return why there is no checkpoint to go on from."""
        steps = len(self.run.chart.steps) if self.run else 0
        checkpoints = self.folder / CHECKPOINTS
        if any(checkpoints.glob("damaged-*")):
            return "none of its checkpoints is whole"
        if self.run and not checkpoints.exists() and any(event.name == "checkpoint" for event in self.run.chart.events):
            return f"{checkpoints} is gone, and {steps:,} steps with it"
        return "there was no checkpoint yet"


def _data_differences(then: Mapping[str, Any], now: Mapping[str, Any], source: str) -> str:
    said = []
    for name in {**then["splits"], **now["splits"]}:
        before, after = then["splits"].get(name), now["splits"].get(name)
        if before is None or after is None:
            said.append(f"the {name} split is {'new' if before is None else 'missing'}")
        elif before["samples"] != after["samples"]:
            said.append(f"the {name} split has {after['samples']:,} samples, and had {before['samples']:,}")
        elif before != after:
            said.append(f"the {before['samples']:,} samples of the {name} split are others, or in another order")
    return "; ".join(said) or f"the content of {source} has changed"
