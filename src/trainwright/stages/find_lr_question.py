"""From a training that is set up to what the finder asks of it: members, batches, and what to judge by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count, islice

import torch
from torch import nn

from trainwright.errors import UsageError
from trainwright.parts import optimizers
from trainwright.search.finder_trials import Batch, Question
from trainwright.stacked.copying import model_copy, optimizer_copy
from trainwright.stacked.member import Member
from trainwright.stages.recipe import Recipe
from trainwright.stages.setup import Setup

Pair = tuple[nn.Module, torch.optim.Optimizer]

_JUDGED_BY = 4_096  # samples at most: the error of a mean over them is far below what tells two rates apart
_AT_ONCE = 512
_EPOCHS = 1_000_000  # between two repeats: none of them sees the order of another


def question_of(
    setup: Setup, *, share: float = 1.0, fresh: Callable[[int], Pair] | None = None, notes: tuple[str, ...] = ()
) -> Question:
    """Return the question of the rate for what is set up. `fresh(repeat)` gives other weights for the later repeats.

    `share` is how much of the data that the run will train on is trained on here: the planned steps are those of all.
    """
    settings, train = setup.recipe.train, setup.splits["train"]
    held = setup.splits.get("validation")

    def member(repeat: int) -> Member:
        model, optimizer = fresh(repeat) if fresh is not None and repeat > 0 else _copies(setup)
        return Member(
            model=model.train(),
            optimizer=optimizer,
            loss=setup.loss,
            clip_norm=settings.clip_norm or None,
            clip_value=settings.clip_value or None,
        )

    def batches(repeat: int) -> Iterator[Batch]:
        stream = (batch for epoch in count(repeat * _EPOCHS) for batch in train.epoch(epoch))
        return stream if settings.accumulate == 1 else _joined(stream, settings.accumulate)

    judged = None if held is None else held.take(_JUDGED_BY)
    by = "the training loss at the end" if judged is None else f"the loss of {len(judged[0])} samples held out"
    planned = setup.info.planned_steps or 1
    return Question(
        member=member,
        batches=batches,
        held=None if judged is None else lambda: zip(*(part.split(_AT_ONCE) for part in judged), strict=True),
        schedule=setup.schedule,
        planned_steps=planned if settings.steps else round(planned / share),
        optimizer=setup.info.optimizer,
        evaluation_loss=setup.evaluation_loss,
        judged_by=by,
        seed=settings.seed,
        other_weights=fresh is not None,
        notes=(*notes, *_left_out(setup)),
    )


def refuse_closure(recipe: Recipe, optimizer: torch.optim.Optimizer | None) -> None:
    """Raise `UsageError` where the optimizer searches for the length of its steps itself."""
    named = optimizers.CATALOGUE.get(recipe.optimizer.name)
    if isinstance(optimizer, torch.optim.LBFGS) or (optimizer is None and named is not None and named.closure):
        raise UsageError(
            "this optimizer needs no learning rate to be found: it finds the length of each step by a line search",
            evidence="L-BFGS",
            remedy="leave its rate at 1, or choose another optimizer, such as 'adamw'",
        )


def _copies(setup: Setup) -> Pair:
    model = model_copy(setup.model)
    return model, optimizer_copy(setup.optimizer, dict(zip(setup.model.parameters(), model.parameters(), strict=True)))


def _joined(stream: Iterator[Batch], size: int) -> Iterator[Batch]:
    """Yield each `size` batches as one: an update on their accumulated gradient."""
    while parts := list(islice(stream, size)):
        yield torch.cat([x for x, _ in parts]), torch.cat([y for _, y in parts])


def _left_out(setup: Setup) -> Iterator[str]:
    """Yield what the run will do and the trials do not."""
    options, settings = setup.recipe.loss.options, setup.recipe.train
    if float(options.get("l1", 0.0)) > 0 or float(options.get("l2", 0.0)) > 0:
        yield "the trials leave out the penalty on the weights (loss.l1, loss.l2)"
    if settings.precision != "fp32":
        yield f"the trials compute in float32, the run in {settings.precision}"
    if setup.schedule.plateau is not None:
        yield "the trials keep their rate, which a plateau would lower"
