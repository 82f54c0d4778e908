"""Can the model memorise a handful of samples? If not, something is broken, whatever the data (G2, chapter 2; G3).

Five to eight samples, as different in their targets as can be, with dropout, augmentation and weight decay off, and
Adam at three rates, since a sensible one is not known in advance. What counts as memorised is near the floor of the
loss, which smoothing, and samples that contradict one another, keep above zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch

from trainwright.checks.check import Answer, Check, Skip
from trainwright.checks.inputs import count, tensors
from trainwright.checks.stillness import Snapshot, still, weights
from trainwright.checks.subject import Subject
from trainwright.checks.tiny_batch_causes import find_cause
from trainwright.checks.tiny_batch_choice import CONTRADICTORY, Batch, tiny_batch
from trainwright.checks.tiny_batch_experiments import Cause
from trainwright.doctor.kinds_loss import RELU_ON_OUTPUT
from trainwright.doctor.kinds_start import CANNOT_OVERFIT_TINY_BATCH
from trainwright.records import Evidence, Finding

STEPS = 500
"""Steps of each attempt: small networks need 20 to 150, a deep one without normalisation some hundreds."""
RATES = (3e-3, 3e-4, 3e-2)
"""Adam's usual rate for small networks, its tenth, and tenfold; the first that works ends the search."""
SHARE = 0.1
"""Memorised: this share of the way from the floor to the best constant answer is left."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """How far the loss came at one rate."""

    rate: float
    steps: int
    start: float
    best: float
    reached: bool


def examine(subject: Subject) -> Answer:
    """Train on the handful, and where that fails at every rate, look for the cause by small experiments."""
    if not weights(subject.model):
        raise Skip("no parameter is trainable")
    kept = Snapshot(subject.model)
    with still(subject.model):
        batch = tiny_batch(subject)
        attempts: list[Attempt] = []
        for rate in RATES:
            kept.restore()
            attempts.append(memorise(subject, batch, rate))
            if attempts[-1].reached or batch.contradiction >= CONTRADICTORY:
                break
        kept.restore()
        best = min(attempts, key=lambda attempt: attempt.best)
        answer = _answer(batch, attempts, best)
        if best.reached:
            return answer
        if batch.floor is None:
            raise Skip(
                f"the least that this loss can be is not known; it came from {best.start:.4g} to {best.best:.4g} in "
                f"{STEPS} steps"
            )
        cause = find_cause(subject, batch.x, batch.y, goal(batch, best.start), batch.contradiction, kept)
        kept.restore()
    if cause.name == "capacity" and _is_linear(subject, batch):
        raise Skip("a linear model with so few inputs cannot memorise even these; its best fit is what counts")
    found = (_finding(batch, best, cause),)
    if cause.name == "output activation":
        found = (*found, _out_of_reach(subject, cause))
    return replace(answer, findings=found, measured={**answer.measured, "cause": cause.name})


def goal(batch: Batch, start: float) -> float:
    """Return the loss at which the samples count as memorised."""
    if batch.floor is None or batch.constant is None:
        return SHARE * start if start > 0 and not batch.endless else -math.inf
    # From a start that is far too high, a tenth of it would be no better than one answer for all; and a network that
    # knows the samples already need not become ten times as sure.
    known = SHARE**2 * (batch.constant - batch.floor)
    return batch.floor + max(known, SHARE * (min(batch.constant, start) - batch.floor))


def memorise(subject: Subject, batch: Batch, rate: float, steps: int = STEPS) -> Attempt:
    """Train on the samples by Adam without weight decay until they are memorised or the steps are used up."""
    parameters = weights(subject.model)
    optimizer = torch.optim.Adam(parameters, lr=rate)
    start, best, wanted = math.nan, math.inf, -math.inf
    for step in range(steps + 1):
        optimizer.zero_grad()
        with torch.enable_grad():
            loss = subject.value(batch.x, batch.y)
        value = float(loss)
        if step == 0:
            start, wanted = value, goal(batch, value)
            if not math.isfinite(value):
                raise Skip(f"the loss is {value} on the untouched model")
        if not math.isfinite(value):
            break
        best = min(best, value)
        if value <= wanted:
            return Attempt(rate=rate, steps=step, start=start, best=best, reached=True)
        if not loss.requires_grad:
            break  # the cause search says that no gradient arrives
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1e3)  # an explosion in one step must not end the attempt
        optimizer.step()
    return Attempt(rate=rate, steps=steps, start=start, best=best, reached=False)


def _is_linear(subject: Subject, batch: Batch) -> bool:
    """Say whether the model has as many numbers as a linear one from its inputs to its outputs, biases or not."""
    with torch.no_grad():
        output = subject.output(batch.x)
    features = sum(part[0].numel() for part in tensors(batch.x))
    outputs, numbers = output[0].numel(), sum(parameter.numel() for parameter in weights(subject.model))
    return features * outputs <= numbers <= (features + 1) * outputs


def _answer(batch: Batch, attempts: list[Attempt], best: Attempt) -> Answer:
    wanted = goal(batch, best.start)
    measured: dict[str, Any] = {
        "samples": count(batch.x),
        "start": best.start,
        "best": best.best,
        "goal": wanted,
        "rate": best.rate,
        "steps": best.steps if best.reached else STEPS,
        "attempts": len(attempts),
        "contradiction": batch.contradiction,
    }
    if batch.floor is not None:
        measured["floor"] = batch.floor
    rates = "one rate" if len(attempts) == 1 else f"each of {len(attempts)} rates"
    how = f"in {best.steps} steps" if best.reached else f"after {STEPS} steps at {rates}"
    at = f" at {best.rate:g}" if best.reached and len(attempts) > 1 else ""
    return Answer(
        measured=measured, value=f"{best.start:.4g} to {best.best:.3g} {how}{at}", expected=f"below {wanted:.3g}"
    )


def _finding(batch: Batch, best: Attempt, cause: Cause) -> Finding:
    return CANNOT_OVERFIT_TINY_BATCH.finding(
        severity=cause.severity,
        title=cause.title or CANNOT_OVERFIT_TINY_BATCH.title,
        where=cause.where,
        because=cause.because,
        evidence=(
            Evidence(
                name=f"loss on {count(batch.x)} samples after {STEPS} steps",
                value=best.best,
                threshold=goal(batch, best.start),
            ),
            Evidence(name="likely cause", value=cause.name),
            *cause.evidence,
        ),
        remedies=cause.remedies,
        confidence=cause.confidence,
    )


def _out_of_reach(subject: Subject, cause: Cause) -> Finding:
    """Say what is the fault, and not only its symptom: proved here by free outputs, so an error."""
    output = subject.info.output
    return RELU_ON_OUTPUT.finding(
        severity="error",
        where=output.where if output is not None else cause.where,
        because=cause.because,
        evidence=cause.evidence,
        remedies=cause.remedies,
    )


CHECK = Check(
    name="tiny-batch",
    question="can the model memorise a handful of samples?",
    kinds=(CANNOT_OVERFIT_TINY_BATCH, RELU_ON_OUTPUT),
    examine=examine,
    quick=False,
    seconds=20.0,
)
