"""Functions with a backward of their own: found, vectorised, and told from those that exist for their backward."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from trainwright.checks.inputs import tensors
from trainwright.checks.wiring import nodes

_PROBE = 1e-6  # relative: what moves an input by this, and not the output, has no derivative there
_NOT_HERE = object()


def own_functions(value: torch.Tensor) -> list[type]:
    """Return the classes of `torch.autograd.Function` behind a value."""
    found = (getattr(type(node), "_forward_cls", None) for node in nodes(value))
    return list(dict.fromkeys(each for each in found if each is not None))


class _Context:
    """Stands for the `ctx` of a forward that nothing is differentiated through: takes all, and keeps it."""

    needs_input_grad = (False,) * 64

    def save_for_backward(self, *saved: Any) -> None:
        self.saved_tensors = saved

    save_for_forward = save_for_backward

    def mark_dirty(self, *_: Any) -> None:
        pass

    mark_non_differentiable = mark_dirty
    set_materialize_grads = mark_dirty


@contextmanager
def vectorisable(functions: Iterable[type]) -> Iterator[None]:
    """Let functions that say nothing of `vmap` be vectorised forwards: only their values are needed here."""
    with ExitStack() as stack:
        for function in functions:
            if vars(function).get("vmap") is not None:
                continue
            if function.setup_context is torch.autograd.Function.setup_context:  # type: ignore[attr-defined]
                _put(stack, function, "forward", staticmethod(_without_context(function.forward)))  # type: ignore[attr-defined]
                _put(stack, function, "setup_context", staticmethod(lambda ctx, inputs, output: None))
            _put(stack, function, "generate_vmap_rule", True)
        yield


def _without_context(forward: Callable[..., Any]) -> Callable[..., Any]:
    def plain(*given: Any, **named: Any) -> Any:
        return forward(_Context(), *given, **named)

    return plain


def _put(stack: ExitStack, owner: type, name: str, value: Any) -> None:
    before = vars(owner).get(name, _NOT_HERE)
    setattr(owner, name, value)
    stack.callback(lambda: delattr(owner, name) if before is _NOT_HERE else setattr(owner, name, before))


def deliberate(functions: Iterable[type], run: Callable[[], Any]) -> dict[type, str]:
    """Return the functions whose backward differs from their forward on purpose: "identity" or "steps" for each.

    A forward that hands its input on, and one that is constant around every input (rounding, a sign), have no other
    reason to be functions of their own than their backward: gradient reversal, scaling, straight-through estimators.
    `run` computes the loss; what the forwards do is seen at the inputs that they get there.
    """
    found: dict[type, str] = {}
    for function in functions:
        seen: list[str] = []
        with ExitStack() as stack:
            _put(stack, function, "forward", staticmethod(_observed(function, seen)))
            run()
        if seen and len(set(seen)) == 1 and seen[0]:
            found[function] = seen[0]
    return found


def _observed(function: Any, seen: list[str]) -> Callable[..., Any]:
    forward = function.forward
    has_context = function.setup_context is torch.autograd.Function.setup_context

    def watched(*given: Any, **named: Any) -> Any:
        inputs = given[1:] if has_context else given
        plain = _without_context(forward) if has_context else forward
        try:
            seen.append(_character(plain, inputs, named))
        except Exception:
            seen.append("")
        return forward(*given, **named)

    return watched


def _character(forward: Callable[..., Any], given: tuple[Any, ...], named: dict[str, Any]) -> str:
    places = [index for index, part in enumerate(given) if isinstance(part, torch.Tensor) and part.is_floating_point()]
    if not places:
        return ""

    def with_inputs(change: Callable[[torch.Tensor], torch.Tensor]) -> tuple[list[Any], Any]:
        changed = [change(part.detach()) if index in places else part for index, part in enumerate(given)]
        return changed, forward(*changed, **named)

    def moved(tensor: torch.Tensor) -> torch.Tensor:
        return tensor * (1 + _PROBE) + _PROBE

    # At the inputs' own values, and at their negatives: a ReLU hands on what happens to be positive.
    probes = [with_inputs(lambda tensor: tensor.clone()), with_inputs(lambda tensor: -tensor - 0.1)]
    if all(isinstance(output, torch.Tensor) and torch.equal(output, inputs[places[0]]) for inputs, output in probes):
        return "identity"
    still = tensors(probes[0][1])
    # A few entries may lie at a step themselves.
    same = [(one == two).double().mean() for one, two in zip(still, tensors(with_inputs(moved)[1]), strict=True)]
    return "steps" if same and min(same) > 0.99 and any(float(each.double().std()) > 0 for each in still) else ""


@contextmanager
def plain_backward(functions: dict[type, str]) -> Iterator[None]:
    """Give deliberate functions the backward of plain calculus: the gradient handed on, or none."""
    with ExitStack() as stack:
        for function, character in functions.items():

            def backward(ctx: Any, *found: torch.Tensor, identity: bool = character == "identity") -> Any:
                wanted = ctx.needs_input_grad
                first = next((place for place, needed in enumerate(wanted) if needed), -1)
                return tuple(found[0] if identity and place == first else None for place in range(len(wanted)))

            _put(stack, function, "backward", staticmethod(backward))
        yield
