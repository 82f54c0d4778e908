"""From the books of a watched loop to the chart that the doctor reads."""

from __future__ import annotations

import linecache
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from trainwright.doctor.runs_apart import BEGINS
from trainwright.records import Chart, Event, LoopFacts, RunInfo, Setting, TargetStats
from trainwright.records.run import Task
from trainwright.vitals.setup import has_input_norm
from trainwright.watching.losses import NAMES
from trainwright.watching.places import Place, location

if TYPE_CHECKING:
    from trainwright.watching.tape import Tape

_CLASSES = ("cross_entropy", "nll")
_VALUES = ("mse", "mae", "huber", "smooth_l1")
_TRIED, _RECENT, _LEARNS = 100, 20, 0.75
"""Steps after which a loop that learns shows it: by most of its last losses, which are then below this share of a
constant guess's."""
_SETS_RATE = re.compile(r"""\[["']lr["']\]\s*[-+*/]?=[^=]""")
_AHEAD = 4
"""While a run goes on, and no schedule tells how long it will be, it is taken to last so many times as long as yet."""


def chart_of(tape: Tape, name: str, *, finished: bool) -> Chart:
    """Return everything that was seen, as records. Unless `finished`, what can only be told at the end is held back."""
    tape.study()
    steps = () if tape.learnt.turns else tuple(tape.steps.rows.records())
    info = info_of(tape, name, finished=finished)
    return Chart(
        info=info,
        steps=steps,
        evals=tuple(tape.steps.rows.evaluations),
        layers=tuple(tape.steps.layers.records),
        events=(
            *(
                Event(
                    step=int(str(event["step"])),
                    name="non-finite",
                    detail={k: v for k, v in event.items() if k != "step"},
                )
                for event in tape.steps.events
            ),
            *(Event(step=start, name=BEGINS) for start in tape.runs.starts),
            *tape.ranks.events,
        ),
    )


def info_of(tape: Tape, name: str, *, finished: bool) -> RunInfo:
    """Return the head of the chart."""
    main = tape.losses.main()
    loss = _name(main[0]) if main is not None else ""
    made = tape.sightings.step
    roots = tape.models.roots()
    loop = loop_of(tape, finished=finished)
    planned = made if finished else max(tape.schedulers.horizon() or 0, _AHEAD * made)
    return RunInfo(
        name=name,
        task=_task(loss),
        loss=loss,
        optimizer=loop.optimizers[0].name.lower() if loop.optimizers else "",
        schedule=loop.schedulers[0].name if loop.schedulers else "constant",
        model=type(roots[0]).__name__ if roots else "",
        outputs=None,
        parameters=sum(part.numel() for part in {id(p): p for root in roots for p in root.parameters()}.values()),
        planned_steps=planned or None,
        steps_per_epoch=tape.loaders.steps_per_epoch(),
        metric="accuracy" if loss in _CLASSES else "rmse" if loss == "mse" else None,
        settings=_settings(loop, main) | _places(tape) | _data_places(tape, main),
        has_input_norm=any(has_input_norm(root) for root in roots),
        inputs=tape.samples.stats(finished=finished),
        targets=_targets(tape, finished=finished),
        output=tape.losses.output(),
        loop=loop,
    )


def loop_of(tape: Tape, *, finished: bool) -> LoopFacts:
    """Return the loop's own facts."""
    elapsed = tape.clock() - (tape.loaders.began or tape.started) - tape.own_seconds
    unseen = []
    if tape.compiles:
        unseen.append("compiled modules: their layers, and losses that are computed inside of them")
    if tape.learnt.steps_by_hand:
        unseen.append("rates and updates: the weights move without an optimizer of torch")
    if tape.steps.probes.refused:
        unseen.append(f"steps of other lengths: {tape.steps.probes.refused}")
    optimizers = tape.optimizers.records(tape.steps.updates.decay_to_gradient)
    main = tape.losses.main()
    return LoopFacts(
        steps=tape.sightings.step,
        backwards=tape.gradients.backwards,
        epochs=tape.loaders.epochs_made,
        evaluations=len(tape.steps.rows.evaluations),
        turns=tape.learnt.turns,
        closures=tape.steps.closures,
        compiled=tape.compiles,
        finished=finished,
        loss_where=location(main[1] if main else None),
        backward_where=location(tape.gradients.place),
        step_where=optimizers[0].step_where if optimizers else location(None),
        attention=tape.start.attention,
        waiting_fraction=tape.loaders.waited_seconds / elapsed if elapsed > 0 and tape.sightings.step else None,
        sightings=tape.sightings.records(),
        optimizers=optimizers,
        schedulers=tape.schedulers.records(),
        unseen=tuple(unseen),
        failure="" if tape.problem is None else f"{type(tape.problem).__name__}: {tape.problem}",
    )


def _targets(tape: Tape, *, finished: bool) -> TargetStats | None:
    """Return the statistics of the targets; whether they follow from the inputs, where training had time to show it."""
    stats = tape.losses.targets()
    if stats is None or not (finished or tape.sightings.step >= _TRIED):
        return stats
    constant, rows = stats.constant_loss, tape.steps.rows.rows[-_RECENT:]
    learns = constant is not None and sum(row.loss < _LEARNS * constant for row in rows) > len(rows) / 2
    held_out = [record.loss for record in tape.steps.rows.evaluations[-_RECENT:]]
    if learns and (not held_out or min(held_out) < (constant or 0.0)) and not _guesses(tape):
        return stats  # it does follow, and nothing has to be computed
    return replace(stats, relation=tape.samples.relation())


def _guesses(tape: Tape) -> bool:
    """Say whether the answers to held-out samples are mostly wrong."""
    seen = tape.sightings.records().get("held-out-answers")
    return seen is not None and float(str(seen.facts["right"])) < 0.5 * float(str(seen.facts["asked"]))


def _data_places(tape: Tape, main: tuple[str, Place | None] | None) -> dict[str, Setting]:
    """Return where faults of data are looked for: where inputs reach the model, targets the loss, and the source."""
    places = {
        "data.inputs": tape.samples.place(),
        "data.source": tape.samples.source(),
        "data.target": main[1] if main is not None else None,
    }
    return {name: Setting(value=None, where=location(place)) for name, place in places.items() if place is not None}


def _settings(loop: LoopFacts, main: tuple[str, Place | None] | None) -> dict[str, Setting]:
    """Return what rules ask of a recipe, at the lines of the program that set it."""
    settings: dict[str, Any] = {}
    if loop.optimizers:
        optimizer = loop.optimizers[0]
        settings["optimizer.name"] = Setting(value=optimizer.name.lower(), where=optimizer.where)
        if optimizer.groups:
            settings["optimizer.lr"] = Setting(value=optimizer.groups[0].rate, where=optimizer.where)
            settings["optimizer.weight_decay"] = Setting(value=optimizer.groups[0].decay, where=optimizer.where)
    if loop.schedulers:
        settings["schedule.name"] = Setting(value=loop.schedulers[0].name, where=loop.schedulers[0].where)
    if main is not None:
        settings["loss"] = settings["loss.name"] = Setting(value=_name(main[0]) or main[0], where=location(main[1]))
    return settings


def _places(tape: Tape) -> dict[str, Setting]:
    """Return where the model is called, and where its last layer was initialised by hand."""
    places = {"model.call": tape.start.place, "model.init": tape.start.initialised()}
    if tape.steps.rows.rows and not tape.schedulers.records():
        places["schedule.by_hand"] = _sets_rate(tape.optimizers.line())
    return {name: Setting(value=None, where=location(place)) for name, place in places.items() if place is not None}


def _sets_rate(place: Place | None) -> Place | None:
    """Return the one line of a file that writes the rate into an optimizer's group, None where there are more."""
    if place is None:
        return None
    lines = [number for number, text in enumerate(linecache.getlines(place[0]), 1) if _SETS_RATE.search(text)]
    return (place[0], lines[0]) if len(lines) == 1 else None


def _name(function: str) -> str:
    """Return the catalogue's name of a loss; of what has the same best guess as another, and is not it, its own."""
    return "binary_cross_entropy" if function == "binary_cross_entropy" else NAMES.get(function, "")


def _task(loss: str) -> Task | None:
    return "classification" if loss in _CLASSES else "regression" if loss in _VALUES else None
