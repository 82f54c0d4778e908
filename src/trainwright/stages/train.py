"""The verb train: from a recipe, or from what `fit` has prepared, to a `Run`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from trainwright import __version__
from trainwright.data.batches import Batches
from trainwright.doctor.diagnose import diagnose
from trainwright.doctor.repairs import skipping
from trainwright.doctor.silence import silence_of
from trainwright.interruption import poll
from trainwright.randomness import isolated
from trainwright.records import Chart, Event, Finding, Outcome, Status, from_plain, to_plain
from trainwright.report.checks_text import verdict_line
from trainwright.report.loading_text import loading_lines
from trainwright.runs import loggers
from trainwright.runs.layout import CHECKPOINTS
from trainwright.runs.writer import RunWriter, check_free
from trainwright.stages.assemble import assemble
from trainwright.stages.before_run import check_before_run
from trainwright.stages.conditions import conditions, data_of, form_of
from trainwright.stages.facts import check_loss
from trainwright.stages.memory import out_of_memory
from trainwright.stages.ranks import check_optimizer, check_same, notes_on
from trainwright.stages.recipe import Recipe
from trainwright.stages.run import Run
from trainwright.stages.setup import Setup, load_data, prepare
from trainwright.stages.start import hardly_loaded
from trainwright.stages.verify import choose_checks, verify_setup
from trainwright.tensors import computing_with, digest, gathered
from trainwright.training.activations import checkpointing
from trainwright.training.auto_batch import ran_out_of_memory
from trainwright.training.clock import Clock
from trainwright.training.course import Conclusion
from trainwright.training.distributed import ALONE, Ranks
from trainwright.training.history import History, Observer
from trainwright.training.keeping import Keeping
from trainwright.training.saver import Saver
from trainwright.training.shared import check_shared
from trainwright.training.stillness import give_back_gradients
from trainwright.vitals.memory import give_back_freed_memory

if TYPE_CHECKING:
    from trainwright.training.sharded_saver import ShardedSaver


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


@dataclass(frozen=True, kw_only=True)
class GoingOn:
    """What a run goes on from: its folder, open again; its history; and the state, None where there is none yet.

    `said` is how it is told.
    """

    writer: RunWriter | None
    history: Chart
    kept: Mapping[str, Any] | None
    said: str


def carry_out(
    setup: Setup,
    folder: Path | None = None,
    watchers: Sequence[Observer] = (),
    *,
    clock: Clock | None = None,
    going_on: GoingOn | None = None,
    ranks: Ranks = ALONE,
) -> Run:
    """Refuse what cannot train, then train, keeping the run in `folder` where there is one. `clock` times the steps.

    With `going_on` the run is one that was broken off. Of several `ranks` the first one alone has a folder.
    """
    info, settings = setup.info, setup.recipe.train
    check_same(setup, ranks)
    if going_on is None:  # else it has been looked for already
        check_shared(folder, ranks)
    observers, writer = list(watchers), None
    with ranks.together():
        if ranks.many:
            check_optimizer(setup)
        if going_on is None or going_on.kept is None:
            keeping = blocking(setup)
            if keeping:
                return _not_started(setup, keeping)
            check_before_run(setup)
            check_loss(setup.model, setup.loss, setup.reference, setup.splits["train"].take(len(setup.reference))[1])
        if folder is not None:
            named = settings.loggers
            observers += [loggers.CATALOGUE[name].factory(folder, info, setup.recipe.plain()) for name in named]
            writer = (
                going_on.writer if going_on else RunWriter(folder, info, recipe=setup.recipe_text, facts=head_of(setup))
            )
            observers += [writer] if writer is not None else []
    history = History(observers, going_on.history if going_on else None)
    saver = _saver(setup, folder, writer, ranks)
    try:
        conclusion = _course(setup, history, clock, saver, going_on, ranks)
        for observer in observers:
            if observer is not writer:
                observer.finish(conclusion.outcome)
        if writer is not None:
            writer.finish(conclusion.outcome, digest=conclusion.digest, findings=to_plain(conclusion.findings))
    except BaseException as problem:
        if saver is not None:
            saver.abandon()
        short = out_of_memory(problem, setup.recipe, given=setup.given) if ran_out_of_memory(problem) else None
        _break_off(observers, history, short or problem)
        if short is not None:
            raise short from None
        raise
    return Run(
        model=setup.model,
        history=history.chart(info),
        outcome=conclusion.outcome,
        findings=conclusion.findings,
        digest=conclusion.digest,
        folder=folder,
        loaded=setup.loaded,
        train=batches if setup.given and isinstance(batches := setup.splits["train"], Batches) else None,
    )


def _start_findings(setup: Setup) -> list[Finding]:
    if setup.loaded is None:
        return []
    found = hardly_loaded(setup.loaded, setup.info.where("model.start"))
    return silence_of(setup.info).heard([found] if found is not None else [])


def head_of(setup: Setup) -> dict[str, Any]:
    """Return what a run's folder tells of it beside how it goes: the data, and all that resuming it must find again."""
    return {
        **setup.facts,
        "versions": _versions(),
        "given": setup.given,
        "configuration": setup.recipe.plain(),
        "conditions": conditions(setup),
        "identity": {
            "data": data_of(setup),
            "model": form_of(setup.model),
            "weights": digest(setup.model.state_dict()),
        },
    }


def _course(
    setup: Setup,
    history: History,
    clock: Clock | None,
    saver: Saver | ShardedSaver | None,
    going_on: GoingOn | None,
    ranks: Ranks,
) -> Conclusion:
    """Put the course together and run it, from its first step or from where it was broken off."""
    kept, checked = None if going_on is None else going_on.kept, []
    if going_on is not None:
        step = 0 if kept is None else kept["place"]["step"]
        history.append(Event(step=step, name="resumed", detail={"text": going_on.said}))
    if kept is None:
        if "learning_rate" in setup.facts:
            history.append(Event(step=0, name="learning-rate", detail=setup.facts["learning_rate"]))
        checked = [*_verified(setup, history, ranks), *_start_findings(setup)]
        if setup.loaded is not None:
            detail = {"text": "; ".join(loading_lines(setup.loaded)), **to_plain(setup.loaded)}
            history.append(Event(step=0, name="started", detail=detail))
    elif setup.freezing:  # features are computed from what is frozen, which the best weights hold as all others do
        setup.model.load_state_dict(kept["best_state"])
    for note in notes_on(setup, ranks):
        history.append(Event(step=0, name="devices", detail={"text": note, "devices": ranks.world}))
    course = assemble(setup, history, clock=clock, checked=checked, saver=saver, ranks=ranks)
    if kept is None:
        history.append(Event(step=0, name="phase", detail={"phase": "train"}))
    # The caller's random state, threads and grad mode are theirs again afterwards.
    settings, still = setup.recipe.train, course.training.stillness
    recompute = checkpointing(course.whole) if settings.checkpoint_activations else nullcontext()
    if settings.checkpoint_activations and settings.device == "cpu":
        give_back_freed_memory()  # or what is freed would stay with the process, and nothing be saved
    try:
        if not ranks.many:  # together they are asked after the first step
            poll()
        # From the seed: what a network of the user's own draws from numpy or random is the same in every run.
        with isolated(settings.seed, "course"), computing_with(int(settings.threads)), torch.enable_grad(), recompute:
            conclusion = course.run(kept)
            if course.whole is not setup.model:
                setup.model.load_state_dict(gathered(course.whole.state_dict()))
            return conclusion
    finally:
        if still is not None:
            still.release()


def _saver(setup: Setup, folder: Path | None, writer: RunWriter | None, ranks: Ranks) -> Saver | ShardedSaver | None:
    def keeping(place: Path) -> Keeping:
        settings = setup.recipe.train
        return Keeping(
            folder=place / CHECKPOINTS,
            every_steps=settings.checkpoint_every_steps,
            keep_last=settings.keep_last,
            facts={"conditions": conditions(setup), "configuration": setup.recipe.plain()},
        )

    if ranks.many and setup.recipe.distributed.sharded:
        from trainwright.training.sharded_saver import ShardedSaver

        kept = ranks.told("" if folder is None else str(folder.absolute()))
        return ShardedSaver(keeping(Path(kept)), writer, ranks) if kept else None
    return None if folder is None or writer is None else Saver(keeping(folder), writer)


def _not_started(setup: Setup, findings: Sequence[Finding]) -> Run:
    give_back_gradients(setup.model, setup.freezing)
    outcome = Outcome(status="stopped", reason=f"not started: {findings[0].title}")
    return Run(
        model=setup.model,
        history=Chart(info=setup.info),
        outcome=outcome,
        findings=tuple(findings),
        digest=None,
        folder=None,
    )


def _break_off(observers: Sequence[Observer], history: History, problem: BaseException) -> None:
    """Let everybody who watched close their books: the run ended, and not by itself."""
    words = str(problem).strip().splitlines()
    reason = f"broke off: {type(problem).__name__}" + (f": {words[0]}" if words else "")
    status: Status = "interrupted" if isinstance(problem, KeyboardInterrupt) else "stopped"
    outcome = Outcome(status=status, reason=reason, steps=len(history.steps))
    for observer in observers:
        with suppress(Exception):  # what broke the run off is what must be told
            if isinstance(observer, RunWriter):
                observer.finish(outcome, digest=None, findings=[])
            else:
                observer.finish(outcome)


def _verified(setup: Setup, history: History, ranks: Ranks) -> Sequence[Finding]:
    """Run the checks that the recipe asks for, put the results on record, and return what they found.

    Of several ranks the first one runs them, and tells the others.
    """
    extent = setup.recipe.train.verify
    if extent == "off":
        return ()
    if not ranks.leads:
        return [from_plain(Finding, plain) for plain in json.loads(ranks.told())]
    history.append(Event(step=0, name="phase", detail={"phase": "verify"}))
    with computing_with(int(setup.recipe.train.threads)):
        report = verify_setup(setup, choose_checks(extent=extent))
    text = verdict_line(report.results)
    history.append(Event(step=0, name="verified", detail={"text": text, "checks": to_plain(report.results)}))
    ranks.told(json.dumps(to_plain(report.findings)))
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


def _versions() -> dict[str, Any]:
    return {"trainwright": __version__, "torch": torch.__version__, "threads": torch.get_num_threads()}
