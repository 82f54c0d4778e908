"""From a training that is set up to what the finder asks of it: members, batches, and what to judge by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, islice

import torch
from torch import nn

from trainwright.data.batches import Batches, batches_of
from trainwright.data.feed import Feed
from trainwright.data.samplers import balancing_weights
from trainwright.errors import UsageError
from trainwright.parts import losses, optimizers
from trainwright.randomness import generator
from trainwright.report.numbers import plural
from trainwright.search.finder_curve import SOLVED
from trainwright.search.finder_trials import Batch, Question
from trainwright.stacked.copying import pair_copy
from trainwright.stacked.member import Member
from trainwright.stages.recipe import Recipe
from trainwright.stages.setup import Setup
from trainwright.training.stillness import hold_modes

Pair = tuple[nn.Module, torch.optim.Optimizer]

_JUDGED_BY = 4_096  # samples at most: the error of a mean over them is far below what tells two rates apart
_AT_ONCE = 512
_FOLDS = 5
_FEWEST_HELD = 30  # samples below which a held-out part says less than the training losses: one hard one would decide
_MOST_DIVIDED = 200_000  # samples up to which a division is worth a copy of the data: of more, one pass is long enough
_FEWEST = 10  # samples below which every rate that memorises them is as good as the best
_EPOCHS = 1_000_000  # between two repeats: none of them sees the order of another


def question_of(setup: Setup, *, fresh: Callable[[int], Pair] | None = None, notes: tuple[str, ...] = ()) -> Question:
    """Return the question of the rate for what is set up. `fresh(repeat)` gives other weights for the later repeats.

    The rates are judged by the validation data; without any, each repeat holds another fifth of the training data out,
    where those are in memory, and else by the training losses.
    """
    settings = setup.recipe.train
    division = _divided(setup)

    def member(repeat: int) -> Member:
        model, optimizer = (
            fresh(repeat) if fresh is not None and repeat > 0 else pair_copy(setup.model, setup.optimizer)
        )
        model.train()
        hold_modes(model, setup.freezing)
        return Member(
            model=model,
            optimizer=optimizer,
            loss=setup.loss,
            clip_norm=settings.clip_norm or None,
            clip_value=settings.clip_value or None,
        )

    def batches(repeat: int) -> Iterator[Batch]:
        feed = division.feed(repeat)
        stream = (batch for epoch in count(repeat * _EPOCHS) for batch in feed.epoch(epoch))
        return stream if settings.accumulate == 1 else _joined(stream, settings.accumulate)

    return Question(
        member=member,
        batches=batches,
        held=division.held,
        schedule=setup.schedule,
        planned_steps=setup.info.planned_steps or 1,
        optimizer=setup.info.optimizer,
        evaluation_loss=setup.evaluation_loss,
        judged_by=division.judged_by,
        seed=settings.seed,
        notes=(*notes, *filter(None, [division.note]), *_left_out(setup)),
        refusal=_refusal(setup),
        solved=0.0 if setup.info.task == "regression" else SOLVED,
    )


def _refusal(setup: Setup) -> str:
    """Return why no rate can be found from the data, "" where nothing speaks against it.

    A loss of the catalogue alone is known to compare with the targets: another may leave them unread.
    """
    train = setup.splits["train"]
    if train.samples < _FEWEST:
        return f"the training data are too few: {plural(train.samples, 'sample')}, of at least {_FEWEST}"
    if not isinstance(train, Batches) or setup.recipe.loss.name not in losses.CATALOGUE:
        return ""
    first: torch.Tensor | None = None
    for _, y in train.in_order():
        first = y[:1] if first is None else first
        if not torch.equal(y, first.expand_as(y)):
            return ""
    return "there is nothing to learn: all targets of the training data are the same, so that a constant guess is best"


@dataclass(frozen=True, kw_only=True)
class _Division:
    """What each repeat trains on, and what it is judged by (None: the training losses)."""

    feed: Callable[[int], Feed]
    held: Callable[[int], Iterator[Batch]] | None
    judged_by: str
    note: str = ""


def _divided(setup: Setup) -> _Division:
    train, validation = setup.splits["train"], setup.splits.get("validation")
    if validation is not None:
        judged = validation.take(_JUDGED_BY)
        by = f"the loss of {len(judged[0])} samples held out"
        return _Division(feed=lambda repeat: train, held=lambda repeat: _parts(*judged), judged_by=by)
    held = train.samples // _FOLDS
    if isinstance(train, Batches) and held < _FEWEST_HELD:
        # What is best on a few dozen samples is a matter of which they are: only the user can have more.
        note = (
            f"{held} samples held out are too few to judge by: the interval holds for training losses, and the best "
            "rate on other data may lie outside it; pass validation="
        )
        return _Division(feed=lambda repeat: train, held=None, judged_by="the training loss at the end", note=note)
    if not isinstance(train, Batches) or train.samples > _MOST_DIVIDED:
        return _Division(feed=lambda repeat: train, held=None, judged_by="the training loss at the end")
    x, y = (torch.cat(part) for part in zip(*train.in_order(), strict=True))
    seed = setup.recipe.train.seed
    order = torch.randperm(train.samples, generator=generator(seed, "finder", "held out")).to(x.device)
    folds = order[: held * _FOLDS].split(held)

    def feed(repeat: int) -> Feed:
        out = folds[repeat % _FOLDS]
        kept = order[~torch.isin(order, out)]
        balanced = setup.recipe.train.sampler == "balanced"
        return batches_of(
            (x[kept], y[kept]),
            batch_size=min(train.batch_size, len(kept)),
            seed=setup.recipe.train.seed_of_order,
            device=train.device,
            sample_weights=balancing_weights(y[kept].cpu()) if balanced else None,
            augment=train.augment,
        )

    def judged_by(repeat: int) -> Iterator[Batch]:
        out = folds[repeat % _FOLDS][:_JUDGED_BY]
        return _parts(x[out], y[out])

    return _Division(feed=feed, held=judged_by, judged_by=f"the loss of {held} samples held out, others in each repeat")


def _parts(x: torch.Tensor, y: torch.Tensor) -> Iterator[Batch]:
    return zip(x.split(_AT_ONCE), y.split(_AT_ONCE), strict=True)


def refuse_closure(recipe: Recipe, optimizer: torch.optim.Optimizer | None) -> None:
    """Raise `UsageError` where the optimizer searches for the length of its steps itself."""
    named = optimizers.CATALOGUE.get(recipe.optimizer.name)
    if isinstance(optimizer, torch.optim.LBFGS) or (optimizer is None and named is not None and named.closure):
        raise UsageError(
            "this optimizer needs no learning rate to be found: it finds the length of each step by a line search",
            evidence="L-BFGS",
            remedy="leave its rate at 1, or choose another optimizer, such as 'adamw'",
        )


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
    if setup.freezing.times:
        yield "the trials train from their first step what the run frees later (train.unfreeze)"
    if setup.schedule.plateau is not None:
        yield "the trials keep their rate, which a plateau would lower"
