"""Do the optimizer's steps go down the gradient of the loss, or up?"""

from __future__ import annotations

import math

import torch

from trainwright.checks.guessing import least, one_answer
from trainwright.checks.inputs import count, rows
from trainwright.checks.stillness import Snapshot
from trainwright.checks.subject import Subject
from trainwright.doctor.kinds_loss import LOSS_MAXIMISED
from trainwright.records import Evidence, Finding, Remedy

PROBES, MOST = 10, 9
"""Of ten single steps, each from the untouched weights on other samples, nine at least must go up."""
_LENGTH = 1e-3  # of each probe's step, as a share of the length of all weights: the loss is straight over so little
_SAMPLES = 32


def goes_up(subject: Subject, kept: Snapshot) -> Finding | None:
    """Say whether the optimizer's own direction has a positive product with the gradient, and the loss rises along it.

    Exact but for the ten looks: a rate that is too high has the right direction. Decay is left out of it. Where
    `maximize=True` was asked for, an objective may be meant: only a loss that has a least value is held against it, as
    a warning where it is none of the library's.
    """
    optimizer = subject.optimizer
    assert optimizer is not None
    asked = any(group.get("maximize") for group in optimizer.param_groups)
    library = _of_the_library(subject)
    if asked and not library and not _has_a_floor(subject):
        return None
    for group in optimizer.param_groups:
        if "weight_decay" in group:
            group["weight_decay"] = 0.0
    up = sum(_probe(subject, optimizer, kept, place) for place in range(PROBES))
    kept.restore()
    optimizer.state.clear()
    if up < MOST:
        return None
    return LOSS_MAXIMISED.finding(
        severity="error" if library or not asked else "warning",
        title="the optimizer's steps go up the gradient of the loss",
        where=subject.info.where("optimizer.name", "optimizer"),
        because="maximize=True turns every step round"
        if asked
        else "its steps add the gradient where they should take it away",
        evidence=(
            Evidence(name=f"of {PROBES} short steps, those along which the loss rises", value=up, threshold=MOST),
            Evidence(name="maximize", value=asked),
        ),
        remedies=(
            Remedy(
                text="drop maximize=True, or return the negative of an objective"
                if asked
                else "look at the sign in the optimizer's step: weight - rate * gradient"
            ),
        ),
    )


def _of_the_library(subject: Subject) -> bool:
    facts = subject.info.output
    known = facts is not None and any(call.function and (call.weight or 0) > 0 for call in facts.calls)
    return subject.spec is not None or known


def _has_a_floor(subject: Subject) -> bool:
    with torch.no_grad():
        output = subject.output()
    if not isinstance(output, torch.Tensor) or output.dim() == 0:
        return False
    floor = least(subject.loss, subject.y, output, one_answer(output, subject.y, None))
    return floor is not None and floor >= -1e-6


def _probe(subject: Subject, optimizer: torch.optim.Optimizer, kept: Snapshot, place: int) -> bool:
    """Make one step, shorten it, and say whether the loss of its own samples rises along it, as the gradient tells."""
    kept.restore()
    optimizer.state.clear()
    samples = count(subject.x)
    chosen = (torch.arange(min(samples, _SAMPLES)) * PROBES + place) % samples if samples > PROBES else slice(None)
    x, y = rows(subject.x, chosen), rows(subject.y, chosen)
    trained = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]

    def value() -> torch.Tensor:
        loss = subject.value(x, y)
        return loss if subject.penalty is None else loss + subject.penalty()

    with torch.enable_grad():
        before = value()
    if not before.requires_grad or not math.isfinite(float(before.detach())):
        return False
    before.backward()
    start = [(p, p.detach().clone(), p.grad.detach().clone()) for p in trained if p.grad is not None]
    optimizer.step()
    with torch.no_grad():
        moves = [p - old for p, old, _ in start]
        slope = sum(float((move * gradient).sum()) for move, (_, _, gradient) in zip(moves, start, strict=True))
        length = math.sqrt(sum(float(move.square().sum()) for move in moves))
        size = math.sqrt(sum(float(old.square().sum()) for _, old, _ in start))
        if slope <= 0 or length == 0 or not math.isfinite(length):
            return False
        for move, (parameter, old, _) in zip(moves, start, strict=True):
            parameter.copy_(old + move * (_LENGTH * max(size, 1e-3) / length))
        after = value()
    return float(after) > float(before.detach())
