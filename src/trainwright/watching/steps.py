"""The numbers of a loop, step by step: losses, norms, updates; densely at first, then ever more rarely."""

from __future__ import annotations

import math
import time
import weakref
from typing import TYPE_CHECKING

import torch

from trainwright.tensors import global_norm
from trainwright.vitals.output_target import paddings, vocabularies
from trainwright.watching.delayed import Delayed, Number
from trainwright.watching.layers import LayerBooks
from trainwright.watching.losses import Given, Value
from trainwright.watching.models import Pass
from trainwright.watching.nonfinite import bad_operation
from trainwright.watching.owners import Owner
from trainwright.watching.places import Place
from trainwright.watching.probes import Probes
from trainwright.watching.rows import Row, Rows
from trainwright.watching.statistics import Statistics
from trainwright.watching.updates import Updates

if TYPE_CHECKING:
    from trainwright.watching.tape import Tape

BUDGET = 0.01
"""Share of the program's time that sampling may take, beside a grant at the start."""
_GRANT_SECONDS = 0.06
_CERTAIN = 37  # steps within which looks at the layers are not a matter of time: sixteen each, from steps 0 and 20 on
_SPIKE, _CALM = 1.25, 20  # a loss that is so many times the usual one, after so many steps
_ALARM = 2.0  # and one for which steps that pass unheard are heard again: small losses of small batches jump by half
_BATCH = 5  # samples from which a loss that is divided by their number is no chance
_ROUNDING = 1e-5
_LOOKS = (0, 1, 2, 5, 10, 20, 50)  # steps after which the chart is judged, and then at every doubling


class StepBooks:
    """Rows of numbers, and the decision which steps are looked at closely."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self.delayed = Delayed()
        self.rows = Rows(self.delayed)
        self.probes = Probes(tape)
        self.layers = LayerBooks(tape.sightings)
        self.updates = Updates(tape.sightings, self.delayed)
        self.statistics = Statistics(tape.sightings, self.delayed)
        self.closures = False
        self.sampled = True  # this step is looked at closely
        self.events: list[dict[str, object]] = []
        self._values: list[Value] = []
        self._backward: list[Number] = []
        self._norm: Number | None = None
        self._limit: float | None = None
        self._last = time.perf_counter()
        self._next_look = 0
        self._passes = 0  # of models, since the last backward pass
        self._usual, self._losses_known, self._spiked = 0.0, 0, False
        self._paths: dict[int, dict[int, str]] = {}
        self._samples, self._clip = 0, None  # of the last step that was followed

    def passed(self, seen: Pass) -> None:
        """A model was called with gradients on, in a step that is looked at."""
        losses = self._tape.losses
        if self._tape.samples.wanted:
            self._tape.samples.given(seen)
        if seen.calls:
            paths = self._paths.setdefault(id(seen.root), {id(part): path for path, part in seen.root.named_modules()})
            for call in seen.calls:
                for tensor in call.outputs:
                    losses.makers.note(tensor.grad_fn, call.module, paths.get(id(call.module), ""))
            losses.padding = tuple(paddings(seen.root))
            losses.vocabularies = frozenset(vocabularies(seen.root))
            first = next((value for value in seen.arguments if isinstance(value, torch.Tensor)), None)
            asked = [value for value in (*seen.arguments, *seen.named.values()) if isinstance(value, torch.Tensor)]
            self._passes += 1
            # What several passes, or several inputs, are compared by is no label of one of them.
            only = len(asked) == 1 and self._passes == 1
            losses.given = Given(first, weakref.ref(seen.root)) if only and first is not None else None
            losses.rows = len(first) if first is not None and first.dim() > 0 else 0
            losses.reads(first, seen)
            self.layers.passed(seen, self._tape.sightings.step)
            self.probes.passed(seen)
            self.statistics.passed(seen.calls, self._tape.sightings.step)

    def evaluated(self, value: Value, split: str) -> None:
        """A loss was computed that nothing will be learnt from."""
        squared = value.key[0] == "mse_loss"
        self.rows.evaluated(split, value, squared=squared)

    def backward_begins(self, loss: torch.Tensor | None, place: Place | None) -> None:
        """A loss is about to be learnt from."""
        tape = self._tape
        step = tape.sightings.step
        if self.rows.evaluating and self.rows.evaluation_over(step, self._epoch()):
            self._next_look = min(self._next_look, step)
        self._values += tape.losses.taken()
        self._passes = 0
        if loss is None:
            return
        value = loss.item() if loss.is_cpu and loss.dim() == 0 else loss.detach().sum()
        self._backward.append(value)
        if self.sampled and isinstance(value, float) and len(self._values) == 1:
            self._divided_again(self._values[0], value)
        self._spiked = isinstance(value, float) and self._spike(value)
        if isinstance(value, float) and not self.events and not math.isfinite(value):
            found = bad_operation(loss, tape.models.roots(), place)
            row, rows = found.get("row"), found.get("rows")
            if isinstance(row, int) and isinstance(rows, int):
                found["sample"] = tape.loaders.index(row, rows)
            self.events.append({"step": step, **found})
            self._next_look = step

    def _divided_again(self, before: Value, value: float) -> None:
        """See whether what is propagated is a mean over the batch, divided by the size of the batch."""
        self._tape.sightings.chance("mean-divided-again")
        if before.samples < _BATCH or not isinstance(before.value, float) or value == 0.0:
            return
        if abs(before.value / value / before.samples - 1) < _ROUNDING:
            facts = {"size": before.samples, "loss": before.value}
            self._tape.sightings.note("mean-divided-again", before.key[1], facts)

    def clipped(self, norm: torch.Tensor, limit: float, owners: list[Owner]) -> None:
        """The gradients' norm is known, and cost nothing."""
        self._norm, self._limit = norm.item() if norm.is_cpu else norm, limit

    def skipped(self, owner: Owner) -> None:
        """A scaler made no step of it."""
        row = self._row(owner)
        row.skipped = True
        self.rows.add(row, self._losses(), None)
        self._clear()

    def begins(self, owner: Owner) -> None:
        """An optimizer is about to step."""
        if not self.sampled:
            return
        self._measure(owner)
        self.layers.before_step(self._tape.models.roots(), self._tape.sightings.step)
        self.updates.half = self._tape.precision.unscaled_half
        self.updates.before_step(owner)
        self.probes.before_step(owner)
        self._tape.start.mixing.before_step()

    def ends(self, owner: Owner) -> None:
        """An optimizer has stepped."""
        if not self._backward and not self.closures:
            return  # another optimizer on the same gradients, or nothing to step on
        if self._spiked and not self.sampled:  # the gradients still lie there
            self._measure(owner)
        row = self._row(owner)
        if self.sampled:
            row.probe = self.probes.after_step(owner)
        self.rows.add(row, self._losses(), self._norm)
        if self.sampled:
            self.updates.after_step(owner, row)
        self._tape.cruise.followed(self._form(row))
        self._clear()

    def run_begins(self) -> None:
        """Another run has made its first step: what was usual is not any more."""
        self._usual, self._losses_known = 0.0, 0

    def _form(self, row: Row) -> object:
        """Return what the next steps would be like, None where that cannot be expected."""
        value = self._backward[0] if len(self._backward) == 1 else None
        if not isinstance(value, float) or self.closures or len(self._values) > 1:
            return None
        if self._values and self._values[0].value != value:
            return None  # the loss is not all that was minimised
        self._samples, self._clip = row.samples, self._limit
        return self._values[0].key if self._values else None, self._limit

    def cruised(self, lines: list[tuple[float, float | None, float, float]]) -> None:
        """Write the rows of steps that were not followed: loss, norm, rate and seconds of each."""
        step, epoch = self._tape.sightings.step, self._tape.loaders.epochs
        for place, (loss, norm, rate, seconds) in enumerate(lines):
            row = Row(step + place, epoch, rate, self._samples, seconds)
            if self._clip is not None and norm is not None:
                row.clipped = norm > self._clip
                row.clipped_norm = min(norm, self._clip)
            self.rows.add(row, [loss], norm)
            self._spike(loss)
        self._last = time.perf_counter()

    def half_cruised(self, loss: float, norm: float | None) -> None:
        """Go on in the middle of a step, whose backward pass is over."""
        self._backward, self._norm, self._limit = [loss], norm, self._clip if norm is not None else None

    @property
    def alarm(self) -> float:
        """The loss from which on a step is looked at."""
        return _ALARM * self._usual if self._losses_known >= _CALM and self._usual > 0 else math.inf

    def quiet(self) -> int:
        """Return for how many steps nothing is due."""
        step = self._tape.sightings.step
        every = 10 if self.layers.looking else self._every(step + 1)
        return min(every - step % every, self._next_look - step)

    def _every(self, step: int) -> int:
        """Return between how many steps one is looked at, about `step`."""
        return 10 if step <= 200 or self._tape.level == "full" else 100

    def by_hand(self) -> None:
        """A step was made without an optimizer: nothing is known of its rate, so there is no row of it."""
        self._clear()
        self.next()

    def next(self) -> None:
        """A step is over: decide about the next one."""
        tape = self._tape
        if self.sampled:
            tape.losses.makers.forget()
            tape.losses.given, self._passes = None, 0
            self.probes.forget()
            tape.start.forget()
        step = tape.sightings.step
        self.delayed.poll()
        self.sampled = not tape.compiles and self._due_sample(step)
        if self.sampled:
            tape.models.arm(detailed=True)
        elif tape.models.detailed:
            tape.models.disarm()
            tape.models.detailed = False

    def due(self) -> bool:
        """Say whether the chart is to be judged after this step."""
        step = self._tape.sightings.step
        if step < self._next_look:
            return False
        self._next_look = next((look for look in _LOOKS if look > step), 2 * step)
        return True

    def finish(self) -> None:
        """Nothing more will come."""
        self.delayed.drain()
        self.rows.evaluation_over(self._tape.sightings.step, self._epoch())

    def _spike(self, value: float) -> bool:
        """Say whether a loss stands out from those before it: a sentinel that calls for the gradient's norm."""
        known, self._losses_known = self._losses_known, self._losses_known + 1
        usual = self._usual
        self._usual = value if known == 0 else usual + 0.05 * (min(value, 2 * usual) - usual) if usual > 0 else value
        return known >= _CALM and value > _SPIKE * usual > 0

    def _measure(self, owner: Owner) -> None:
        """Take the norm of the gradients, unless clipping has told it."""
        gradients = [parameter.grad for parameter in owner.parameters() if parameter.grad is not None]
        gradients = [gradient for gradient in gradients if not gradient.is_sparse]
        if self._norm is None and gradients:
            self._norm = global_norm(gradients)

    def _due_sample(self, step: int) -> bool:
        if step < 4:
            return True
        full = self._tape.level == "full"
        if step % self._every(step) and not self.layers.looking:
            return False
        # The first two looks at the layers are made whatever they take: on a busy machine nothing else would be.
        return full or (step < _CERTAIN and self.layers.due(step)) or self.affordable

    @property
    def affordable(self) -> bool:
        """Whether there is time left for looking closely."""
        elapsed = self._tape.clock() - self._tape.started
        return self._tape.own_seconds < _GRANT_SECONDS + BUDGET * elapsed

    def _row(self, owner: Owner) -> Row:
        optimizer = owner.optimizer()
        now = time.perf_counter()
        seconds, self._last = now - self._last, now
        rate = 0.0 if optimizer is None else float(optimizer.param_groups[0].get("lr", 0.0))
        samples = sum([value.samples for value in self._values])
        row = Row(self._tape.sightings.step, self._tape.loaders.epochs, rate, samples, seconds)
        if self._limit is not None and isinstance(self._norm, float):
            row.clipped = self._norm > self._limit
            row.clipped_norm = min(self._norm, self._limit)
        return row

    def _losses(self) -> list[Number]:
        """Return what the step minimised: the library's loss where that is one line's, else what was propagated."""
        if self._values and all(value.key == self._values[0].key for value in self._values):
            return [value.value for value in self._values]
        return [sum(self._backward)] if self._backward else []

    def _clear(self) -> None:
        self._values.clear()
        self._backward.clear()
        self._norm = self._limit = None

    def _epoch(self) -> float:
        return float(self._tape.loaders.epochs)
