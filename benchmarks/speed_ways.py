"""Two ways of `speed.py`: the loop that people write, and `tw.fit`."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from unittest.mock import patch

import torch
from torch import nn
from torch.nn import functional as F

import trainwright as tw
from speed_cases import CLIP, DECAY, EMA, RATE, Case, Data
from trainwright.records import StepRecord
from trainwright.training.course import Course
from trainwright.training.loop import Training

Timed = Callable[[Case, Data, int], float]
"""Trains a case for some epochs; returns the seconds that its steps took, by the thread's own clock."""


def by_hand(case: Case, data: Data, epochs: int) -> float:
    """Train the way one writes it down: the optimizer's, the clipping's and the schedule's own functions."""
    torch.manual_seed(0)
    x, y = data
    model = case.build()
    optimizer = torch.optim.AdamW(_groups(model) if case.groups else model.parameters(), lr=RATE, weight_decay=DECAY)
    average = copy.deepcopy(model) if case.ema else None
    planned, step, losses = epochs * case.updates, 0, []
    model.train()
    started = time.thread_time()
    for _ in range(epochs):
        optimizer.zero_grad()
        batches = torch.randperm(len(x)).split(case.batch)
        for place, rows in enumerate(batches):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=case.precision == "bf16"):
                output = model(x[rows])
            loss = F.cross_entropy(output.float(), y[rows])
            (loss / case.accumulate).backward()
            losses.append(loss.item())
            if (place + 1) % case.accumulate and place + 1 < len(batches):
                continue
            for group in optimizer.param_groups:
                group["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * step / planned))
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            optimizer.zero_grad()
            if average is not None:
                with torch.no_grad():
                    for kept, value in zip(average.parameters(), model.parameters(), strict=True):
                        kept.lerp_(value, 1 - EMA)
            step += 1
    return time.thread_time() - started


def _groups(model: nn.Module) -> list[dict[str, object]]:
    parameters = list(model.parameters())
    return [
        {"params": [parameter for parameter in parameters if parameter.dim() > 1]},
        {"params": [parameter for parameter in parameters if parameter.dim() <= 1], "weight_decay": 0.0},
    ]


def by_fit(level: str) -> Timed:
    """Return the same by `tw.fit` with the doctor at `level`; evaluations and what comes before are not counted."""

    def timed(case: Case, data: Data, epochs: int) -> float:
        torch.manual_seed(0)
        model = case.build()
        watch = _Stopwatch()
        with watch:
            tw.fit(
                model,
                data,
                tuple(part[: case.batch] for part in data),
                loss="cross_entropy",
                epochs=epochs,
                batch_size=case.batch,
                lr=RATE,
                weight_decay=DECAY,
                clip_norm=CLIP,
                schedule="cosine",
                precision=case.precision,
                accumulate=case.accumulate,
                ema=EMA if case.ema else 0.0,
                level=level,
                device="cpu",
                verify="off",
                evaluate_every_steps=epochs * case.updates,
            )
        return watch.seconds

    return timed


class _Stopwatch:
    """Times the steps of the loop and what the doctor does between them, and nothing else."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> None:
        steps, visit = Training.steps, Course._visit

        def timed_steps(training: Training) -> Iterator[StepRecord]:
            following = steps(training)
            while True:
                started = time.thread_time()
                record = next(following, None)
                self.seconds += time.thread_time() - started
                if record is None:
                    return
                yield record

        def timed_visit(course: Course, step: int) -> None:
            started = time.thread_time()
            visit(course, step)
            self.seconds += time.thread_time() - started

        self._patches = ExitStack()
        self._patches.enter_context(patch.object(Training, "steps", timed_steps))
        self._patches.enter_context(patch.object(Course, "_visit", timed_visit))

    def __exit__(self, *_: object) -> None:
        self._patches.close()
