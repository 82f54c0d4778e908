"""A setup to a course that is ready to run: the step with its numerics, the loop, the evaluator, the average."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from trainwright.parts.penalties import Penalty
from trainwright.records import Event, Finding
from trainwright.stages.setup import Setup
from trainwright.training.averaging import Average, ExponentialAverage, NoAverage, OptimizerAverage
from trainwright.training.bad_samples import sound_rows
from trainwright.training.clipping import Clip
from trainwright.training.clock import Clock
from trainwright.training.compiling import compile_model
from trainwright.training.course import Course, Keeper
from trainwright.training.evaluate import Evaluator
from trainwright.training.history import History
from trainwright.training.loop import Training
from trainwright.training.precision import Precision
from trainwright.training.rates import Rates
from trainwright.training.repair import Repair
from trainwright.training.step import TrainStep
from trainwright.vitals.monitor import Monitor
from trainwright.vitals.setup import constant_loss


def assemble(
    setup: Setup,
    history: History,
    *,
    keep: Keeper | None = None,
    clock: Clock | None = None,
    checked: Sequence[Finding] = (),
) -> Course:
    """Return the course of `setup`, recording into `history`. `checked` is what was found before it."""
    settings, info, model = setup.recipe.train, setup.info, setup.model
    train = setup.splits["train"]
    device = torch.device(settings.device)
    precision = Precision(settings.precision, device.type)
    step = TrainStep(
        model,
        setup.loss,
        setup.optimizer,
        rates=Rates(setup.optimizer, setup.schedule, planned_steps=info.planned_steps or 1),
        clip=Clip(norm=settings.clip_norm or None, value=settings.clip_value or None),
        seed=settings.seed,
        penalty=penalty_of(setup),
        precision=precision,
        forward=_compiled(setup, history),
        clock=clock,
        closure=setup.closure,
    )
    training = Training(
        model,
        train,
        step,
        epochs=int(settings.epochs),
        accumulate=settings.accumulate,
        steps=settings.steps or None,
        monitor=Monitor(model, step.objective, level=setup.recipe.doctor.level, reference=_layers_seen(setup)),
        history=history,
        average=_average(setup),
        repair=_repair(setup),
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
        ),
        setup.splits,
        info=info,
        evaluate_every_steps=settings.evaluate_every_steps or training.steps_per_epoch,
        patience=settings.patience or None,
        keep=keep,
        checked=checked,
    )


def penalty_of(setup: Setup) -> Callable[[], torch.Tensor] | None:
    """Return what the weights themselves add to the loss, None where nothing is asked for."""
    options = setup.recipe.loss.options
    l1, l2 = float(options.get("l1", 0.0)), float(options.get("l2", 0.0))
    return Penalty(setup.model, l1=l1, l2=l2) if l1 > 0 or l2 > 0 else None


def _average(setup: Setup) -> Average:
    if setup.averages:
        return OptimizerAverage(setup.optimizer, setup.model, setup.splits["train"])
    decay = setup.recipe.train.ema
    return ExponentialAverage(setup.model, decay) if decay > 0 else NoAverage()


def _repair(setup: Setup) -> Repair | None:
    asked = setup.recipe.doctor.repair
    if asked == "off":
        return None
    # Not what the doctor measured: the run must be the same whether it looks or not.
    y = setup.splits["train"].take(_TARGETS)[1]
    constant = constant_loss(y[sound_rows(y)], setup.info.loss) if bool(sound_rows(y).any()) else None
    return Repair(apply=asked == "apply", constant_loss=constant)


def _layers_seen(setup: Setup) -> torch.Tensor:
    """Return the samples that the layers are looked at with: of small batches fewer, so that a look costs few steps."""
    return setup.reference[: max(_FEWEST_SEEN, _BATCHES_SEEN * setup.splits["train"].batch_size)]


_BATCHES_SEEN, _FEWEST_SEEN = 4, 128  # so many samples tell a dead unit from one that is on for one sample in twenty
_TARGETS = 4_096  # enough to know the loss of a constant guess to a few percent


def _compiled(setup: Setup, history: History) -> Callable[[torch.Tensor], torch.Tensor] | None:
    if not setup.recipe.train.compile:
        return None
    made = compile_model(setup.model, setup.reference)
    detail = {"text": made.text, "graphs": made.graphs, "breaks": list(made.breaks), "seconds": made.seconds}
    history.append(Event(step=0, name="compiled", detail=detail))
    return made.forward
