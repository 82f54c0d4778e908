"""Charts made by hand: one healthy run, from which every test departs in what it is about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from trainwright.doctor.diagnose import RULES, examine
from trainwright.records import (
    Baselines,
    Chart,
    EvalRecord,
    Evidence,
    Finding,
    InputStats,
    LayerStats,
    Location,
    OutputFacts,
    RunInfo,
    Setting,
    StepProbe,
    StepRecord,
    TargetStats,
)
from trainwright.records.loss_call import LossCall, LossInput, LossTarget

CONSTANT = 2.0
"""The loss of a constant guess in these charts."""
FILE = "recipe.toml"
LINES = {
    "data.source": 2,
    "data.normalise": 3,
    "model.dropout": 6,
    "optimizer.lr": 9,
    "schedule.name": 12,
}
VALUES: dict[str, Any] = {
    "data.source": "digits",
    "data.normalise": "standard",
    "model.dropout": 0.1,
    "optimizer.lr": 0.01,
    "schedule.name": "constant",
}

Losses = Sequence[float] | Callable[[float], float]


def settings(**changes: Any) -> dict[str, Setting]:
    """Return the settings of a recipe, each with its line; `changes` name them with two underscores for the dot."""
    values = VALUES | {name.replace("__", "."): value for name, value in changes.items()}
    return {
        name: Setting(value=value, where=Location(file=FILE, line=LINES.get(name))) for name, value in values.items()
    }


def inputs(**changes: Any) -> InputStats:
    """Return the statistics of standardised inputs."""
    healthy = InputStats(
        samples=1000,
        features=20,
        mean=0.0,
        std=1.0,
        minimum=-4.0,
        maximum=4.0,
        spread=1.1,
        offset=0.1,
        integral=False,
        non_finite=0,
        constant_features=0,
    )
    return replace(healthy, **changes)


def targets(**changes: Any) -> TargetStats:
    """Return the statistics of ten classes, numbered from 0."""
    healthy = TargetStats(samples=1000, minimum=0, maximum=9, integral=True, distinct=10, constant_loss=CONSTANT)
    return replace(healthy, **changes)


def beside(linear: float | None, *, metric: str = "accuracy") -> Baselines:
    """Return the baselines of which a linear model reaches `linear`."""
    return Baselines(metric=metric, linear_metric=linear, linear_model="logistic regression")


def output(**changes: Any) -> OutputFacts:
    """Return what raw logits of ten classes look like."""
    return replace(OutputFacts(shape=(64, 10), operation="Addmm", batches=5), **changes)


def call(
    function: str = "cross_entropy", *, target: LossTarget | None = None, where: Location | None = None, **changes: Any
) -> OutputFacts:
    """Return an output that enters one loss of the library as raw logits; `changes` are those of what enters it."""
    entry = replace(
        LossInput(shape=(64, 10), operation="Addmm", minimum=-2.0, maximum=2.0, log_sum_error=2.5, direct=True),
        **changes,
    )
    return output(
        shape=entry.shape,
        operation=entry.operation,
        where=entry.where,
        row_sum_error=entry.row_sum_error,
        calls=(LossCall(function=function, input=entry, target=target, where=where or Location()),),
    )


def entered(**changes: Any) -> LossTarget:
    """Return class ids from 0 to 9 as they enter a loss."""
    healthy = LossTarget(
        shape=(64,), total=1000, counted=1000, ignored=-100, minimum=0, maximum=9, whole=True, below_half=0.1
    )
    return replace(healthy, **changes)


def quantities(**changes: Any) -> LossTarget:
    """Return standardised numbers in one column as they enter a loss."""
    numbers = {"shape": (64, 1), "floating": True, "ignored": None, "minimum": -3.0, "maximum": 3.0, "whole": False}
    return entered(**(numbers | changes))


def info(**changes: Any) -> RunInfo:
    """Return the head of a run of 400 steps, 20 in an epoch."""
    healthy = RunInfo(
        task="classification",
        loss="cross_entropy",
        optimizer="adamw",
        schedule="constant",
        model="mlp",
        outputs=10,
        planned_steps=400,
        steps_per_epoch=20,
        metric="accuracy",
        settings=settings(),
        inputs=inputs(),
        targets=targets(),
        output=output(),
    )
    return replace(healthy, **changes)


def steps(
    losses: Losses,
    count: int = 400,
    *,
    probe: Callable[[int, float], StepProbe | None] | None = None,
    rate: Callable[[float], float] | None = None,
) -> list[StepRecord]:
    """Return `count` steps; `losses`, `rate` are functions of the share of the run, or the losses themselves.

    Every tenth step is probed, by `probe(step, loss)`; by default the update lowers the loss, and is not too short.
    """
    probe = probe or bent
    values = [losses((step + 0.5) / count) for step in range(count)] if callable(losses) else list(losses)
    return [
        StepRecord(
            step=step,
            epoch=step // 20,
            loss=loss,
            rate=rate((step + 0.5) / count) if rate else 0.01,
            samples=64,
            gradient_norm=1.0,
            probe=probe(step, loss) if step % 10 == 0 else None,
        )
        for step, loss in enumerate(values)
    ]


def probe(loss: float, *, tenth: float = 0.0, same: float = 0.0, tenfold: float = 0.0) -> StepProbe:
    """Return a probe by how much the loss changes along the update."""
    return StepProbe(before=loss, tenth=loss + tenth, same=loss + same, tenfold=loss + tenfold)


def bent(step: int, loss: float) -> StepProbe:
    """Return the probe of a good rate: the update helps, ten times the update would not."""
    return probe(loss, tenth=-0.002, same=-0.01, tenfold=0.05)


def straight(gain: float) -> Callable[[int, float], StepProbe]:
    """Return probes where ten times the update helps `gain` times as much as the update."""
    return lambda step, loss: probe(loss, tenth=-0.0001, same=-0.001, tenfold=-0.001 * gain)


def overshooting(rise: float) -> Callable[[int, float], StepProbe]:
    """Return probes where the update raises the loss by `rise`, and a tenth of it would have lowered it."""
    return lambda step, loss: probe(loss, tenth=-0.01, same=rise, tenfold=10 * rise)


def evals(
    losses: Sequence[float], *, every: int = 20, error: float = 0.01, **metrics: Sequence[float]
) -> list[EvalRecord]:
    """Return validation records after 0, `every`, 2 * `every` ... steps."""
    return [
        EvalRecord(
            step=index * every,
            epoch=index * every / 20,
            split="validation",
            loss=loss,
            loss_error=error,
            metrics={name: values[index] for name, values in metrics.items()},
            samples=400,
        )
        for index, loss in enumerate(losses)
    ]


def relu(step: int, dead: float, *, module: str = "1", **changes: Any) -> LayerStats:
    """Return a measurement of a ReLU layer of 64 units."""
    healthy = LayerStats(
        step=step,
        module=module,
        kind="ReLU",
        units=64,
        samples=512,
        mean=0.4,
        std=0.6,
        zero_fraction=max(0.5, dead),
        dead_fraction=dead,
    )
    return replace(healthy, **changes)


def falling(share: float) -> float:
    """Return the loss of a run that goes well: from a constant guess down to a tenth of it."""
    return CONSTANT * (0.1 + 0.9 * (1 - share) ** 4)


def healthy(**changes: Any) -> Chart:
    """Return the chart of a run that nothing is wrong with."""
    values = [falling(index / 20) for index in range(21)]
    chart = Chart(
        info=info(),
        steps=steps(falling),
        evals=evals(values, accuracy=[1 - value / 3 for value in values]),
        layers=[relu(step, 0.1) for step in (0, 20, 70, 200, 400)],
    )
    return replace(chart, **changes)


def slowly(share: float) -> float:
    """Return the loss of a run that has come an eighth of its way, evenly."""
    return CONSTANT * (1 - share / 8)


def followed(losses: Callable[[float], float], carried_over: float = 1.0) -> Chart:
    """Return a run with straight probes whose validation loss makes `carried_over` of the training loss's progress."""
    start = losses(0.0)
    values = [start - carried_over * (start - losses(index / 20)) for index in range(21)]
    return healthy(steps=steps(losses, probe=straight(9.5)), evals=evals(values))


def memorised(
    last: float = 0.9, *, best: float = 0.8, count: int = 4, error: float = 0.01, accuracy: float = 0.7
) -> Chart:
    """Return a run whose validation loss was `best` at step 100 and `last` in the `count` evaluations after it."""
    losses = [1.6, 1.2, 1.0, 0.9, 0.85, best, *[last] * count]
    scores = [0.7] * 6 + [accuracy] * count
    return healthy(
        info=info(planned_steps=20 * (len(losses) - 1)),
        steps=steps(falling, 20 * (len(losses) - 1)),
        evals=evals(losses, error=error, accuracy=scores),
    )


def judge(kind: str, chart: Chart) -> Finding | None:
    """Return what the rules for `kind` say of a chart, the first that found something; they must not lack anything."""
    rules = [rule for rule in RULES if rule.kind.kind == kind and not rule.is_beside_the_point(chart)]
    assert rules, f"no rule for {kind} has a point here"
    assert not [why for rule in rules if (why := rule.missing(chart))]
    return next((found for rule in rules if (found := rule.judge(chart)) is not None), None)


def not_judged(kind: str, chart: Chart) -> str:
    """Return why `kind` was not judged."""
    examination = examine(chart)
    assert kind not in [finding.kind for finding in examination.findings]
    return examination.not_judged[kind]


def value(finding: Finding | None, words: str) -> Any:
    """Return the value of the evidence whose name contains `words`."""
    return evidence(finding, words).value


def evidence(finding: Finding | None, words: str) -> Evidence:
    """Return the evidence whose name contains `words`."""
    assert finding is not None
    [found] = [item for item in finding.evidence if words in item.name]
    return found
