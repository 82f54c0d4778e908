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
from trainwright.checks.guessing import answer_for_each, least, one_answer
from trainwright.checks.inputs import count, rows, tensors
from trainwright.checks.stillness import Snapshot, still, weights
from trainwright.checks.subject import Subject
from trainwright.checks.tiny_batch_causes import Cause, find_cause
from trainwright.doctor.kinds_start import CANNOT_OVERFIT_TINY_BATCH
from trainwright.records import Evidence, Finding

SAMPLES = 8
STEPS = 500
"""Steps of each attempt: small networks need 20 to 150, a deep one without normalisation some hundreds."""
RATES = (3e-3, 3e-4, 3e-2)
"""Adam's usual rate for small networks, its tenth, and tenfold; the first that works ends the search."""
SHARE = 0.1
"""Memorised: this share of the way from the floor to the best constant answer is left (faults.md 92)."""
CONTRADICTORY = 0.5
"""Where samples that contradict one another take this share of what there is to learn, the labels are the finding."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The samples, and what the loss can be on them: for one answer to all (None where unknown), and at best."""

    x: Any
    y: Any
    constant: float | None
    floor: float | None
    contradiction: float = 0.0  # how much of constant - floor the samples with the same input take


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
            if attempts[-1].reached:
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
    return replace(answer, findings=(_finding(batch, best, cause),), measured={**answer.measured, "cause": cause.name})


def tiny_batch(subject: Subject) -> Batch:
    """Return some samples whose targets differ, and the bounds of the loss on them."""
    places = _differing(subject.y, count(subject.x))
    if len(places) < 2:
        raise Skip("there are not two samples to tell apart")
    x, y = rows(subject.x, places), rows(subject.y, places)
    with torch.no_grad():
        output = subject.output(x)
    if not isinstance(output, torch.Tensor) or output.dim() == 0 or len(output) != len(places):
        return Batch(x=x, y=y, constant=None, floor=None)
    spec, loss = subject.spec, subject.loss
    groups = _same_inputs(x, len(places)).to(output.device)
    alone = torch.arange(len(places), device=output.device)
    constant = least(loss, y, output, one_answer(output, y, spec), spec=spec)
    floor = least(loss, y, output, answer_for_each(output, y, alone, spec), alone, spec)
    if constant is None or floor is None or (spec is None and floor < -1e-6):
        return Batch(x=x, y=y, constant=None, floor=None)
    if constant - floor < 1e-6 * max(abs(constant), 1.0):
        if spec is None:  # a loss within the batch, or one whose targets are not in y
            return Batch(x=x, y=y, constant=None, floor=None)
        raise Skip("the samples have all the same target: there is nothing to memorise")
    contradiction = 0.0
    shared = least(loss, y, output, answer_for_each(output, y, groups, spec), groups, spec)
    if shared is not None and int(groups.max()) + 1 < len(places):
        contradiction = min(1.0, max(0.0, (shared - floor) / (constant - floor)))
        if contradiction < CONTRADICTORY:
            floor = shared
    floor = max(floor, _prefix_floor(x, y, output))
    return Batch(x=x, y=y, constant=constant, floor=floor, contradiction=contradiction)


def goal(batch: Batch, start: float) -> float:
    """Return the loss at which the samples count as memorised."""
    if batch.floor is None or batch.constant is None:
        return SHARE * start if start > 0 else -math.inf
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


def _differing(y: Any, samples: int) -> torch.Tensor:
    """Return the places of samples with different targets: of each class in turn, or spread over the values."""
    wanted = min(SAMPLES, samples)
    parts = tensors(y)
    if not parts or len(parts[0]) != samples:
        return torch.arange(wanted)
    target = parts[0]
    if target.dim() > 1 and not target.is_floating_point() and target[0].numel() > 1:
        return torch.arange(wanted)  # tokens: every sample has many targets
    key = target.reshape(samples, -1)[:, 0] if target.dim() else target
    if key.is_floating_point():
        even = torch.linspace(0, samples - 1, wanted).round().long()
        return key.argsort(stable=True).cpu()[even].sort().values
    seen: dict[int, int] = {}
    turn = [(seen.setdefault(int(k), 0), seen.update({int(k): seen[int(k)] + 1})) for k in key.tolist()]
    order = sorted(range(samples), key=lambda place: (turn[place][0], place))
    return torch.tensor(sorted(order[:wanted]))


def _same_inputs(x: Any, samples: int) -> torch.Tensor:
    """Return a number for each sample, the same for samples whose inputs are equal, bit for bit."""
    flat = [part.reshape(samples, -1).double().cpu() for part in tensors(x) if part.dim() and len(part) == samples]
    if not flat:
        return torch.arange(samples)
    return torch.cat(flat, 1).unique(dim=0, return_inverse=True)[1]


def _prefix_floor(x: Any, y: Any, output: torch.Tensor) -> float:
    """Return the least mean surprise of a model of tokens that sees what came before: of equal beginnings, no more.

    0 where the samples are no tokens, each with a target of its own.
    """
    tokens = isinstance(x, torch.Tensor) and isinstance(y, torch.Tensor) and x.shape == y.shape and x.dim() == 2
    if not tokens or x.is_floating_point() or y.is_floating_point() or output.dim() != 3:
        return 0.0
    surprise, counted = 0.0, 0
    for place in range(x.shape[1]):
        targets: dict[tuple[int, ...], list[int]] = {}
        for row, target in zip(x[:, : place + 1].tolist(), y[:, place].tolist(), strict=True):
            if target >= 0:
                targets.setdefault(tuple(row), []).append(target)
        for found in targets.values():
            counted += len(found)
            surprise -= sum(math.log(found.count(target) / len(found)) for target in found)
    return surprise / counted if counted else 0.0


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
    how = f"in {best.steps} steps" if best.reached else f"after {STEPS} steps at {len(attempts)} rates"
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


CHECK = Check(
    name="tiny-batch",
    question="can the model memorise a handful of samples?",
    kinds=(CANNOT_OVERFIT_TINY_BATCH,),
    examine=examine,
    quick=False,
    seconds=20.0,
)
