"""The replacements: each does what the original does, and tells the tape of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import torch
from torch._C._functorch import peek_interpreter_stack  # pyright: ignore[reportMissingImports]
from torch.optim import Optimizer

from trainwright.watching.patches import Patches
from trainwright.watching.tape import Tape
from trainwright.watching.thresholds import is_middle


class Teller:
    """Makes the replacements. Each tells the tape under its guard, in the thread that trains."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._thread = threading.get_ident()
        self._inside = False  # of a call whose own calls are its own business

    def _listening(
        self,
        compiling: Callable[[], bool] = torch.compiler.is_compiling,
        thread: Callable[[], int] = threading.get_ident,
    ) -> bool:
        if compiling():  # first: what is compiled must not even look at the tape
            return False
        tape = self._tape
        # Inside of a function transform (vmap, grad) tensors have no values of their own.
        return tape.on and not tape.busy and thread() == self._thread and peek_interpreter_stack() is None

    def _following(self) -> bool:
        """Say whether the order of calls is heard."""
        return self._tape.attentive and self._listening()

    def _training(self) -> bool:
        """Say whether a backward pass or a step is heard: the first that learns settles which thread it is."""
        if self._tape.sightings.step == 0 and self._tape.gradients.backwards == 0:
            self._thread = threading.get_ident()
        return self._listening()

    def after(self, event: str, *, followed: bool = False) -> Callable[[Any], Any]:
        """Tell `event(result, *arguments, **named)` after each call; or only while the order of calls is `followed`."""
        tape = self._tape
        listening = self._following if followed else self._listening

        def make(original: Any) -> Any:
            def told(*arguments: Any, **named: Any) -> Any:
                result = original(*arguments, **named)
                if listening():
                    tape.tell(event, result, *arguments, **named)
                return result

            return told

        return make

    def around(self, event: str) -> Callable[[Any], Any]:
        """Tell `event(*arguments)` before each call, and `event_ends(result, *arguments)` after it."""
        tape, listening = self._tape, self._listening

        def make(original: Any) -> Any:
            def told(*arguments: Any, **named: Any) -> Any:
                heard = listening()
                if heard:
                    tape.tell(event, *arguments)
                result = original(*arguments, **named)
                if heard:
                    tape.tell(f"{event}_ends", result, *arguments)
                return result

            return told

        return make

    def outermost(
        self, event: str, expected: Callable[[tuple[Any, ...], Any], bool] = lambda arguments, named: False
    ) -> Callable[[Any], Any]:
        """Tell `event(result, *arguments, **named)` after a call that no other such call has made.

        A call that was `expected(arguments, named)` is not told.
        """
        tape, listening = self._tape, self._listening

        def make(original: Any) -> Any:
            def told(*arguments: Any, **named: Any) -> Any:
                if self._inside or not listening():
                    return original(*arguments, **named)
                self._inside = True
                try:
                    result = original(*arguments, **named)
                finally:
                    self._inside = False
                if not expected(arguments, named):
                    tape.tell(event, result, *arguments, **named)
                return result

            return told

        return make

    def tensor_backward(self, original: Any) -> Any:
        """`loss.backward()`, which calls `autograd.backward` itself."""
        tape, training = self._tape, self._training
        cruise, guarded = tape.cruise, self._guarded

        def backward(self: torch.Tensor, *arguments: Any, **named: Any) -> Any:
            if not training():
                return original(self, *arguments, **named)
            expected = cruise.on and not arguments and not named and guarded(cruise.backward, self)
            if not expected:
                tape.tell("backward_begins", self, *arguments, **named)
            tape.inside_backward = True
            try:
                result = original(self, *arguments, **named)
            except RuntimeError as problem:
                tape.tell("backward_refused", self, problem)
                raise
            finally:
                tape.inside_backward = False
            if tape.attentive and not expected:
                tape.tell("backward_ends")
            return result

        return backward

    def backward(self, original: Any) -> Any:
        """`torch.autograd.backward(losses)`, called by itself."""
        tape, training = self._tape, self._training

        def backward(tensors: Any, *arguments: Any, **named: Any) -> Any:
            if tape.inside_backward or not training():
                return original(tensors, *arguments, **named)
            first = tensors if isinstance(tensors, torch.Tensor) else next(iter(tensors), None)
            tape.tell("backward_begins", first, *arguments, **named)
            result = original(tensors, *arguments, **named)
            tape.tell("backward_ends")
            return result

        return backward

    def taken(self, original: Any) -> Any:
        """`torch.autograd.grad`: gradients that reach no `.grad`."""
        tape, listening = self._tape, self._listening

        def grad(*arguments: Any, **named: Any) -> Any:
            if listening():
                tape.tell("gradients_taken")
            return original(*arguments, **named)

        return grad

    def loss(self, name: str) -> Callable[[Any], Any]:
        """A loss of the library: told before it is computed where it fails, else after."""
        tape, listening = self._tape, self._listening
        cruise = tape.cruise

        def make(original: Any) -> Any:
            def loss(*arguments: Any, **named: Any) -> Any:
                if not listening():
                    return original(*arguments, **named)
                try:
                    result = original(*arguments, **named)
                except Exception as problem:
                    tape.tell("loss_failed", name, problem, arguments, named)
                    raise
                if not cruise.on or not cruise.expects(result):
                    tape.tell("loss_called", name, original, result, arguments, named)
                return result

            return loss

        return make

    def signed(self, name: str, place: int) -> Callable[[Any], Any]:
        """A loss whose targets are -1 and 1."""
        tape, listening = self._tape, self._listening

        def make(original: Any) -> Any:
            def loss(*arguments: Any, **named: Any) -> Any:
                result = original(*arguments, **named)
                if tape.steps.sampled and listening():
                    tape.tell("signed", name, arguments[place] if len(arguments) > place else named.get("target"))
                return result

            return loss

        return make

    def gradients_off(self, original: Any) -> Any:
        """`with torch.no_grad()`: entered several times a step by torch itself, so nothing is spent on most of it."""
        tape, listening = self._tape, self._listening

        def __enter__(self: Any) -> Any:
            result = original(self)
            if tape.awaits_evaluation and listening():
                tape.tell("gradients_off")
            return result

        return __enter__

    def dropped(self, original: Any) -> Any:
        """`F.dropout`: of interest only inside of a model in evaluation mode."""
        tape, listening = self._tape, self._listening

        def dropout(input: Any, p: float = 0.5, *rest: Any, **named: Any) -> Any:
            training = rest[0] if rest else named.get("training", True)
            if training and tape.models.evaluates and p > 0 and listening():
                tape.tell("dropped", explicit=bool(rest) or "training" in named)
            return original(input, p, *rest, **named)

        return dropout

    def attended(self, original: Any) -> Any:
        """`F.scaled_dot_product_attention`, whose dropout knows no mode."""
        tape, listening = self._tape, self._listening

        def scaled_dot_product_attention(*arguments: Any, **named: Any) -> Any:
            dropped = named.get("dropout_p") or (arguments[4] if len(arguments) > 4 else 0.0)
            if tape.models.evaluates and dropped > 0 and listening():
                tape.tell("dropped", explicit=False)
            return original(*arguments, **named)

        return scaled_dot_product_attention

    def compared(self, original: Any) -> Any:
        """`tensor > 0.5`: no other number is of interest."""
        tape, listening = self._tape, self._listening

        def compared(self: torch.Tensor, other: Any, *rest: Any, **named: Any) -> Any:
            result = original(self, other, *rest, **named)
            if is_middle(other) and listening():
                tape.tell("compared", self, result)
            if tape.models.evaluates and isinstance(other, float) and 0 < other < 1 and listening():
                tape.tell("masked", self, other)
            return result

        return compared

    def clipped_norms(self, original: Any) -> Any:
        """What clips gradients once their norm is known."""
        tape, listening = self._tape, self._listening
        cruise, guarded = tape.cruise, self._guarded

        def _clip_grads_with_norm_(parameters: Any, limit: Any, norm: Any, *rest: Any, **named: Any) -> Any:
            result = original(parameters, limit, norm, *rest, **named)
            if listening() and not (cruise.on and guarded(cruise.clipped, norm)):
                tape.tell("clipped", result, parameters, limit, norm, *rest, **named)
            return result

        return _clip_grads_with_norm_

    def clipped_values(self, original: Any) -> Any:
        """`clip_grad_value_`: a generator can be read once, so it is read here, for both."""
        tape, listening = self._tape, self._listening

        def clip_grad_value_(parameters: Any, *arguments: Any, **named: Any) -> Any:
            if not listening():
                return original(parameters, *arguments, **named)
            tensors = [parameters] if isinstance(parameters, torch.Tensor) else list(parameters)
            result = original(tensors, *arguments, **named)
            tape.tell("clipped", result, tensors)
            return result

        return clip_grad_value_

    def drawn(self, original: Any) -> Any:
        """The next batch of a loader, with the time that it took."""
        tape, listening = self._tape, self._listening

        def __next__(self: Any) -> Any:
            if not listening():
                return original(self)
            started = tape.clock()
            try:
                batch = original(self)
            except StopIteration:
                tape.tell("batches_over", self)
                raise
            seconds = tape.clock() - started
            if not tape.cruise.on or not tape.loaders.goes_on(self, seconds):
                tape.tell("batch_drawn", self, batch, seconds)
            return batch

        return __next__

    def chosen(self, original: Any) -> Any:
        """Which samples make up the next batch of a loader: kept, and nothing else, as workers read ahead."""
        tape, listening = self._tape, self._listening

        def _next_index(self: Any) -> Any:
            indices = original(self)
            if listening():
                tape.loaders.chose(self, indices)
            return indices

        return _next_index

    def compiled_call(self, original: Any) -> Any:
        """A call of a compiled module, which does not go together with hooks on all modules."""
        tape, listening = self._tape, self._listening

        def __call__(self: Any, *arguments: Any, **named: Any) -> Any:
            if not tape.compiles and listening():
                tape.tell("compiled", None)
            return original(self, *arguments, **named)

        return __call__

    def fetched(self, original: Any) -> Any:
        """What a worker process reads: there, where nobody listens, only the states of generators are looked at."""
        tape = self._tape

        def fetch(self: Any, *arguments: Any, **named: Any) -> Any:
            draws = tape.loaders.draws
            if draws is None or draws.done:
                return original(self, *arguments, **named)
            return draws.fetch(original, self, arguments, named)

        return fetch

    def suspended(self, patches: Patches) -> Callable[[Any], Any]:
        """`torch.jit.script` reads the source of what it meets: it meets the originals."""

        def make(original: Any) -> Any:
            def script(
                obj: Any,
                optimize: None = None,
                _frames_up: int = 0,
                _rcb: Any = None,
                example_inputs: Any = None,
            ) -> Any:
                with patches.lifted():  # one more frame lies between it and the names that the code uses
                    return original(obj, optimize, _frames_up + 1, _rcb, example_inputs)

            return script

        return make

    def step_begins(self, optimizer: Optimizer, arguments: Any, named: Any) -> None:
        """An optimizer's step, before it."""
        if self._tape.attentive and self._training():
            self._tape.tell("step_begins", optimizer, arguments, named)

    def step_ends(self, optimizer: Optimizer, arguments: Any, named: Any) -> None:
        """An optimizer's step, after it."""
        if not self._listening():
            return
        cruise = self._tape.cruise
        if not cruise.on or not self._guarded(cruise.stepped, optimizer):
            self._tape.tell("step_ends", optimizer)

    def _guarded(self, hear: Callable[[Any], bool], what: Any) -> bool:
        """Hear what is expected; an error ends the hearing, and nothing else."""
        tape = self._tape
        tape.busy = True
        try:
            return hear(what)
        except Exception as problem:
            tape.cruise.on = False
            tape.stand_down(problem)
            return True
        finally:
            tape.busy = False
