"""The steps and evaluations of a loop as rows of numbers, and as the records that the doctor reads."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch

from trainwright.records import EvalRecord, StepProbe, StepRecord
from trainwright.watching.answers import Answers, metrics_of, numbers_of
from trainwright.watching.delayed import Delayed, Number
from trainwright.watching.losses import Value

_FRESH = 16  # rows at the end whose numbers may still come in
_MOST = 20_000  # rows kept; of a longer run every second one is dropped, again and again


@dataclass(eq=False, slots=True)
class Row:
    """One optimizer step, while its numbers come in."""

    step: int
    epoch: int
    rate: float
    samples: int
    seconds: float = 0.0
    loss: float = math.nan
    complete: bool = False
    gradient_norm: float | None = None
    clipped_norm: float | None = None
    clipped: bool = False
    skipped: bool = False
    update_ratio: float | None = None
    probe: StepProbe | None = None

    def record(self) -> StepRecord:
        """Return the row as a record."""
        return StepRecord(
            step=self.step,
            epoch=self.epoch,
            loss=self.loss,
            rate=self.rate,
            samples=self.samples,
            gradient_norm=self.gradient_norm,
            clipped_norm=self.clipped_norm,
            clipped=self.clipped,
            skipped=self.skipped,
            update_ratio=self.update_ratio,
            probe=self.probe,
            seconds=self.seconds,
        )


@dataclass(eq=False, slots=True)
class _Split:
    """An evaluation in progress over one split."""

    sums: list[Number] = field(default_factory=list)
    weights: list[int] = field(default_factory=list)
    correct: list[torch.Tensor] = field(default_factory=list)
    answers: list[Answers] = field(default_factory=list)
    metric: str = ""


class Rows:
    """Rows in order. `stride` is 1 until a run has grown long."""

    def __init__(self, delayed: Delayed) -> None:
        self._delayed = delayed
        self.rows: list[Row] = []
        self._records: list[StepRecord] = []  # of the first rows, which nothing changes any more
        self.evaluations: list[EvalRecord] = []
        self.stride = 1
        self._splits: dict[str, _Split] = {}

    @property
    def evaluating(self) -> bool:
        """Whether an evaluation is under way."""
        return bool(self._splits)

    def add(self, row: Row, losses: list[Number], norm: Number | None) -> None:
        """Begin a row, whose loss is the mean of `losses`; its numbers may arrive later."""
        if len(losses) == 1 and isinstance(losses[0], float) and (norm is None or isinstance(norm, float)):
            row.loss, row.gradient_norm, row.complete = losses[0], norm, True
        else:
            self._await(row, losses, norm)
        if row.step % self.stride == 0 or row.probe is not None:
            self.rows.append(row)
        if len(self.rows) > _MOST:
            self.stride *= 2
            self.rows = [kept for kept in self.rows if kept.step % self.stride == 0]
            self._records = []

    def _await(self, row: Row, losses: list[Number], norm: Number | None) -> None:
        def take(numbers: list[float]) -> None:
            values = numbers[: len(losses)]
            row.loss = sum(values) / len(values) if values else math.nan
            row.gradient_norm = numbers[-1] if norm is not None else None
            row.complete = True

        self._delayed.read([*losses, *([] if norm is None else [norm])], take)

    def evaluated(self, split: str, value: Value, *, squared: bool) -> None:
        """One batch of an evaluation."""
        part = self._splits.setdefault(split, _Split())
        part.sums.append(value.value)
        part.weights.append(value.samples)
        if value.correct is not None:
            part.correct.append(value.correct)
            part.metric = "accuracy"
            part.answers += [] if value.answers is None else [value.answers]
        elif squared:
            part.metric = "rmse"

    def evaluation_over(self, step: int, epoch: float) -> bool:
        """Training goes on, or ends: write down the evaluations that were under way; say whether there were any."""
        splits, self._splits = self._splits, {}
        for split, part in splits.items():
            count = len(part.sums)

            def take(numbers: list[float], split: str = split, part: _Split = part, count: int = count) -> None:
                self.evaluations.append(_evaluation(numbers, split, part, count, step, epoch))

            answers = numbers_of(part.answers) if len(part.answers) == count else []
            self._delayed.read([*part.sums, *part.correct, *answers], take)
        return bool(splits)

    def records(self) -> list[StepRecord]:
        """Return the rows whose numbers are there."""
        for row in self.rows[len(self._records) : -_FRESH]:
            if not row.complete:
                break
            self._records.append(row.record())
        return self._records + [row.record() for row in self.rows[len(self._records) :] if row.complete]


def _evaluation(numbers: list[float], split: str, part: _Split, count: int, step: int, epoch: float) -> EvalRecord:
    values, weights = numbers[:count], part.weights
    total = sum(weights)
    mean = sum(value * weight for value, weight in zip(values, weights, strict=True)) / max(total, 1)
    spread = sum(weight * (value - mean) ** 2 for value, weight in zip(values, weights, strict=True)) / max(total, 1)
    metrics = {}
    if part.metric == "accuracy" and len(part.correct) == count:
        right = zip(numbers[count : 2 * count], weights, strict=True)
        metrics["accuracy"] = sum(share * weight for share, weight in right) / max(total, 1)
        if len(numbers) > 2 * count:
            metrics |= metrics_of(numbers[2 * count :], weights)
    elif part.metric == "rmse" and mean >= 0:
        metrics["rmse"] = math.sqrt(mean)
    return EvalRecord(
        step=step,
        epoch=epoch,
        split=split,
        loss=mean,
        loss_error=math.sqrt(spread / (count - 1)) if count > 1 else math.nan,
        metrics=metrics,
        samples=total,
    )
