"""Are all weights that take part registered in the model?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sized
from types import FunctionType, MethodType, ModuleType
from typing import Any

import torch
from torch import nn

from trainwright.checks.check import Answer, Check, Skip
from trainwright.checks.subject import Subject
from trainwright.checks.wiring import as_in_training, classes_above, few, leaves, listed, output_of, written
from trainwright.doctor.kinds_wiring import UNREGISTERED_SUBMODULE
from trainwright.records import Evidence, Location, Remedy

_DEPTH = 5  # of containers within containers
_MANY = 1_000  # parts: a longer container holds data, not layers
_OWN = frozenset(vars(nn.Module()))  # what every module has: its registers and tables of hooks


def examine(subject: Subject) -> Answer:
    """Exact: the weights in which the graph of the output ends, less those that are registered or optimised."""
    as_in_training(subject.model)
    x, _ = few(subject)
    output = output_of(subject, x)
    reached = leaves(output)
    registered = {id(parameter) for parameter in subject.model.parameters()}
    groups = [] if subject.optimizer is None else subject.optimizer.param_groups
    optimised = {id(parameter) for group in groups for parameter in group["params"]}
    names = _names(subject.model)
    hidden = [
        leaf
        for leaf in reached
        if id(leaf) not in registered | optimised and (isinstance(leaf, nn.Parameter) or id(leaf) in names)
    ]
    if not reached and not registered:
        raise Skip("the output depends on no weight that could be trained")
    measured = {"reached": len(reached), "registered": len(registered), "hidden": len(hidden)}
    value, expected = f"{len(hidden)} of {len(reached)} hidden", "none"
    if not hidden:
        return Answer(measured=measured, value=value, expected=expected)
    places = list(dict.fromkeys(names[id(leaf)] for leaf in reversed(hidden) if id(leaf) in names))
    evidence = [
        Evidence(
            name="weights that the output depends on, but that are not registered", value=len(hidden), threshold=0
        ),
        Evidence(name="numbers in them", value=sum(leaf.numel() for leaf in hidden)),
    ]
    if places:
        owner, attribute, path = places[0]
        evidence.append(Evidence(name="they are held in", value=listed([_joined(*place) for place in places])))
        line = written(classes_above(subject.model, owner), re.compile(rf"\bself\.{re.escape(attribute)}\b"))
        where = Location(module=owner or None, parameter=_joined(owner, attribute, path), **line)
        remedy = f"wrap self.{attribute} in {_wrapping(subject.model, owner, attribute)}"
        title = f"self.{attribute} holds weights that the model does not know of"
    else:
        fresh = not {id(leaf) for leaf in leaves(output_of(subject, x))} & {id(leaf) for leaf in hidden}
        title = "layers are built anew in each forward pass" if fresh else UNREGISTERED_SUBMODULE.title
        remedy = "build the layers in __init__, as attributes of the model" if fresh else "assign them to the model"
        pattern = re.compile(r"\bnn\.[A-Z]\w*\(|\bnn\.Parameter\(")
        where = Location(**(written([type(subject.model).forward], pattern) if fresh else {}))
    finding = UNREGISTERED_SUBMODULE.finding(
        title=title, where=where, evidence=tuple(evidence), remedies=(Remedy(text=remedy),)
    )
    return Answer(findings=(finding,), measured=measured, value=value, expected=expected)


def _joined(owner: str, attribute: str, path: str) -> str:
    return f"{owner}.{attribute}{path}" if owner else f"{attribute}{path}"


def _wrapping(model: nn.Module, owner: str, attribute: str) -> str:
    held = getattr(model.get_submodule(owner), attribute, None)
    if isinstance(held, torch.Tensor):
        return "nn.Parameter"
    part = next(
        iter(held.values() if isinstance(held, Mapping) else held if isinstance(held, list | tuple) else ()), None
    )
    single = isinstance(part, torch.Tensor)
    if isinstance(held, Mapping):
        return "nn.ParameterDict" if single else "nn.ModuleDict"
    if isinstance(held, list | tuple):
        return "nn.ParameterList" if single else "nn.ModuleList"
    return "a module"


def _names(model: nn.Module) -> dict[int, tuple[str, str, str]]:
    """Return, by id, the tensors in the model's plain attributes: the module, its attribute, and the way from there."""
    found: dict[int, tuple[str, str, str]] = {}
    registered = {id(parameter) for parameter in model.parameters()}
    seen: dict[int, Any] = {}
    for owner, module in model.named_modules():
        for attribute, held in vars(module).items():
            if attribute in _OWN:
                continue
            for path, tensor in _tensors(held, "", _DEPTH, seen):
                if id(tensor) not in registered:
                    found.setdefault(id(tensor), (owner, attribute, path))
    return found


def _tensors(held: Any, path: str, depth: int, seen: dict[int, Any]) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield what hides in lists, tuples, sets, dicts and plain objects, and in the modules that these hold."""
    if isinstance(held, torch.Tensor):
        yield path, held
        return
    if depth == 0 or id(held) in seen or (isinstance(held, Sized) and len(held) > _MANY):
        return
    if isinstance(held, type | FunctionType | MethodType | ModuleType | str | bytes):
        return
    seen[id(held)] = held
    if isinstance(held, nn.Module):
        yield from ((f"{path}.{name}", parameter) for name, parameter in held.named_parameters())
        for part in vars(held).items():
            if part[0] not in _OWN:
                yield from _tensors(part[1], f"{path}.{part[0]}", depth - 1, seen)
        held = held._modules
        for name, module in held.items():
            yield from _tensors(module, f"{path}.{name}", depth - 1, seen)
    elif isinstance(held, Mapping):
        for key, part in held.items():
            yield from _tensors(part, f"{path}[{key!r}]", depth - 1, seen)
    elif isinstance(held, list | tuple | set | frozenset):
        for place, part in enumerate(held):
            yield from _tensors(part, f"{path}[{place}]", depth - 1, seen)
    elif hasattr(held, "__dict__"):
        for name, part in vars(held).items():
            yield from _tensors(part, f"{path}.{name}", depth - 1, seen)


CHECK = Check(
    name="layers-registered",
    question="are all weights that take part registered in the model?",
    kinds=(UNREGISTERED_SUBMODULE,),
    examine=examine,
    quick=True,
    seconds=0.05,
)
