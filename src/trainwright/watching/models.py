"""The modules of a loop: which are called from outside, and what happens inside of them while anyone looks.

Torch's global module hooks make every call slower, so they stand only while something is to be learnt: in the first
steps, in sampled ones, and at the beginning of evaluations.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch._C._functorch import peek_interpreter_stack  # pyright: ignore[reportMissingImports]
from torch.autograd import _get_sequence_nr as sequence_number
from torch.compiler import is_compiling
from torch.nn.modules.module import (
    _global_forward_hooks_with_kwargs,
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.utils._pytree import tree_leaves

from trainwright.watching.places import Place, caller

_ROOTS = 32
_ALWAYS_ACTING = (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)


@dataclass(eq=False, slots=True)
class Call:
    """One call of a module inside of a pass. Outputs and inputs are held until the pass is done with.

    What it added to the graph has the sequence numbers from `began` up to `ended`; `place` is the user's line that
    called it, or called what did.
    """

    module: nn.Module
    inputs: list[torch.Tensor]
    outputs: list[torch.Tensor]
    leaf: bool
    place: Place | None = None
    began: int = 0
    ended: int = 0


@dataclass(eq=False, slots=True)
class Pass:
    """One call of a module from outside of all modules."""

    root: nn.Module
    grad: bool  # gradients were on
    training: bool
    place: Place | None
    calls: list[Call] = field(default_factory=list)
    arguments: tuple[Any, ...] = ()
    named: dict[str, Any] = field(default_factory=dict)
    output: Any = None
    random: torch.Tensor | None = None  # the CPU generator's state before it


class Models:
    """Sees passes while it is `armed`; `seen(pass)` gets each of them when it is over."""

    def __init__(self, seen: Callable[[Pass], None], listening: Callable[[], bool]) -> None:
        self._seen = seen
        self._listening = listening
        self._handles: list[Any] = []
        self._stack: list[tuple[nn.Module, Place | None, int]] = []
        self._pass: Pass | None = None
        self._roots: dict[int, weakref.ref[nn.Module]] = {}
        self.detailed = False  # calls inside are kept, too
        self.evaluates = False  # a pass is under way in evaluation mode
        self._state: torch.Tensor | None = None  # of the CPU's generator, when it began

    @property
    def armed(self) -> bool:
        """Whether passes are seen."""
        return bool(self._handles)

    def arm(self, *, detailed: bool = False) -> None:
        """See passes from now on; with `detailed`, also what happens inside."""
        self.detailed = detailed
        if not self._handles:
            self._stack.clear()
            self._pass = None
            self._handles = [
                register_module_forward_pre_hook(self._enter),
                register_module_forward_hook(self._leave, with_kwargs=True, always_call=True),
            ]

    def disarm(self) -> None:
        """See no more."""
        for handle in self._handles:
            handle.remove()
            _global_forward_hooks_with_kwargs.pop(handle.id, None)  # which torch forgets to take away
        self._handles = []
        self._pass = None
        self.evaluates = False

    def innermost(self) -> nn.Module | None:
        """Return the module whose call is under way."""
        return self._stack[-1][0] if self._stack else None

    def knows(self, module: nn.Module) -> bool:
        """Say whether a module is a part of the one whose pass is under way."""
        return bool(self._stack) and any(part is module for part in self._stack[0][0].modules())

    def outermost(self) -> nn.Module | None:
        """Return the module whose pass is under way."""
        return self._stack[0][0] if self._stack else None

    def under_way(self) -> Pass | None:
        """Return the pass that is under way, with no more than its arguments by place."""
        return self._pass if self._stack else None

    def drew(self) -> bool:
        """Say whether random numbers were drawn on the CPU since the pass in evaluation mode began."""
        return self._state is not None and not torch.equal(self._state, torch.get_rng_state())

    def roots(self) -> list[nn.Module]:
        """Return the modules that were called from outside with gradients on, as far as they live."""
        return [module for module in (reference() for reference in self._roots.values()) if module is not None]

    def add(self, root: nn.Module) -> None:
        """Count a module among those that are called from outside."""
        if len(self._roots) < _ROOTS:
            self._roots.setdefault(id(root), weakref.ref(root))

    def _enter(self, module: nn.Module, inputs: Any) -> None:
        if not self._listening() or peek_interpreter_stack() is not None:
            return  # inside of a function transform tensors have no values of their own
        if not self._stack:
            self.evaluates = not module.training
            self._state = torch.get_rng_state() if self.evaluates else None
            grad = torch.is_grad_enabled()
            self._pass = Pass(root=module, grad=grad, training=module.training, place=caller(), arguments=inputs)
            if self.detailed and grad:
                self._pass.random = torch.get_rng_state()
        self._stack.append((module, caller(), sequence_number()) if self.detailed else (module, None, 0))

    def _leave(self, module: nn.Module, inputs: Any, *rest: Any) -> None:
        if is_compiling():
            return
        if not self._stack or not any(entered is module for entered, *_ in reversed(self._stack)):
            return  # entered before anyone looked
        entered, place, began = self._stack.pop()
        while entered is not module:  # above it only calls whose exception was caught
            entered, place, began = self._stack.pop()
        over = self._pass
        if len(rest) == 1:  # the call raised an error: torch tells no arguments by name then
            self._pass = over if self._stack else None
            return
        named, output = rest
        if over is None:
            return
        if self.detailed or isinstance(module, _ALWAYS_ACTING):
            leaf = next(module.children(), None) is None
            given = _tensors(inputs[0]) if len(inputs) == 1 and not named else _tensors((inputs, named))
            over.calls.append(Call(module, given, _tensors(output), leaf, place, began, sequence_number()))
        if not self._stack:
            self._pass = None
            self.evaluates = False
            over.arguments, over.named, over.output = inputs, named, output
            owns = next(over.root.parameters(), None) is not None
            if over.grad and owns:
                self.add(over.root)
            self._seen(over)


def _tensors(value: Any) -> list[torch.Tensor]:
    """Return the tensors in a value, which is nearly always one itself."""
    if isinstance(value, torch.Tensor):
        return [value]
    return [part for part in tree_leaves(value) if isinstance(part, torch.Tensor)]


def acts_differently(module: nn.Module) -> list[str]:
    """Return the kinds of submodules that do something else in training: dropout that drops, batch normalisation."""
    found = {
        type(part).__name__
        for part in module.modules()
        if (isinstance(part, nn.modules.dropout._DropoutNd) and part.p > 0)
        or isinstance(part, nn.modules.batchnorm._BatchNorm)
        or (isinstance(part, nn.MultiheadAttention | nn.RNNBase) and getattr(part, "dropout", 0.0) > 0)
    }
    return sorted(found)
