"""Steps between those that are followed: a line of numbers for each, and nothing else.

Once a loop has shown its form (one optimizer; one backward pass a step, from one loss), the steps that are like those
before need not be heard event by event. Whatever is not as expected ends the cruise, and the books are brought up to
date before anything else is heard.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import torch

from trainwright.watching.owners import Owner

if TYPE_CHECKING:
    from trainwright.watching.tape import Tape

_SHORTEST = 4  # steps that are worth it
_MARKED = 5  # steps between the graphs that are marked
_ALIKE = 3  # steps of one form before it is trusted


class Cruise:
    """The lines of the steps since the books were up to date. `on` says that steps are expected to be alike."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self.on = False
        self._owner: Owner | None = None
        self._optimizer: torch.optim.Optimizer | None = None
        self._group: dict[str, Any] = {}
        self._lines: list[tuple[float, float | None, float, float]] = []  # loss, norm, rate, seconds
        self._calls: dict[int, list[Any]] = {}  # of schedulers: itself, how often
        self._left = 0
        self._limit = math.inf
        self._loss: float | None = None
        self._norm: float | None = None
        self._losses = 0
        self._last = 0.0
        self._curious = False  # passes without gradients would be news
        self._form: Any = None
        self._alike = 0

    def followed(self, form: Any) -> None:
        """A step was followed, and was of this form; None where it had none that could be expected again."""
        self._alike = self._alike + 1 if form is not None and form == self._form else 0
        self._form = form

    def begin(self, steps: int, owner: Owner, limit: float) -> None:
        """Expect `steps` steps of `owner` like the last ones, with losses below `limit`."""
        optimizer = owner.optimizer()
        if steps < _SHORTEST or self._alike < _ALIKE or optimizer is None or len(optimizer.param_groups) == 0:
            return
        self._owner, self._optimizer, self._group = owner, optimizer, optimizer.param_groups[0]
        self._left, self._limit, self._last = steps, limit, time.perf_counter()
        self._losses = 0
        self._curious = self._tape.awaits_evaluation
        self.on = isinstance(self._group.get("lr"), float)

    def expects(self, result: Any) -> bool:
        """Say whether a loss that was just computed is the one that the step will learn from."""
        if not isinstance(result, torch.Tensor) or not result.requires_grad or self._losses:
            return False
        self._losses = 1
        return True

    def backward(self, loss: torch.Tensor) -> bool:
        """Take the value of the loss that is about to be learnt from; say whether it was as expected."""
        if self._loss is not None or not loss.is_cpu or loss.dim():
            return False
        value = loss.item()
        if not value < self._limit:  # NaN too
            return False
        self._loss = value
        tape = self._tape
        tape.awaits_evaluation = False  # until the step is over: clipping enters `no_grad`, too
        if tape.models.armed:  # for an evaluation that did not come
            tape.models.disarm()
        if len(self._lines) % _MARKED == 0:
            tape.graphs.backward_begins(loss, tape.gradients.place, tape.sightings.step + len(self._lines))
        return True

    def clipped(self, norm: Any) -> bool:
        """Take the norm that clipping has computed; say whether it could be."""
        if not isinstance(norm, torch.Tensor) or not norm.is_cpu:
            return False
        self._norm = norm.item()
        return True

    def scheduled(self, arguments: tuple[Any, ...], named: Any) -> bool:
        """Count a call `step(*arguments, **named)` of a scheduler; say whether it was as expected."""
        if not self.on or named or len(arguments) != 1:
            return False
        call = self._calls.setdefault(id(arguments[0]), [arguments[0], 0])
        call[1] += 1
        return True

    def stepped(self, optimizer: torch.optim.Optimizer) -> bool:
        """Write the line of a step; say whether it was as expected."""
        if self._loss is None or optimizer is not self._optimizer:
            return False
        now = time.perf_counter()
        self._lines.append((self._loss, self._norm, self._group["lr"], now - self._last))
        self._last, self._loss, self._norm, self._losses = now, None, None, 0
        self._left -= 1
        self._tape.awaits_evaluation = self._curious
        if self._left == 0:
            owner = self._owner
            self.leave()
            assert owner is not None
            self._tape.learnt.cruised(owner)
        return True

    def leave(self) -> None:
        """Bring the books up to date, and expect nothing more."""
        if not self.on:
            return
        self.on = False
        lines, self._lines = self._lines, []
        calls, self._calls = self._calls, {}
        tape, owner = self._tape, self._owner
        assert owner is not None
        tape.steps.cruised(lines)
        tape.sightings.step += len(lines)
        tape.loaders.stepped(len(lines))
        owner.steps += len(lines)
        tape.gradients.steps += len(lines)
        tape.gradients.backwards += len(lines)
        tape.unwalked.turn += len(lines)
        for scheduler, count in calls.values():
            tape.schedulers.called(scheduler, count, [rate for _, _, rate, _ in lines])
        if self._loss is not None:  # in the middle of a step
            tape.steps.half_cruised(self._loss, self._norm)
            tape.learnt.half_cruised()
            tape.gradients.backwards += 1
        self._loss = self._norm = self._owner = self._optimizer = None
        self._group = {}
