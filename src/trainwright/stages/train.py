"""The verb train: from a recipe, or from a model and data in Python, to a `Run`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainwright import __version__
from trainwright.doctor.diagnose import diagnose
from trainwright.doctor.repairs import skipping
from trainwright.doctor.silence import silence_of
from trainwright.errors import UsageError
from trainwright.parts import losses
from trainwright.randomness import isolated
from trainwright.records import Chart, Event, Finding, Location, Outcome, to_plain
from trainwright.records.loading import Loaded
from trainwright.report.checks_text import verdict_line
from trainwright.report.loading_text import loading_lines
from trainwright.report.text import render_run
from trainwright.runs import loggers
from trainwright.runs.layout import CHECKPOINTS
from trainwright.runs.writer import RunWriter, check_free
from trainwright.stages.assemble import assemble
from trainwright.stages.before_run import check_before_run
from trainwright.stages.facts import check_loss
from trainwright.stages.given import changes_of, prepare_given
from trainwright.stages.recipe import Recipe
from trainwright.stages.setup import Setup, load_data, prepare
from trainwright.stages.start import hardly_loaded
from trainwright.stages.verify import choose_checks, verify_setup
from trainwright.tensors import computing_with
from trainwright.training import checkpoint
from trainwright.training.activations import checkpointing
from trainwright.training.clock import Clock
from trainwright.training.history import History, Observer
from trainwright.training.stillness import give_back_gradients
from trainwright.vitals.memory import give_back_freed_memory


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run that has ended. `model` is the best one, chosen on validation (on training where there is none).

    `history` holds every step and evaluation, `digest` the SHA-256 over the weights after the last step, and `loaded`
    what the model started from, None where its weights were drawn.
    """

    model: nn.Module
    history: Chart
    outcome: Outcome
    findings: tuple[Finding, ...]
    digest: str | None
    folder: Path | None
    loaded: Loaded | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` writes: plain values that every JSON parser can read back."""
        return run_json(self.outcome, self.findings, self.digest, self.folder)

    def report(self, *, color: bool = False, width: int = 100) -> str:
        """Return the run as text: what it was, how it ended, its best values, its loss curve, and the findings."""
        return render_run(self.history.info, self.outcome, self.history, self.findings, color=color, width=width)


def run_json(
    outcome: Outcome | None, findings: Sequence[Finding], digest: str | None, folder: Path | None
) -> dict[str, Any]:
    """Return the JSON document of a run, live or stored."""
    document = {
        "schema": 1,
        "findings": findings,
        "outcome": outcome,
        "best": outcome.best if outcome else {},
        "digest": digest,
        "folder": str(folder) if folder else None,
    }
    return to_plain(document, strict=True)


def train(
    recipe: Recipe, *, folder: Path | None = None, data_root: str | None = None, watchers: Sequence[Observer] = ()
) -> Run:
    """Train what a recipe describes. With `folder` the run is kept there; nothing is written before training can start.

    `watchers` see every record. Raises `TrainwrightError` where it cannot be done.
    """
    return carry_out(plan(recipe, folder, data_root), folder, watchers)


def plan(recipe: Recipe, folder: Path | None = None, data_root: str | None = None) -> Setup:
    """Read the data and build everything that `recipe` names, ready for `carry_out`. Writes nothing."""
    if folder is not None:
        check_free(folder)  # a folder that is taken is told before minutes are spent on reading data
    return prepare(recipe, load_data(recipe, data_root), data_root)


def fit(
    model: nn.Module,
    train: Any,
    validation: Any = None,
    *,
    recipe: Recipe | Mapping[str, Any] | str | Path | None = None,
    folder: str | Path | None = None,
    **settings: Any,
) -> Run:
    """Train `model` in place and return the `Run`; its `.model` is the same object with the best weights.

    `train` and `validation` are `(x, y)` pairs of tensors or arrays, or iterables of such pairs (a DataLoader); they
    are used as given, neither scaled nor split. `settings` are keys of the recipe by their own name: `epochs=20`,
    `lr=0.1`, `batch_size=32`, `schedule="cosine"`; `loss` may also be a function `loss(output, target)`, `optimizer` a
    torch optimizer over the model's parameters; `start` names weights to begin from, as `start_from` takes them.

    Raises `UsageError` on a setting that does not exist, `DataError` or `ModelError` on data that cannot be trained on.
    A run that diverges is no exception: see `.outcome`.
    """
    frame = sys._getframe(1)  # the line that asked is where findings about its settings point to
    caller = Location(file=frame.f_code.co_filename, line=frame.f_lineno)
    if isinstance(settings.get("start"), Path):
        settings["start"] = str(settings["start"])
    given: dict[str, Any] = {key: settings[key] for key in ("loss", "optimizer") if key in settings}
    objects = {key: value for key, value in given.items() if value is not None and not isinstance(value, str)}
    changes = changes_of({key: value for key, value in settings.items() if isinstance(value, str) or key not in given})
    _check_objects(objects, changes)
    path = Path(folder) if folder is not None else None
    if path is not None:
        check_free(path)
    setup = prepare_given(
        Recipe.of(recipe, **changes),
        model,
        train,
        validation,
        loss=objects.get("loss"),
        optimizer=objects.get("optimizer"),
        caller=caller,
    )
    if path is None and setup.recipe.train.loggers:
        raise setup.recipe.problem(
            "train.loggers",
            "train.loggers write into the folder of a run, and none is named; pass folder=..., or leave loggers out",
        )
    return carry_out(setup, path)


def _check_objects(objects: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
    """Refuse a loss or an optimizer that is neither a name nor the thing itself."""
    loss, optimizer = objects.get("loss"), objects.get("optimizer")
    if loss is not None:
        losses.given(loss)
    if optimizer is None:
        return
    if not isinstance(optimizer, torch.optim.Optimizer):
        evidence = f"it is a {type(optimizer).__name__}"
        raise UsageError("optimizer must be a name or a torch.optim.Optimizer", evidence=evidence)
    if isinstance(optimizer, torch.optim.LBFGS):
        raise UsageError(
            "LBFGS evaluates the loss several times in a step, by a closure, which fit does not give it",
            remedy="use another optimizer, such as 'adamw'",
        )
    clash = next((key for key in changes if key.startswith("optimizer.")), None)
    if clash:
        raise UsageError(
            f"{clash} was given beside a ready optimizer",
            remedy="set it where you make the optimizer, or pass its name",
        )


def carry_out(
    setup: Setup, folder: Path | None = None, watchers: Sequence[Observer] = (), *, clock: Clock | None = None
) -> Run:
    """Refuse what cannot train, then train, keeping the run in `folder` where there is one. `clock` times the steps."""
    info, settings = setup.info, setup.recipe.train
    keeping = blocking(setup)
    if keeping:
        give_back_gradients(setup.model, setup.freezing)
        outcome = Outcome(status="stopped", reason=f"not started: {keeping[0].title}")
        return Run(
            model=setup.model,
            history=Chart(info=info),
            outcome=outcome,
            findings=tuple(keeping),
            digest=None,
            folder=None,
        )
    check_before_run(setup)
    check_loss(setup.model, setup.loss, setup.reference, setup.splits["train"].take(len(setup.reference))[1])
    observers = list(watchers)
    writer = None
    if folder is not None:
        observers += [loggers.CATALOGUE[name].factory(folder, info, setup.recipe.plain()) for name in settings.loggers]
        writer = RunWriter(folder, info, recipe=setup.recipe_text, facts={**setup.facts, "versions": _versions()})
        observers.append(writer)
    history = History(observers)
    if "learning_rate" in setup.facts:
        history.append(Event(step=0, name="learning-rate", detail=setup.facts["learning_rate"]))
    checked = [*_verified(setup, history), *_start_findings(setup)]
    if setup.loaded is not None:
        detail = {"text": "; ".join(loading_lines(setup.loaded)), **to_plain(setup.loaded)}
        history.append(Event(step=0, name="started", detail=detail))
    course = assemble(
        setup, history, keep=None if folder is None else _keeper(folder / CHECKPOINTS), clock=clock, checked=checked
    )
    history.append(Event(step=0, name="phase", detail={"phase": "train"}))
    # The caller's random state, threads and grad mode are theirs again afterwards.
    recompute = checkpointing(setup.model) if settings.checkpoint_activations else nullcontext()
    if settings.checkpoint_activations and settings.device == "cpu":
        give_back_freed_memory()  # or what is freed would stay with the process, and nothing be saved
    try:
        with isolated(), computing_with(int(settings.threads)), torch.enable_grad(), recompute:
            conclusion = course.run()
    except BaseException as problem:
        _break_off(observers, history, problem)
        raise
    finally:
        if course.training.stillness is not None:
            course.training.stillness.release()
    for observer in observers:
        if observer is not writer:
            observer.finish(conclusion.outcome)
    if writer is not None:
        writer.finish(conclusion.outcome, digest=conclusion.digest, findings=to_plain(conclusion.findings))
    return Run(
        model=setup.model,
        history=history.chart(info),
        outcome=conclusion.outcome,
        findings=conclusion.findings,
        digest=conclusion.digest,
        folder=folder,
        loaded=setup.loaded,
    )


def _start_findings(setup: Setup) -> list[Finding]:
    if setup.loaded is None:
        return []
    found = hardly_loaded(setup.loaded, setup.info.where("model.start"))
    return silence_of(setup.info).heard([found] if found is not None else [])


def _break_off(observers: Sequence[Observer], history: History, problem: BaseException) -> None:
    """Let everybody who watched close their books: the run ended, and not by itself."""
    words = str(problem).strip().splitlines()
    reason = f"broke off: {type(problem).__name__}" + (f": {words[0]}" if words else "")
    outcome = Outcome(status="stopped", reason=reason, steps=len(history.steps))
    for observer in observers:
        with suppress(Exception):  # what broke the run off is what must be told
            if isinstance(observer, RunWriter):
                observer.finish(outcome, digest=None, findings=[])
            else:
                observer.finish(outcome)


def _verified(setup: Setup, history: History) -> Sequence[Finding]:
    """Run the checks that the recipe asks for, put the results on record, and return what they found."""
    extent = setup.recipe.train.verify
    if extent == "off":
        return ()
    history.append(Event(step=0, name="phase", detail={"phase": "verify"}))
    with computing_with(int(setup.recipe.train.threads)):
        report = verify_setup(setup, choose_checks(extent=extent))
    text = verdict_line(report.results)
    history.append(Event(step=0, name="verified", detail={"text": text, "checks": to_plain(report.results)}))
    return report.findings


_BLOCKING = ("labels-out-of-range", "non-finite-input", "non-finite-targets")
"""Findings with which no step can be made ..."""
_REPAIRABLE = ("non-finite-input", "non-finite-targets")
"""... unless batches with such samples are left out."""


def blocking(setup: Setup) -> list[Finding]:
    """Return the findings that keep a run from starting, with what would let it start."""
    info, repair = setup.info, setup.recipe.doctor.repair
    found = silence_of(info).heard(diagnose(Chart(info=info)))
    kept = [finding for finding in found if finding.kind in _BLOCKING]
    if repair == "apply":
        return [finding for finding in kept if finding.kind not in _REPAIRABLE]
    if repair == "suggest":
        return [skipping(finding) if finding.kind in _REPAIRABLE else finding for finding in kept]
    return kept


def _keeper(folder: Path) -> Callable[[str, Mapping[str, torch.Tensor], int, Mapping[str, Any]], None]:
    def keep(name: str, state: Mapping[str, torch.Tensor], step: int, facts: Mapping[str, Any]) -> None:
        checkpoint.save(folder, name, state, step=step, facts=facts)

    return keep


def _versions() -> dict[str, Any]:
    return {"trainwright": __version__, "torch": torch.__version__, "threads": torch.get_num_threads()}
