"""Courses that hold everything a state can, broken off at a step and gone on with from a file's worth of state."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn
from training_courses import make_course, net, quantities, task

from trainwright.doctor.kinds_datasets import LABELS_UNRELATED_TO_INPUTS
from trainwright.parts.freezing import freezing_of
from trainwright.parts.losses import mse
from trainwright.parts.schedules import CATALOGUE as SCHEDULES
from trainwright.randomness import isolated
from trainwright.records import Chart, Evidence
from trainwright.tensors import digest
from trainwright.training import state
from trainwright.training.averaging import ExponentialAverage
from trainwright.training.course import Conclusion, Course
from trainwright.training.packing import Tree, pack, unpack
from trainwright.training.precision import Precision
from trainwright.training.rates import Rates
from trainwright.training.repair import Repair
from trainwright.training.stillness import Stillness


def plain() -> Course:
    """MLP and SGD."""
    with isolated(1):
        model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3))
    return make_course(model, task(50), task(30, seed=1), epochs=3, batch_size=16, optimizer="sgd")


class Wandering(nn.Module):
    """A layer that keeps a buffer which is no part of its state, draws from others' generators, and rests at last."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("drift", torch.zeros(()), persistent=False)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.calls += 1
            if self.calls == 7:
                self.eval()
            self.drift = self.drift * 0.5 + 0.01 * (random.random() + float(np.random.rand()))
        return x * (1 + self.drift)


def delicate() -> Course:
    """Convolution, batch normalisation, dropout, AdamW, an average, clipping, a schedule, generators of the user's."""
    with isolated(2):
        model = nn.Sequential(
            nn.Unflatten(1, (1, 1, 5)),
            nn.Conv2d(1, 4, (1, 3)),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Conv2d(4, 4, (1, 1)),
            nn.Dropout(0.3),
            Wandering(),
            nn.Flatten(),
            nn.Linear(12, 3),
        ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    course = make_course(
        model, task(50), task(30, seed=1), epochs=3, batch_size=16, optimizer="adamw", lr=0.02, clip_norm=0.5,
        every=2, level="light",
    )  # fmt: skip
    training = course.training
    training.average = ExponentialAverage(model, 0.9)
    cosine = SCHEDULES["cosine"].factory(warmup=0.2)
    training.step.rates = Rates(training.step.optimizer, cosine, planned_steps=training.planned_steps)
    return course


def accumulating() -> Course:
    """Three batches to an update, an epoch that ends within one, momentum, and half precision with a loss scale."""
    course = make_course(net(), task(50), epochs=3, batch_size=8, accumulate=3, optimizer="momentum")
    course.training.step.precision = Precision("fp16", "cpu", initial_scale=4.0)
    course.training.step.precision.scaler.set_growth_interval(2)
    return course


def stopping() -> Course:
    """A regression with a rate that falls on a plateau, patience, and two samples that are no numbers, left out."""
    x, y = quantities(48)
    x[[5, 30], 0] = float("nan")
    held_x, held_y = quantities(24, seed=1)
    held_x[3, 0] = float("nan")
    with isolated(3):
        model = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 1))
    course = make_course(
        model, (x, y), (held_x, held_y), kind="regression", loss=mse, epochs=6, batch_size=8, every=2,
        patience=4, optimizer="adam", lr=0.3,
    )  # fmt: skip
    plateau = SCHEDULES["plateau"].factory(patience=1, factor=0.5)
    training = course.training
    training.step.rates = Rates(training.step.optimizer, plateau, planned_steps=training.planned_steps)
    training.repair = Repair(apply=True)
    course.evaluator.finite_only = True
    return course


def repaired() -> Course:
    """A rate far too high, which repairs lower, so that a run goes back to copies of its own earlier state."""
    with isolated(0):
        model = nn.Linear(5, 1)
    course = make_course(
        model, quantities(64), quantities(32, seed=1), kind="regression", loss=mse, lr=10.0, epochs=15, clip_norm=50.0,
        level="light",
    )  # fmt: skip
    course.checked = [LABELS_UNRELATED_TO_INPUTS.finding(evidence=(Evidence(name="gain", value=0.0),))]
    course.training.repair = Repair(apply=True)
    return course


class Slipping(nn.Module):
    """A network whose frozen body something moves all the same, in the sixth step."""

    def __init__(self) -> None:
        super().__init__()
        self.slips = nn.Linear(5, 8)
        self.norm = nn.BatchNorm1d(8)
        self.head = nn.Linear(8, 3)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.calls += 1
            if self.calls == 6:
                self.slips.bias.data += 0.01
        return self.head(self.norm(self.slips(x)).relu())


def frozen() -> Course:
    """A body that is frozen, a normalisation in it that is freed in mid-run, and a weight that moves all the same."""
    with isolated(4):
        model = Slipping()
    freezing = freezing_of(model, freeze=["slips"], unfreeze={"norm": 0.5})
    course = make_course(model, task(50), task(30, seed=1), epochs=3, batch_size=16, optimizer="adamw", every=3)
    course.training.stillness = Stillness(model, freezing, planned_steps=course.training.planned_steps)
    return course


COURSES: Mapping[str, Callable[[], Course]] = {
    made.__name__: made for made in (plain, delicate, accumulating, stopping, repaired, frozen)
}


class Cut(BaseException):
    """Stands for a kill: nothing but the test may catch it."""


class Taker:
    """In place of a saver: takes the state after `step` steps, and ends the run there."""

    def __init__(self, step: int | None) -> None:
        self.step = step
        self.taken: tuple[Any, dict[str, torch.Tensor], Chart] | None = None

    def after_step(self, course: Course) -> None:
        if course.training.place.step == self.step:
            plain_part, tensors = pack(state.take(course))
            text = json.dumps(plain_part)
            # As a file has it: nothing of it may hang on the process that made it.
            copies = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
            self.taken = json.loads(text), copies, course.training.history.chart(course.info)
            raise Cut

    def now(self, course: Course) -> None:
        """Nothing to do."""

    def keep(self, name: str, weights: Any, step: int, facts: Any) -> None:
        """Nothing to do."""

    def close(self, course: Course) -> None:
        """Nothing to do."""


def untouched(make: Callable[[], Course]) -> Tree:
    """Return the state of a course before its first step: what stands where nothing was put back."""
    course = make()
    course.checked = ()
    course._started = 0.0
    return state.take(course)


def run_through(
    make: Callable[[], Course], cuts: Sequence[int] = (), change: Callable[[Tree], Tree] = lambda tree: tree
) -> tuple[Course, Conclusion]:
    """Run a course to its end, broken off after each of `cuts` steps; `change` sees the state on its way."""
    taken: tuple[Any, dict[str, torch.Tensor], Chart] | None = None
    for cut in [*cuts, None]:
        course, taker = make(), Taker(cut)
        course.saver = taker  # pyright: ignore[reportAttributeAccessIssue]
        kept = None
        if taken is not None:
            text, tensors, chart = taken
            course.checked = ()  # checks are not made again
            kept = change(unpack(text, tensors, torch.device("cpu")))
            history = course.training.history
            history.steps[:], history.evals[:] = chart.steps, chart.evals
            history.layers[:], history.events[:] = chart.layers, chart.events
        try:
            with isolated(17):
                return course, course.run(kept)
        except Cut:
            taken = taker.taken
    raise AssertionError("the last part has no cut")


def traces(course: Course, conclusion: Conclusion) -> dict[str, Any]:
    """Return everything that must be the same, however often a run was broken off."""
    history = course.training.history
    optimizer = course.training.step.optimizer.state_dict()
    return {
        "digest": conclusion.digest,
        "returned": digest(course.training.model.state_dict()),
        "optimizer": repr(pack(optimizer)[0]) + digest(pack(optimizer)[1]),
        "steps": [repr(replace(record, seconds=0.0)) for record in history.steps],
        "evals": [repr(replace(record, seconds=0.0)) for record in history.evals],
        "layers": [repr(record) for record in history.layers],
        "events": [repr(event) for event in history.events],
        "findings": repr(conclusion.findings),
        "outcome": repr(replace(conclusion.outcome, seconds=0.0)),
        "best": repr(course.best),
        "next visit": course.next_visit,
    }
