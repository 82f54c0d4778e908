"""The learning-rate finder against a full grid: is the loss at its rate as low as at the best rate of the grid?

Each rate of a grid, three to a decade from 1e-4 to 10, is trained to the end of the planned run from three weights, as
rows of one array, and the best chosen by the validation loss. Then it and the finder's rates are trained again from six
other weights in another order of the batches, and compared: the lowest of sixteen noisy losses is low by luck, too. A
line for each task: the best rate of the grid and its loss, the finder's rate, the ratio of the two rates, and the ratio
of the two losses; 1.05 is the aim. First the finder that tries each rate for the whole run and judges by the validation
data, as of a recipe; then by a fifth of the training data that it holds out; then for a quarter of the run, in two
repeats; last the sweep. What numbers were fitted on is not what is reported: --half fitted shows it.

    python benchmarks/find_lr.py
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
from typing import Any

import torch

import trainwright as tw
from find_lr_tasks import TASKS, Task
from trainwright.data.batches import batches_of
from trainwright.parts import optimizers, schedules
from trainwright.parts.catalogue import resolve_options
from trainwright.parts.groups import parameter_groups
from trainwright.parts.schedules import fraction_of
from trainwright.stacked.member import Member
from trainwright.stacked.stacked_array import StackedArray

GRID = tuple(10 ** (-4 + place / 3) for place in range(16))
CHOOSING, COMPARING = range(1, 4), range(11, 17)
AIM = 1.05


def final_losses(task: Task, rates: list[float], seeds: range, order: int) -> list[float]:
    """Return the validation loss at the end of the whole run at each rate, in the mean over the seeds of the weights.

    All see the batches in the order of the seed `order`.
    """
    (x, y), (held_x, held_y) = task.data()
    spec = schedules.CATALOGUE["warmup_cosine"]
    schedule = spec.factory(**resolve_options(spec.options, {}, spec.name))
    members = []
    for rate, seed in itertools.product(rates, seeds):
        torch.manual_seed(seed)
        model = task.network()
        members.append(
            Member(
                model=model,
                optimizer=optimizer(task, model, rate),
                loss=task.loss,
                rate=lambda step: schedule.multiple(fraction_of(step, task.steps)),
                clip_norm=1.0,
                seed=seed,
            )
        )
    array = StackedArray(members)
    feed = batches_of((x, y), batch_size=task.batch, seed=order)
    stream = (batch for epoch in range(task.steps) for batch in feed.epoch(epoch))
    for _, batch in zip(range(task.steps), stream, strict=False):
        array.step(*batch)
    ends = [float(task.loss(output, held_y)) for output in array.outputs(held_x)]
    ends = [math.inf if place in array.frozen or not math.isfinite(end) else end for place, end in enumerate(ends)]
    count = len(seeds)
    return [sum(ends[place * count : (place + 1) * count]) / count for place in range(len(rates))]


def optimizer(task: Task, model: torch.nn.Module, rate: float) -> torch.optim.Optimizer:
    """Return the task's optimizer with the catalogue's defaults."""
    spec = optimizers.CATALOGUE[task.optimizer]
    options = resolve_options(spec.options, {"lr": rate}, spec.name)
    return spec.factory(parameter_groups(model, options.get("weight_decay", 0.0), lr=rate), **options)


def found(task: Task, **asked: Any) -> tw.LearningRate:
    """Ask the finder, which sees training and validation data, weights that no run begins from, and its own orders."""
    train, validation = task.data()
    torch.manual_seed(0)
    settings: dict[str, Any] = {
        "steps": task.steps,
        "batch_size": task.batch,
        "schedule": "warmup_cosine",
        "clip_norm": 1.0,
    }
    settings |= {"validation": validation, **asked}
    return tw.find_lr(task.network(), task.loss, train, optimizer=task.optimizer, **settings)


def main() -> None:
    """Print a line for each task, and how many came within the aim."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=("reported", "fitted"), default="reported")
    parser.add_argument("--only", default="", help="tasks with these letters in their names")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    tasks = [task for task in TASKS if task.fitted == (arguments.half == "fitted") and arguments.only in task.name]
    ways = ("whole", "own part", "quarter", "sweep")
    within: dict[str, int] = dict.fromkeys(ways, 0)
    print(
        f"{'task':28} {'optimizer':9} {'best':>8} {'loss':>7}" + "".join(f" | {way:>8}  x rate  x loss" for way in ways)
    )
    started = time.process_time()
    for task in tasks:
        torch.manual_seed(0)
        answers = {
            "whole": found(task, trial_steps=task.steps),
            "own part": found(task, trial_steps=task.steps, validation=None),
            "quarter": found(task, trial_steps=task.steps // 4, repeats=2),
            "sweep": found(task, method="sweep", repeats=1),
        }
        rates = [answer.suggestion for answer in answers.values() if answer.suggestion is not None]
        grid = final_losses(task, list(GRID), CHOOSING, order=1)
        best = GRID[min(range(len(GRID)), key=grid.__getitem__)]
        reference, *losses = final_losses(task, [best, *rates], COMPARING, order=2)
        line = f"{task.name:28} {task.optimizer:9} {best:8.2g} {reference:7.4f}"
        for way, answer in answers.items():
            if answer.suggestion is None:
                line += f" | no answer: {answer.reason}"
                continue
            ratio = losses[rates.index(answer.suggestion)] / reference
            within[way] += ratio <= AIM
            line += f" | {answer.suggestion:8.2g} {answer.suggestion / best:7.2f} {ratio:7.3f}"
        print(line, flush=True)
    print(
        f"within {AIM:g} of the best of the grid, of {len(tasks)}: " + ", ".join(f"{w} {n}" for w, n in within.items())
    )
    print(f"{time.process_time() - started:.0f} s of processor time")


if __name__ == "__main__":
    main()
