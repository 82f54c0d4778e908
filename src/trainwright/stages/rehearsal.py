"""What the checks could not judge because the user's own code raises: then no training would come of it either."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from trainwright.checks.footprint import untouched
from trainwright.checks.run import COULD_NOT_RUN
from trainwright.checks.subject import Subject
from trainwright.checks.wiring import as_in_training, loss_of
from trainwright.errors import ModelError, TrainwrightError
from trainwright.records import CheckResult
from trainwright.stages.facts import computed_loss


def rehearse(subject: Subject, results: Sequence[CheckResult]) -> None:
    """Compute loss and penalty, and, where a check could not run, make a step's passes, all without a footprint.

    Raises `ModelError` where the user's code raises there: a verdict over what is left would be a false one.
    """
    with _alone(subject):
        computed_loss(subject.value, subject.model)
    if subject.penalty is not None:
        with _alone(subject):
            _made(
                lambda: _penalised(subject),
                "the penalty cannot be added to the loss",
                "let it return a tensor with one number, computed from the model's parameters",
            )
    if any(result.reason.startswith(COULD_NOT_RUN) for result in results):
        with _alone(subject):
            _made(
                lambda: _passes(subject),
                "a training step of the model raises",
                "make one by hand: model.train(), then loss(model(x), y).backward()",
            )


def _alone(subject: Subject) -> Any:
    return untouched(
        subject.model,
        subject.optimizer,
        subject.loader,
        also=(subject.loss, subject.penalty, subject.x, subject.y),
        seed=subject.seed,
    )


def _penalised(subject: Subject) -> None:
    assert subject.penalty is not None
    float((torch.zeros(()) + torch.as_tensor(subject.penalty()).cpu()).detach())


def _passes(subject: Subject) -> None:
    as_in_training(subject.model)
    value = loss_of(subject, subject.x, subject.y)  # all of the batch: of a graph with all its nodes, a part is none
    if value.requires_grad:
        value.sum().backward()


def _made(run: Callable[[], None], what: str, remedy: str) -> None:
    try:
        run()
    except TrainwrightError:
        raise
    except (Exception, SystemExit) as problem:  # whatever the user's code raises
        words = str(problem).strip().splitlines()
        told = type(problem).__name__ + (f": {words[0]}" if words else "")
        raise ModelError(what, evidence=told, remedy=remedy) from problem
