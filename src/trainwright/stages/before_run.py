"""What only the whole plan of a run shows, told before its first step and before anything is written."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from trainwright.errors import ModelError
from trainwright.parts import schedules
from trainwright.stages.setup import Setup


def check_before_run(setup: Setup) -> None:
    """Raise `RecipeError` or `ModelError`, with the remedy, for settings that contradict each other or the length."""
    settings = setup.recipe.train
    if settings.compile and settings.checkpoint_activations:
        raise setup.recipe.problem(
            "train.checkpoint_activations",
            "train.checkpoint_activations cannot be compiled: torch.compile does not follow the recomputation; leave "
            "one of the two out (compiled code drops some activations by itself)",
        )
    for problem in schedule_problems(setup):
        raise setup.recipe.problem("schedule.name", problem)
    loss = setup.loss
    reduction = loss.keywords.get("reduction") if isinstance(loss, partial) else getattr(loss, "reduction", None)
    if reduction == "sum":
        raise ModelError(
            "the loss is a sum over the batch, and everything here works with the mean",
            evidence="reduction = 'sum': the gradient, and what a rate means, would change with the size of each batch",
            remedy="reduction='mean', with the learning rate times the batch size where it was tuned for the sum",
        )


def schedule_problems(setup: Setup) -> Iterator[str]:
    """Yield what of the schedule cannot happen in the steps that are planned."""
    planned = setup.info.planned_steps or 1
    every = setup.recipe.train.evaluate_every_steps or setup.info.steps_per_epoch or planned
    found = schedules.problem_in_steps(
        setup.info.schedule, setup.recipe.schedule.options, steps=planned, evaluations=-(-planned // every)
    )
    if found is not None:
        yield "schedule '{}': {}; {}".format(setup.info.schedule, *found)
