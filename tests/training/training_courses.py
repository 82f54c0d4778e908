"""What the tests of the training room train: a small noisy task, a net with dropout and normalisation, a course."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from trainwright.data.batches import batches_of
from trainwright.data.feed import Feed
from trainwright.parts.groups import parameter_groups
from trainwright.parts.losses import cross_entropy
from trainwright.parts.optimizers import CATALOGUE
from trainwright.parts.schedules import Schedule
from trainwright.randomness import isolated
from trainwright.records import EvalRecord, Event, LayerStats, Outcome, RunInfo, StepRecord, Task
from trainwright.training.clipping import Clip
from trainwright.training.course import Conclusion, Course, Keeper
from trainwright.training.evaluate import Evaluator
from trainwright.training.history import History, Observer
from trainwright.training.loop import Training
from trainwright.training.rates import Rates
from trainwright.training.step import TrainStep
from trainwright.vitals.monitor import Monitor

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Pair = tuple[torch.Tensor, torch.Tensor]
Record = StepRecord | EvalRecord | LayerStats | Event


def task(count: int = 50, *, features: int = 5, classes: int = 3, noise: float = 1.0, seed: int = 0) -> Pair:
    """Return inputs and class ids that a linear map of the inputs explains up to `noise`."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.randn(features, classes, generator=torch.Generator().manual_seed(99))
    x = torch.randn(count, features, generator=generator)
    y = (x @ truth + noise * torch.randn(count, classes, generator=generator)).argmax(1)
    return x, y


def quantities(count: int = 50, *, features: int = 5, seed: int = 0) -> Pair:
    """Return inputs and one regression target, a column."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, features, generator=generator)
    return x, x.sum(1, keepdim=True) + 0.1 * torch.randn(count, 1, generator=generator)


def net(outputs: int = 3, *, features: int = 5, seed: int = 0) -> nn.Sequential:
    """Return a net with everything that makes a run delicate: dropout and batch normalisation."""
    with isolated(seed):
        return nn.Sequential(
            nn.Linear(features, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, outputs)
        )


def train_step(
    model: nn.Module,
    *,
    loss: Loss = cross_entropy,
    optimizer: str | torch.optim.Optimizer = "momentum",
    lr: float = 0.05,
    weight_decay: float = 0.0,
    schedule: Callable[[int], float] = lambda step: 1.0,
    clip_norm: float | None = None,
    seed: int = 0,
    **more: Any,
) -> TrainStep:
    if isinstance(optimizer, str):
        spec = CATALOGUE[optimizer]
        options = {name: option.default for name, option in spec.options.items()}
        options |= {"lr": lr, "weight_decay": weight_decay}
        made: torch.optim.Optimizer = spec.factory(parameter_groups(model, weight_decay, lr=lr), **options)
    else:
        made = optimizer
    rates = Rates(made, by_step(schedule), planned_steps=PLANNED)
    return TrainStep(model, loss, made, rates=rates, clip=Clip(norm=clip_norm), seed=seed, **more)


PLANNED = 1000


def by_step(multiple: Callable[[int], float]) -> Schedule:
    """Return the schedule that gives `multiple(step)` in a run of `PLANNED` steps."""
    return Schedule(body=lambda fraction: multiple(int(fraction * PLANNED)))


def make_course(
    model: nn.Module,
    train: Any,
    validation: Any = None,
    *,
    kind: Task = "classification",
    epochs: int = 4,
    batch_size: int = 16,
    level: str = "off",
    every: int | None = None,
    patience: int | None = None,
    keep: Keeper | None = None,
    observers: Sequence[Observer] = (),
    evaluator: Evaluator | None = None,
    splits: Mapping[str, Any] | None = None,
    accumulate: int = 1,
    **step: Any,
) -> Course:
    """Return a course as the verb `train` puts it together."""
    given = {"train": train, "validation": validation} | dict(splits or {})
    batches: dict[str, Feed] = {
        name: batches_of(data, batch_size=batch_size, seed=step.get("seed", 0))
        for name, data in given.items()
        if data is not None
    }
    made = train_step(model, **step)
    monitor = Monitor(model, made.objective, level=level, reference=batches["train"].take(32)[0])
    history = History(observers)
    training = Training(
        model, batches["train"], made, epochs=epochs, monitor=monitor, history=history, accumulate=accumulate
    )
    return Course(
        training,
        evaluator or Evaluator(model, made.loss, task=kind),
        batches,
        info=RunInfo(task=kind, planned_steps=training.planned_steps),
        evaluate_every_steps=every or training.steps_per_epoch,
        patience=patience,
        keep=keep,
    )


def carried_out(course: Course) -> Conclusion:
    """Run the course without touching the test's own random state."""
    with isolated():
        return course.run()


class Watcher:
    """An observer that does something at every record."""

    def __init__(self, action: Callable[[Record], None]) -> None:
        self.action = action

    def observe(self, record: Record) -> None:
        self.action(record)

    def finish(self, outcome: Outcome) -> None:
        pass


class ScriptedEvaluator(Evaluator):
    """Gives the losses of a script, one at each evaluation; the last again and again."""

    def __init__(self, model: nn.Module, losses: Sequence[float]) -> None:
        super().__init__(model, cross_entropy, task="classification")
        self.losses = list(losses)

    def __call__(
        self, batches: Feed, *, split: str, step: int, epoch: float, most_targets: int | None = None
    ) -> EvalRecord:
        loss = self.losses.pop(0) if len(self.losses) > 1 else self.losses[0]
        return EvalRecord(
            step=step, epoch=epoch, split=split, loss=loss, loss_error=0.0, metrics={"accuracy": 0.5}, samples=1
        )
