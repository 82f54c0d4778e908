"""A setup to a course that is ready to run: the step with its numerics, the loop, the evaluator, the average."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from trainwright.data.feed import Feed
from trainwright.parts.penalties import Penalty
from trainwright.records import Event, Finding
from trainwright.stages.setup import Setup
from trainwright.training.averaging import Average, ExponentialAverage, NoAverage, OptimizerAverage
from trainwright.training.bad_samples import sound_rows
from trainwright.training.clipping import Clip
from trainwright.training.clock import Clock
from trainwright.training.compiling import compile_model
from trainwright.training.course import Course
from trainwright.training.distributed import ALONE, Ranks
from trainwright.training.evaluate import Evaluator
from trainwright.training.features import Features, cached
from trainwright.training.history import History
from trainwright.training.loop import Training
from trainwright.training.precision import Precision
from trainwright.training.rates import Rates
from trainwright.training.repair import Repair
from trainwright.training.saver import Saver
from trainwright.training.step import TrainStep
from trainwright.training.stillness import Stillness
from trainwright.training.team import Team
from trainwright.vitals.monitor import Monitor
from trainwright.vitals.setup import constant_loss

if TYPE_CHECKING:
    from trainwright.training.sharded_saver import ShardedSaver


def assemble(
    setup: Setup,
    history: History,
    *,
    clock: Clock | None = None,
    checked: Sequence[Finding] = (),
    saver: Saver | ShardedSaver | None = None,
    ranks: Ranks = ALONE,
) -> Course:
    """Return the course of `setup`, recording into `history`. `checked` was found before it; `saver` keeps it.

    Where all but the head is frozen, what the body gives is computed once, and the head trains on that. All `ranks`
    make the same course together; the doctor sits beside the first of them.
    """
    settings, info = setup.recipe.train, setup.info
    features = features_for(setup, history)
    model = setup.model if features is None else features.tail.network
    is_sharded = ranks.many and setup.recipe.distributed.sharded
    if is_sharded:
        from trainwright.training.sharding import sharded  # torch's part for it takes long to import

        model = sharded(setup.model, setup.optimizer, ranks, bf16=settings.precision == "bf16")
    splits = setup.splits if features is None else features.splits
    train = splits["train"]
    device = torch.device(settings.device)
    looks = ranks.leads and not is_sharded  # a model in parts cannot be run by one rank alone
    precision = Precision(settings.precision, device.type)
    forward = _compiled(setup, history)
    step = TrainStep(
        model,
        setup.loss,
        setup.optimizer,
        rates=Rates(setup.optimizer, setup.schedule, planned_steps=info.planned_steps or 1),
        clip=Clip(norm=settings.clip_norm or None, value=settings.clip_value or None),
        seed=settings.seed,
        penalty=penalty_of(setup),
        precision=precision,
        forward=forward,
        clock=clock,
        closure=setup.closure,
        team=Team(
            model,
            forward,
            ranks=ranks,
            synchronise=setup.recipe.distributed.sync_batch_norm,
            sharded=is_sharded,
        ),
    )
    training = Training(
        model,
        train,
        step,
        epochs=int(settings.epochs),
        accumulate=settings.accumulate,
        steps=settings.steps or None,
        monitor=Monitor(
            model,
            step.objective,
            level=setup.recipe.doctor.level if looks else "off",
            reference=_layers_seen(setup, setup.reference if features is None else features.reference)
            if looks
            else None,
        ),
        history=history,
        average=_average(setup, model, train),
        repair=_repair(setup),
        stillness=Stillness(setup.model, setup.freezing, planned_steps=info.planned_steps or 1)
        if setup.freezing
        else None,
    )
    return Course(
        training,
        Evaluator(
            model,
            setup.evaluation_loss,
            task=info.task or "classification",
            target_std=setup.target_std,
            precision=precision,
            finite_only=setup.recipe.doctor.repair == "apply",
            ranks=ranks,
        ),
        splits,
        info=info,
        whole=model if is_sharded else setup.model,
        evaluate_every_steps=settings.evaluate_every_steps or training.steps_per_epoch,
        patience=settings.patience or None,
        keep=None if saver is None else saver.keep,
        checked=checked,
        saver=saver,
    )


def penalty_of(setup: Setup) -> Callable[[], torch.Tensor] | None:
    """Return what the weights themselves add to the loss, None where nothing is asked for."""
    options = setup.recipe.loss.options
    l1, l2 = float(options.get("l1", 0.0)), float(options.get("l2", 0.0))
    return Penalty(setup.model, l1=l1, l2=l2) if l1 > 0 or l2 > 0 else None


def features_for(setup: Setup, history: History | None = None) -> Features | None:
    """Return the features that the head of `setup` can train on in place of the samples, None where it cannot.

    Why not is said where all but an end of the model is frozen, and nothing where that is not so.
    """
    settings, freezing = setup.recipe.train, setup.freezing
    if not freezing.always or not settings.cache_features:
        return None
    reasons = {
        f"train.precision = '{settings.precision}'": settings.precision != "fp32",
        "train.compile": settings.compile,
    }
    why = next((reason for reason, asked in reasons.items() if asked), "")
    found = why or cached(setup.model, freezing, setup.splits, setup.reference, store=setup.store)
    if history is not None and found:
        text = (
            f"what the frozen part gives is computed in every epoch: {found}" if isinstance(found, str) else found.text
        )
        history.append(Event(step=0, name="features", detail={"text": text, "cached": not isinstance(found, str)}))
    return None if isinstance(found, str) else found


def _average(setup: Setup, model: nn.Module, train: Feed) -> Average:
    if setup.averages:
        held = {setup.model.get_submodule(path) for path in setup.freezing.modules}
        names = [path for path, module in model.named_modules() if module in held]
        return OptimizerAverage(setup.optimizer, model, train, held=names)
    decay = setup.recipe.train.ema
    return ExponentialAverage(model, decay) if decay > 0 else NoAverage()


def _repair(setup: Setup) -> Repair | None:
    asked = setup.recipe.doctor.repair
    if asked == "off":
        return None
    # Not what the doctor measured: the run must be the same whether it looks or not.
    y = setup.splits["train"].take(_TARGETS)[1]
    constant = constant_loss(y[sound_rows(y)], setup.info.loss) if bool(sound_rows(y).any()) else None
    return Repair(apply=asked == "apply", constant_loss=constant)


def _layers_seen(setup: Setup, reference: torch.Tensor) -> torch.Tensor:
    """Return the samples that the layers are looked at with: of small batches fewer, so that a look costs few steps."""
    return reference[: max(_FEWEST_SEEN, _BATCHES_SEEN * setup.splits["train"].batch_size)]


_BATCHES_SEEN, _FEWEST_SEEN = 4, 128  # so many samples tell a dead unit from one that is on for one sample in twenty
_TARGETS = 4_096  # enough to know the loss of a constant guess to a few percent


def _compiled(setup: Setup, history: History) -> Callable[[torch.Tensor], torch.Tensor] | None:
    if not setup.recipe.train.compile:
        return None
    made = compile_model(setup.model, setup.reference)
    detail = {"text": made.text, "graphs": made.graphs, "breaks": list(made.breaks), "seconds": made.seconds}
    history.append(Event(step=0, name="compiled", detail=detail))
    return made.forward
