"""Hears everything that happens in a loop, in order, and passes it to the books that keep it.

Nothing here may stop the program that is watched: whatever goes wrong is kept in `problem`, and no more is heard.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from trainwright.records.findings import Scalar
from trainwright.watching.byhand import StepsByHand
from trainwright.watching.framing import Frames
from trainwright.watching.gradients import FORMATIVE, GradientBooks
from trainwright.watching.graphs import GraphBooks, frames_compiled, leaves
from trainwright.watching.loaders import LoaderBooks
from trainwright.watching.losses import LossBooks
from trainwright.watching.membership import MembershipBooks
from trainwright.watching.models import Models, Pass
from trainwright.watching.modes import ModeBooks
from trainwright.watching.optimizers import OptimizerBooks
from trainwright.watching.origins import Origins
from trainwright.watching.owners import Owner, closure_of
from trainwright.watching.places import caller
from trainwright.watching.precision import PrecisionBooks
from trainwright.watching.samples import SampleBooks
from trainwright.watching.schedulers import SchedulerBooks
from trainwright.watching.sightings import Sightings
from trainwright.watching.signs import SignBooks
from trainwright.watching.start import StartBooks
from trainwright.watching.steps import StepBooks
from trainwright.watching.thresholds import ThresholdBooks
from trainwright.watching.unwalked import UnwalkedBooks

DENSE_STEPS = 3
"""Steps at the start of which everything is seen."""
FORMATIVE_STEPS = 64
"""Steps whose calls are followed one by one; then three in a row of every so many, and some after whatever is new."""
WINDOW_STEPS, HEARD_STEPS, NEWS_STEPS = 32, 3, 4


class Tape:
    """What torch tells, told on. `on` says that it is heard; `busy` that the watcher itself is at work in torch."""

    def __init__(self, level: str, judge: Callable[[], None]) -> None:
        self.level = level
        self.on = True
        self.busy = False
        self.inside_backward = False
        self.problem: Exception | None = None
        # Not the thread's own time, which takes a call of the system: on a busy machine both sides of the budget grow.
        self.clock = time.perf_counter
        self.started = self.clock()
        self.own_seconds = 0.0
        self.sightings = Sightings()
        self.gradients = GradientBooks(self.sightings)
        self.optimizers = OptimizerBooks(self.sightings, self.gradients.owners)
        self.schedulers = SchedulerBooks(self.sightings)
        self.precision = PrecisionBooks(self.sightings)
        self.loaders = LoaderBooks()
        self.losses = LossBooks()
        self.models = Models(self.passed, lambda: self.on and not self.busy)
        self.modes = ModeBooks(self.sightings, self.models)
        self.graphs = GraphBooks(self.sightings)
        self.signs = SignBooks(self.sightings)
        self.unwalked = UnwalkedBooks(self.sightings, self.models)
        self.origins = Origins()
        self.members = MembershipBooks(self.sightings, self.models, self.origins)
        self.samples = SampleBooks(self.sightings, self.loaders)
        self.steps = StepBooks(self)
        self.start = StartBooks(self)
        self.thresholds = ThresholdBooks(self)
        self.frames = Frames()
        self.by_hand = StepsByHand()
        self.steps_by_hand = 0
        self.compiles = False
        self._compiled_before = frames_compiled()
        self._judge = judge
        self.last_step: int | None = None  # where the program is to be ended
        self.cut = False
        self.attentive = True  # the order of calls is followed
        self.awaits_evaluation = True  # passes without gradients would be news
        self._attentive_until = FORMATIVE_STEPS
        self._turns: deque[int] = deque(maxlen=8)  # the optimizers that made the last steps
        self._backward_since_step = False

    def tell(self, event: str, *arguments: Any, **named: Any) -> None:
        """Hear one event; an error in hearing ends the hearing, and nothing else."""
        sampled = self.steps.sampled  # what every step costs is not sampling's to save
        started = self.clock() if sampled else 0.0
        self.busy = True
        try:
            getattr(self, event)(*arguments, **named)
        except Exception as problem:  # whatever it is: the program that is watched must not feel it
            self.stand_down(problem)
        finally:
            self.busy = False
            if sampled:
                self.own_seconds += self.clock() - started

    def begin(self) -> None:
        """Listen, and let autograd remember the line of each operation until the first backward pass."""
        self.started = self.clock()
        self.models.arm(detailed=True)
        self.frames.begin()

    def end(self) -> None:
        """Nothing more will come."""
        self.busy = True
        self.frames.end()
        if self.problem is None:
            try:
                self._hand_step()
                self.unwalked.finish()
                self.steps.finish()
            except Exception as problem:
                self.stand_down(problem)
        self.on = False
        self.models.disarm()  # last: a step that is counted at the end arms for the next one

    def stand_down(self, problem: Exception) -> None:
        """Hear nothing more."""
        self.problem, self.on = self.problem or problem, False
        self.frames.end()
        self.models.disarm()

    def study(self) -> None:
        """Look at what takes many samples together to be seen. Called before the chart is judged."""
        busy, self.busy = self.busy, True
        try:
            if self.problem is None:
                self.samples.study(self.losses.order())
        except Exception as problem:
            self.stand_down(problem)
        finally:
            self.busy = busy

    # What is built.

    def optimizer_made(self, result: Any, optimizer: Any, *rest: Any, **named: Any) -> None:
        """`torch.optim.X(...)`."""
        self.optimizers.made(optimizer, caller())
        self._attend()
        self._news()

    def scheduler_made(self, result: Any, scheduler: Any, *rest: Any, **named: Any) -> None:
        """`torch.optim.lr_scheduler.X(...)`."""
        self.schedulers.made(scheduler, caller())

    def state_loaded(self, result: Any, loaded: Any, *rest: Any, **named: Any) -> None:
        """`optimizer.load_state_dict(...)`, or a scheduler's."""
        if isinstance(loaded, torch.optim.Optimizer):
            self.optimizers.loaded(loaded, caller())
        else:
            self.schedulers.loaded(loaded)

    def module_made(self, result: Any, module: Any, *rest: Any, **named: Any) -> None:
        """`nn.Linear(...)`, or any other module."""
        if self.sightings.step < DENSE_STEPS:
            self.origins.made(module, caller())

    def initialised(self, result: Any, *rest: Any, **named: Any) -> None:
        """`nn.init.X(weight)`, by the user or by a module that is being made."""
        if self.sightings.step < DENSE_STEPS and isinstance(result, torch.Tensor):
            self.origins.initialised(result, caller())

    def weights_loaded(self, result: Any, module: Any, state: Any, *rest: Any, **named: Any) -> None:
        """`model.load_state_dict(...)`: what `strict=False` leaves out."""
        self.by_hand.meant = True
        missing = list(getattr(result, "missing_keys", ()) or ())
        unexpected = len(getattr(result, "unexpected_keys", ()) or ())
        if missing:
            total = len(module.state_dict(keep_vars=True))
            facts = {
                "missing": len(missing),
                "total": total,
                "unexpected": unexpected,
                "names": ", ".join(missing[:3]),
            }
            self.sightings.note("keys-not-loaded", caller(), facts)

    def compiled(self, result: Any, *rest: Any, **named: Any) -> None:
        """`torch.compile(...)`: from now on modules are not looked into."""
        self.compiles = True
        self.models.disarm()

    # What feeds.

    def loader_made(self, result: Any, loader: Any, *rest: Any, **named: Any) -> None:
        """`DataLoader(...)`."""
        self.loaders.made(loader, caller())

    def workers_start(self, iterator: Any, loader: Any, *rest: Any) -> None:
        """The worker processes of a pass are about to be forked."""
        self.loaders.workers_start(loader)

    def workers_start_ends(self, result: Any, iterator: Any, loader: Any, *rest: Any) -> None:
        """They run."""
        self.loaders.draws = None

    def epoch_begins(self, iterator: Any, loader: Any) -> None:
        """`for batch in loader`."""
        if self.loaders.begins(iterator, loader, caller()):
            self.schedulers.epoch_over(self.loaders.epoch_steps or 0)

    def batch_drawn(self, iterator: Any, batch: Any, seconds: float) -> None:
        """A batch came."""
        self.loaders.drawn(iterator, batch, seconds)

    def batches_over(self, iterator: Any) -> None:
        """A loader has nothing more to give in this pass."""
        self.loaders.is_over(iterator)

    # What is computed.

    def mode_changed(self, result: Any, module: Any, mode: bool = True) -> None:
        """`model.train()` or `model.eval()`."""
        self._attend()
        if not self.compiles:
            self.modes.changed(module, mode, caller())

    def gradients_off(self) -> None:
        """`with torch.no_grad()`."""
        self.modes.await_evaluation()

    def dropped(self, *, explicit: bool) -> None:
        """`F.dropout(..., training=True)` inside of a model in evaluation mode."""
        inner = self.models.innermost()
        if not isinstance(inner, nn.modules.dropout._DropoutNd):  # a layer that was left on is left on by intent
            facts: dict[str, Scalar] = {"explicit": explicit}
            facts |= {} if inner is None else {"modules": type(inner).__name__}
            self.sightings.note("dropout-in-evaluation", caller(), facts)

    def autocast_made(
        self,
        result: Any,
        block: Any,
        device_type: str,
        dtype: Any = None,
        enabled: bool = True,
        cache_enabled: Any = None,
    ) -> None:
        """`torch.autocast(device)`, which torch may switch off."""
        self.precision.made(block, device_type, asked=enabled)

    def autocast_entered(self, result: Any, block: Any) -> None:
        """`with torch.autocast(...)`."""
        self.precision.entered(block)

    def passed(self, seen: Pass) -> None:
        """A module was called from outside of all modules: told by the hooks, under their own guard."""
        started = self.clock()
        self.busy = True
        try:
            alone = self.unwalked.alone
            self.unwalked.passed(seen)
            if alone and seen.grad and seen.training:
                return
            self.modes.passed(seen)
            self.thresholds.passed(seen)
            if not (seen.grad and seen.training):
                self.samples.asked(seen)
            if seen.grad:
                self.precision.passed(seen.calls)
                if self.sightings.step < DENSE_STEPS:
                    self.members.passed(seen)
                self.start.passed(seen)
                self.steps.passed(seen)
        except Exception as problem:
            self.stand_down(problem)
        finally:
            self.busy = False
            self.own_seconds += self.clock() - started

    def loss_called(self, function: str, original: Any, result: Any, arguments: Any, named: Any) -> None:
        """A loss of the library was computed."""
        value = self.losses.called(function, result, arguments, named)
        if value is None:
            return
        if value.trains:
            if len(self.losses.pending) > 1:
                self.unwalked.losses_wait()
            if self.steps.sampled:
                self.samples.labelled(arguments[1] if len(arguments) > 1 else named.get("target"))
                self.steps.probes.loss(original, result, arguments, named)
                self.start.predicted(function, result, arguments, named)
        else:
            self.steps.evaluated(value, self.loaders.split())

    def compared(self, tensor: torch.Tensor) -> None:
        """`tensor > 0.5`."""
        self.thresholds.compared(tensor)

    def loss_failed(self, function: str, problem: Exception, arguments: Any, named: Any) -> None:
        """A loss of the library raised an error."""
        self.losses.fails(function, problem, arguments, named)
        self._judge()

    # What learns.

    def zeroed(self, result: Any, what: Any, *rest: Any, **named: Any) -> None:
        """`zero_grad()` of an optimizer or a module."""
        if isinstance(what, nn.Module):
            self.gradients.zeroed(self.optimizers.sharing(what))
        else:
            self.gradients.zeroed((self.optimizers.owner(what),))

    def backward_begins(
        self,
        loss: Any,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        **named: Any,
    ) -> None:
        """`loss.backward()`."""
        tensor = loss if isinstance(loss, torch.Tensor) else None
        self.awaits_evaluation = False
        self.unwalked.turn += 1
        if not self.attentive:
            self._backward_since_step = True
            self.gradients.backwards += 1
            self.steps.backward_begins(tensor, self.gradients.place)
            if tensor is not None:
                self.graphs.backward_begins(tensor, self.gradients.place, self.sightings.step)
            return
        self._hand_step()
        self._backward_since_step = True
        if self.frames.on:
            self.frames.end()
        self.loaders.trained()
        self.samples.begins()
        place = caller() if self.gradients.backwards < FORMATIVE else self.gradients.place
        self.gradients.backward_begins(tensor, place, retained=bool(retain_graph or create_graph))
        self.steps.backward_begins(tensor, place)
        if tensor is not None:
            self.graphs.backward_begins(tensor, place, self.sightings.step)
            self.graphs.bound()
            if retain_graph:
                self.graphs.retained(tensor, place)
            if self.gradients.backwards <= DENSE_STEPS:
                self.graphs.reach(tensor, self._weights(), place)
                if not self.gradients.owners:
                    self.by_hand.reaches(leaves(tensor), self.models.roots())
            if self.sightings.step < DENSE_STEPS:
                self.members.backward_begins(tensor, place)
            if self.steps.sampled:
                self.start.backward_begins(tensor, place)
                self.signs.backward_begins(tensor, place)
        if self.models.armed and not self.steps.sampled:
            self.models.disarm()

    def backward_ends(self) -> None:
        """The gradients are there."""
        self.gradients.backward_ends()
        if not self.gradients.owners:
            self.by_hand.remember(self.models.roots())
        if self.steps.sampled:
            self.start.backward_ends()
        if self.sightings.step < DENSE_STEPS:
            self.members.backward_ends()
        if self.gradients.backwards <= DENSE_STEPS or self.gradients.steps == 0:
            self._news(always=self.gradients.backwards == 1)
        if self.last_step is not None:
            self._end_program()

    def backward_refused(self, loss: Any, problem: Exception) -> None:
        """`loss.backward()` raised an error."""
        if "does not require grad" in str(problem):
            operation = self.graphs.maker(loss)
            self.sightings.note("loss-without-graph", self.gradients.place, {"operation": operation})
        elif "backward through the graph a second time" in str(problem) and isinstance(loss, torch.Tensor):
            self.graphs.refused(loss, self.gradients.place)
        elif "modified by an inplace operation" in str(problem) and len(self.gradients.owners) < 2:
            self.graphs.refused(loss, self.gradients.place, overwritten=True)  # weights of a graph that is older
        self._news()

    def gradients_taken(self) -> None:
        """`torch.autograd.grad(...)`: gradients that lie nowhere, for penalties and for optimizers written by hand."""
        self._backward_since_step = True
        self.unwalked.turn += 1

    def clipped(
        self, result: Any, parameters: Any, limit: Any = None, norm: Any = None, *rest: Any, **named: Any
    ) -> None:
        """`clip_grad_norm_` or `clip_grad_value_`."""
        if not self.attentive:
            if isinstance(norm, torch.Tensor) and isinstance(limit, int | float):
                self.steps.clipped(norm.detach(), float(limit), [])
            return
        tensors = [parameters] if isinstance(parameters, torch.Tensor) else list(parameters)
        if isinstance(limit, float) and limit == math.inf:
            return  # that only measures the norm
        owners = self.gradients.clipped(tensors)
        self.precision.clipped(owners)
        if isinstance(norm, torch.Tensor) and isinstance(limit, int | float):
            self.steps.clipped(norm.detach(), float(limit), owners)

    def scaler_scaled(self, result: Any, scaler: Any, *rest: Any, **named: Any) -> None:
        """`scaler.scale(loss)`."""
        self.precision.scales(scaler)

    def scaler_unscaled(self, result: Any, scaler: Any, optimizer: Any) -> None:
        """`scaler.unscale_(optimizer)`: the gradients are divided again."""
        self.precision.divides(optimizer)
        owner = self.optimizers.owner(optimizer)
        owner.before = owner.state()

    def scaler_step(self, scaler: Any, optimizer: Any, *rest: Any) -> None:
        """`scaler.step(optimizer)`."""
        self.precision.step_begins(scaler, optimizer)

    def scaler_step_ends(self, result: Any, scaler: Any, optimizer: Any, *rest: Any) -> None:
        """The scaler has stepped, or has not."""
        if self.precision.step_ends():
            self.steps.skipped(self.optimizers.owner(optimizer))
            self._step_over(self.optimizers.owner(optimizer))

    def scaler_updated(self, result: Any, scaler: Any, *rest: Any, **named: Any) -> None:
        """`scaler.update()`."""
        self.precision.updates()

    def step_begins(self, optimizer: Any, arguments: Any, named: Any) -> None:
        """`optimizer.step()`, before it."""
        owner = self.optimizers.owner(optimizer)
        self.precision.stepped(optimizer)
        if (len(arguments) > 1 or named) and closure_of(arguments, named):
            self.steps.closures = True
            return
        if owner.steps == 0:
            self.optimizers.stepping(owner, self.schedulers.resumed(optimizer))
        self.gradients.step_begins(owner)
        self.modes.stepping()
        self.steps.begins(owner)
        self._news()

    def step_ends(self, optimizer: Any) -> None:
        """`optimizer.step()`, after it."""
        owner = self.optimizers.owner(optimizer)
        self.signs.stepped(owner, scaling=self.precision.scaling)
        self.steps.ends(owner)
        if owner.steps <= 1:
            self.optimizers.stepped(owner)
        self._step_over(owner)

    def scheduler_stepped(self, result: Any, scheduler: Any, *rest: Any, **named: Any) -> None:
        """`scheduler.step()`."""
        self.schedulers.stepped(scheduler)

    def _hand_step(self) -> None:
        """If the weights have moved, and there is no optimizer of torch that has moved them: count a step."""
        if self.gradients.owners or not self._backward_since_step:
            return
        if not self.by_hand.moved():
            if self.by_hand.stands_still():
                facts = {"by_hand": True}
                self.sightings.note("weights-unchanged", self.gradients.place, facts, count=self.by_hand.idle)
        else:
            self.steps_by_hand += 1
            self.sightings.step += 1
            self.loaders.stepped()
            self.steps.by_hand()
            self._news(always=self.steps.due())

    def _step_over(self, owner: Owner) -> None:
        fresh = self._backward_since_step or not self._turns or self._turns[-1] == id(owner)
        if self.attentive:
            self.gradients.step_ends(owner)
        else:
            owner.steps += 1
            self.gradients.steps += 1
        if fresh:  # several optimizers may step on one backward pass: that is one step
            self.sightings.step += 1
            self.loaders.stepped()
            self._turns.append(id(owner))
        self._backward_since_step = False
        if owner.steps <= DENSE_STEPS:
            self.optimizers.note_facts(owner, self.models.roots())
        if self.sightings.step <= DENSE_STEPS and self.gradients.backwards:
            self.members.step_over(owner, self.gradients.owners.values())
            self.start.step_over()
        if self.steps.sampled and not self.compiles and frames_compiled() > self._compiled_before:
            self.compiled(None)  # what was made before anyone watched was compiled when it was called
        if self.sightings.step == DENSE_STEPS:
            self.precision.judged()
        self.steps.next()
        self._listen_on()
        self._news(always=self.steps.due())
        if self.last_step is not None:
            self._end_program()

    def _end_program(self) -> None:
        """End the program once it has made its steps; or so many backward passes, where it makes no step."""
        if (self.sightings.step or self.gradients.backwards) >= (self.last_step or 0):
            self.cut = True
            raise SystemExit(0)

    def _attend(self) -> None:
        """Something is new: follow the next steps call by call."""
        self._attentive_until = max(self._attentive_until, self.sightings.step + NEWS_STEPS)

    def _listen_on(self) -> None:
        """Decide whether the calls of the next step are followed."""
        step = self.sightings.step
        attentive = (
            step < self._attentive_until
            or step % WINDOW_STEPS < HEARD_STEPS
            or self.steps.sampled
            or self.precision.scaling
        )
        if attentive and not self.attentive:
            self.gradients.begin_again()
        self.attentive = attentive
        self.awaits_evaluation = self.modes.curious and not self.compiles

    def _weights(self) -> Iterator[torch.Tensor]:
        """Yield what is there to be trained, as far as it is known."""
        for root in self.models.roots():
            yield from root.parameters()
        for owner in self.gradients.owners.values():
            yield from owner.parameters()

    @property
    def turns(self) -> bool:
        """Whether several optimizers take turns, each with a backward pass of its own."""
        return len(set(self._turns)) > 1

    def _news(self, *, always: bool = False) -> None:
        if always or self.sightings.fresh:
            self.sightings.fresh = False
            self._judge()
