"""Where everything stands in the stack: which columns hold which parameter, and what must be alike in all members."""

from __future__ import annotations

import types
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from trainwright.stacked.member import CannotStack, Member
from trainwright.tensors import digest


@dataclass(frozen=True, kw_only=True)
class Slot:
    """The columns [start, stop) of one trained parameter."""

    name: str
    shape: torch.Size
    group: int
    start: int
    stop: int


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What is trained, as columns in the order of the optimizer's groups, and what else the models hold.

    `constant` names the parameters that no optimizer moves, `buffers` the buffers; tied ones are named once.
    """

    slots: tuple[Slot, ...]
    constant: tuple[str, ...]
    buffers: tuple[str, ...]
    dtype: torch.dtype
    device: torch.device

    @property
    def width(self) -> int:
        """How many numbers are trained in each row."""
        return self.slots[-1].stop


def layout_of(member: Member) -> Layout:
    """Return where the parameters of `member` go; raises `CannotStack` where they do not fit into one tensor."""
    names = {parameter: name for name, parameter in member.model.named_parameters()}
    slots: list[Slot] = []
    start = 0
    for number, group in enumerate(member.optimizer.param_groups):
        for parameter in group["params"]:
            if parameter.requires_grad:
                stop = start + parameter.numel()
                slots.append(Slot(name=names[parameter], shape=parameter.shape, group=number, start=start, stop=stop))
                start = stop
    if not start:
        raise CannotStack("nothing is trained", evidence="the optimizer holds no parameter that takes gradients")
    parameters = dict(member.model.named_parameters())
    trained = {slot.name for slot in slots}
    kinds = {(parameters[name].dtype, parameters[name].device) for name in trained}
    if len(kinds) > 1 or not next(iter(kinds))[0].is_floating_point:
        raise CannotStack(
            "the trained parameters are not of one kind of number on one device",
            evidence=", ".join(sorted(f"{dtype} on {device}" for dtype, device in kinds)),
        )
    dtype, device = next(iter(kinds))
    return Layout(
        slots=tuple(slots),
        constant=tuple(name for name in parameters if name not in trained),
        buffers=tuple(name for name, _ in member.model.named_buffers()),
        dtype=dtype,
        device=device,
    )


def difference(members: Sequence[Member]) -> str | None:
    """Return in words what keeps the members from being rows of one stack, None where they are alike."""
    first = structure(members[0])
    for place, member in enumerate(members[1:], start=1):
        other = structure(member)
        if other != first:
            parts = zip(first, other, strict=False)
            one, two = next(((a, b) for a, b in parts if a != b), (f"{len(first)} parts", f"{len(other)} parts"))
            return f"member {place} differs from member 0: {_words(two)} instead of {_words(one)}"
    return None


def _words(part: Any) -> str:
    text = str(part)
    return text if len(text) <= 160 else text[:157] + "..."


def structure(member: Member) -> tuple[Any, ...]:
    """Return what must be the same in all rows of one stack, in a form that can be compared and hashed.

    The modules with their modes and plain attributes (all but the rate of a dropout), the shapes of parameters and
    buffers, which of them are one tensor, the optimizer's class, and which parameter is in which group.
    """
    model = member.model
    known = frozenset(map(id, model.modules()))
    modules = tuple((name, type(module), _attributes(module, known)) for name, module in model.named_modules())
    tensors = tuple(
        (name, kind, tuple(tensor.shape), tensor.dtype, tensor.device, tensor.requires_grad)
        for kind, named in (("parameter", model.named_parameters()), ("buffer", model.named_buffers()))
        for name, tensor in named
    )
    names = {parameter: name for name, parameter in model.named_parameters()}
    tied = tuple((name, names[entry]) for name, entry in model.named_parameters(remove_duplicate=False))
    groups = tuple(tuple(names[entry] for entry in group["params"]) for group in member.optimizer.param_groups)
    return (*modules, *tensors, tied, type(member.optimizer), groups)


_OWN = frozenset(vars(nn.Module())) - {"training"}  # what every module keeps for itself
_DEPTH = 4  # how deep attributes are compared: configurations hold configurations, and a cycle must end


def _attributes(module: nn.Module, known: frozenset[int]) -> tuple[Any, ...]:
    """Return the module's mode and the attributes of its own, as far as they can be compared."""
    free = {"p"} if isinstance(module, nn.modules.dropout._DropoutNd) else set()
    names = sorted(vars(module).keys() - _OWN - free)
    return tuple((name, comparable(vars(module)[name], known)) for name in names)


def comparable(value: Any, known: frozenset[int] = frozenset(), depth: int = 0) -> Any:
    """Return `value` in a form that compares by content; two of a kind that cannot be looked into compare as unlike."""
    if value is None or isinstance(value, _PLAIN):
        return value if value == value else "nan"
    if isinstance(value, nn.Parameter | weakref.ref):
        return type(value)  # a parameter outside its place keeps the model from the stack anyhow, see `hidden`
    if isinstance(value, torch.Tensor):
        return ("tensor", digest({"": value}))
    if isinstance(value, nn.Module):
        return ("module", type(value), "" if id(value) in known else digest(value.state_dict()))
    if depth > _DEPTH:
        return (type(value), id(value))
    if isinstance(value, list | tuple | set | frozenset):
        return (type(value).__name__, *(comparable(entry, known, depth + 1) for entry in value))
    if isinstance(value, dict):
        return ("dict", *((str(name), comparable(entry, known, depth + 1)) for name, entry in value.items()))
    if isinstance(value, types.FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        return (value.__module__, value.__qualname__, *(comparable(cell, known, depth + 1) for cell in cells))
    if hasattr(value, "__dict__"):
        return (type(value), comparable(vars(value), known, depth + 1))
    return (type(value), repr(value))


_PLAIN = (bool, int, float, complex, str, bytes, type, torch.dtype, torch.device)


def hidden(model: nn.Module) -> tuple[str, nn.Module, str] | None:
    """Return name, module and attribute where a module keeps parameters beside their place; None where none does.

    A list of a module's own weights, as recurrent layers keep it, goes on holding those of one row.
    """
    for name, module in model.named_modules():
        for attribute in vars(module).keys() - _OWN:
            value = vars(module)[attribute]
            entries = (
                value if isinstance(value, list | tuple) else value.values() if isinstance(value, dict) else [value]
            )
            if any(isinstance(entry, nn.Parameter) for entry in entries):
                return name or type(module).__name__, module, attribute
    return None
