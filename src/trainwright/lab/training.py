"""Tiny trainings that are really made, a few steps at a time: by the library's own loop, judged by its doctor.

Each is a function of its seed; one thread; bounded steps. Between two visits nothing of torch's state is held.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch
from torch import nn

from trainwright.doctor.diagnose import diagnose
from trainwright.lab.schema import Role, Series, Sign, Verdict
from trainwright.randomness import isolated
from trainwright.records import Chart, EvalRecord, Finding, Location
from trainwright.stages.assemble import assemble
from trainwright.stages.given import changes_of, prepare_given
from trainwright.stages.recipe import Recipe
from trainwright.tensors import computing_with
from trainwright.training.history import History

MOST_STEPS = 5_000
"""Steps of one training at most: seconds on one core."""

Pair = tuple[torch.Tensor, torch.Tensor]
Make = Callable[[], nn.Module]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One training: how its model is made, its data, and the settings that `fit` would take.

    `train` and `validation` are pairs `(x, y)`, or lists of batches that come in their own order. `loss` is a function
    where the catalogue's own is not meant. `every` is after how many steps it is evaluated.
    """

    name: str
    make: Make
    train: Any
    validation: Pair | None
    settings: Mapping[str, Any]
    steps: int
    every: int
    seed: int = 0
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None
    role: Role = "train"
    train_too: bool = True


@dataclass(kw_only=True)
class Trained:
    """A training as far as it has come. `diverged` says why it ended early, None where it did not."""

    plan: Plan
    chart: Chart
    model: nn.Module
    done: bool = False
    diverged: str | None = None
    findings: Sequence[Finding] = field(default_factory=tuple)

    @property
    def losses(self) -> list[float]:
        """The training loss of every step."""
        return [record.loss for record in self.chart.steps]

    def evaluated(self, split: str) -> list[EvalRecord]:
        """Return the evaluations of a split, in order."""
        return self.chart.evaluations(split)

    def last(self, split: str) -> float:
        """Return the last loss of a split, infinite where the training diverged or was never measured."""
        records = self.evaluated(split)
        return math.inf if self.diverged or not records else records[-1].loss

    def best(self, split: str) -> float:
        """Return the lowest loss of a split."""
        return min((record.loss for record in self.evaluated(split)), default=math.inf)


def trainings(plan: Plan, *, chunk: int = 25) -> Iterator[Trained]:
    """Train, and give the state after every `chunk` steps and at the end, which is judged by the doctor."""
    steps = min(plan.steps, MOST_STEPS)
    changes = changes_of({"seed": plan.seed, "verify": "off", "threads": 1, **plan.settings})
    with isolated(plan.seed), computing_with(1):
        model = plan.make()
        setup = prepare_given(
            Recipe.of(None, **changes, **{"train.steps": steps}),
            model,
            plan.train,
            plan.validation,
            loss=plan.loss,
            optimizer=None,
            caller=Location(),
        )
        history = History()
        course = assemble(setup, history)
    training = course.training
    records = training.steps()

    def evaluate(done: int) -> None:
        epoch = done / training.steps_per_epoch
        for split in ("train", "validation") if plan.train_too else ("validation",):
            if split in setup.splits:
                history.append(course.evaluator(setup.splits[split], split=split, step=done, epoch=epoch))

    taken = 0
    with isolated(plan.seed), computing_with(1):
        evaluate(0)
    while taken < steps and training.diverged is None:
        with isolated(plan.seed), computing_with(1), torch.enable_grad():
            for record in islice(records, min(chunk, steps - taken)):
                taken = record.step + 1
                if taken % plan.every == 0 or taken == steps:
                    evaluate(taken)
        if taken < steps and training.diverged is None:
            yield Trained(plan=plan, chart=history.chart(setup.info), model=model)
    chart = history.chart(setup.info)
    yield Trained(
        plan=plan, chart=chart, model=model, done=True, diverged=training.diverged, findings=tuple(diagnose(chart))
    )


def trained(plan: Plan) -> Trained:
    """Return the training as a whole."""
    *_, last = trainings(plan, chunk=plan.steps)
    return last


def curve(state: Trained, split: str, name: str, role: Role, **more: Any) -> Series:
    """Return the loss of a split over the steps."""
    records = state.evaluated(split)
    return Series(
        name=name,
        x=tuple(float(each.step) for each in records),
        y=tuple(each.loss for each in records),
        role=role,
        **more,
    )


def verdict_of(findings: Sequence[Finding], healthy: str) -> Verdict:
    """Return the doctor's worst finding in its own words, or `healthy` where it found nothing."""
    if not findings:
        return Verdict(sign="healthy", text=healthy)
    worst = findings[0]
    sign: Sign = worst.severity
    because = f": {worst.because}" if worst.because else ""
    return Verdict(sign=sign, text=f"{worst.code} {worst.title}{because}")
