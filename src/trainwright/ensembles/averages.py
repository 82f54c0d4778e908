"""Weights averaged along one training: a moving average, the last checkpoints, and those of a phase at a held rate."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import torch
from torch import nn

from trainwright.data.feed import Feed
from trainwright.ensembles.collecting import collected, spaced
from trainwright.parts.schedules import Schedule
from trainwright.stacked.copying import model_copy
from trainwright.training.averaging import ExponentialAverage, refresh_statistics
from trainwright.training.loop import Training

TAIL = 0.25
"""Share of the run, its end, whose checkpoints are averaged: the phase that Izmailov et al. 2018 give it."""
POINTS = 10
"""Checkpoints that are averaged: from some on, one more changes the mean by less than they differ."""
HELD = 0.25
"""Multiple of the full rate at which the weights wander in the phase of SWA; those of the paper are 0.1 to 0.5."""
MEMORY = 0.05
"""Share of the run that a moving average looks back on: 1 / (1 - decay) steps."""


def mean_of(models: Sequence[nn.Module], train: Feed) -> nn.Module:
    """Return a model with the mean of the weights of `models`, which are alike, and statistics gathered anew for it.

    Floating-point weights and buffers are averaged in float64; whole numbers are those of the last model. The running
    statistics of batch normalisation belong to the weights that they were measured at, so they are measured again, over
    training batches.
    """
    made = model_copy(models[-1])
    states = [model.state_dict() for model in models]
    mean = {
        name: torch.stack([state[name].double() for state in states]).mean(0).to(value.dtype)
        if value.is_floating_point()
        else value
        for name, value in states[-1].items()
    }
    made.load_state_dict(mean)
    refresh_statistics(made, train)
    return made


def along(training: Training, wanted: Collection[str], *, decay: float | None = None) -> dict[str, nn.Module]:
    """Train to the end; return, of "ema" and "polyak", the averages that are `wanted`: both cost one training.

    "ema": a <- d a + (1 - d) w after each update, d so that it looks back on `MEMORY` of the run where none is given.
    "polyak": the mean of `POINTS` checkpoints over the last `TAIL` of the run (Polyak and Juditsky 1992).
    """
    steps = training.planned_steps
    moving = decay if decay is not None else max(0.0, 1 - 1 / max(MEMORY * steps, 1))
    average = ExponentialAverage(training.model, moving) if "ema" in wanted else None
    models = collected(
        training, spaced(1 - TAIL, steps, POINTS) if "polyak" in wanted else (), average.update if average else None
    )
    found: dict[str, nn.Module] = {}
    if average is not None:
        made = model_copy(training.model)
        made.load_state_dict(average.state)
        refresh_statistics(made, training.batches)
        found["ema"] = made
    if models:
        found["polyak"] = mean_of(models, training.batches)
    return found


def swa(training: Training) -> nn.Module:
    """Train to the end under `held`, which the training was built with; return the mean over its last phase."""
    return mean_of(collected(training, spaced(1 - TAIL, training.planned_steps, POINTS)), training.batches)


def held(own: Schedule, *, cyclic: bool = False) -> Schedule:
    """Return `own` up to the last `TAIL` of what follows its warmup, and there a rate that is held, or falls in cycles.

    In cycles it falls along a straight line to a tenth, once for each of the `POINTS` that are averaged, so that each
    is taken where the rate is lowest. Source: Izmailov et al. 2018, Averaging Weights Leads to Wider Optima.
    """

    def body(place: float) -> float:
        if place < 1 - TAIL:
            return own.body(place)
        within = (place - (1 - TAIL)) / TAIL * POINTS % 1.0
        return HELD * (1 - 0.9 * within) if cyclic else HELD

    return replace(Schedule(body=body, warmup=own.warmup), momentum_body=own.momentum_body)
