"""A network of the user's own, named in a recipe as "package.module:factory"."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from torch import nn

from trainwright.errors import ModelError, TrainwrightError, UsageError, did_you_mean
from trainwright.parts.own_module import import_module, importable, told
from trainwright.records import DataShape


def is_factory(name: str) -> bool:
    """Say whether the name of a model is a reference to a factory of the user's own: "package.module:factory"."""
    return ":" in name


def from_factory(
    reference: str, shape: DataShape, options: Mapping[str, Any], *, folder: str | None = None
) -> nn.Module:
    """Import the factory that `reference` names and return the network that it makes.

    The module is looked for in `folder` (the recipe's), then in the current folder, then where Python always looks.
    The factory is a function or a class. It is given, by the names of its parameters: `shape` (the `DataShape`),
    `input_shape`, `outputs`, `task`, `vocabulary` where samples are tokens, and every one of `options`; a first
    parameter of another name, without a default and without an annotation, gets the shape. One without parameters is
    called without arguments.

    Raises `UsageError` where there is no such module or factory, or the options do not fit its parameters, and
    `ModelError` where importing or calling it fails, with file and line, or where what it makes is no `nn.Module`.
    """
    model = made_by(
        reference,
        lambda factory: _arguments(factory, reference, shape, options),
        remedy=f"let it make a network from {shape.input_shape} to {shape.outputs} outputs",
        folder=folder,
    )
    if not isinstance(model, nn.Module):
        is_class = isinstance(model, type) and issubclass(model, nn.Module)
        raise ModelError(
            f"the factory {reference} made no torch.nn.Module",
            evidence=f"it returned the class {model.__name__}" if is_class else f"it returned a {type(model).__name__}",
            remedy="let it return " + ("the network, not its class" if is_class else "the network"),
        )
    return model


def made_by(
    reference: str,
    arguments: Callable[[Callable[..., Any]], inspect.BoundArguments],
    *,
    remedy: str,
    folder: str | None = None,
) -> Any:
    """Return what the factory "package.module:factory" makes of `arguments`, which are asked for when it is found.

    Raises as `from_factory` does; `remedy` is told where the factory itself fails.
    """
    folders = list(dict.fromkeys(os.path.abspath(place) for place in (folder, os.curdir) if place is not None))
    module_name, _, factory_name = reference.rpartition(":")
    with importable(folders):  # while the factory runs, too: it may import what it needs
        factory = _attribute(import_module(module_name, folders), factory_name, reference)
        given = arguments(factory)
        try:
            return factory(*given.args, **given.kwargs)
        except TrainwrightError:
            raise
        except (Exception, SystemExit) as problem:
            raise ModelError(
                f"the factory {reference} failed", evidence=told(problem, folders), remedy=remedy
            ) from problem


def _attribute(module: ModuleType, name: str, reference: str) -> Callable[..., Any]:
    """Return the callable `name` ("build", or "Net.small") of a module."""
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            known = [key for key, value in vars(found).items() if callable(value) and not key.startswith("_")]
            raise UsageError(
                f"the module '{module.__name__}' has no '{name}'",
                evidence=f"it is {module.__file__}" if module.__file__ else "",
                remedy=did_you_mean(part, known) if known else "define a function there that returns the network",
            )
        found = getattr(found, part)
    if isinstance(found, nn.Module) or not callable(found):
        raise UsageError(
            f"{reference} is no factory",
            evidence="it is a finished network" if isinstance(found, nn.Module) else f"it is a {type(found).__name__}",
            remedy="name a function or class that makes the network, so that its weights follow from the recipe's seed",
        )
    return found


def _arguments(
    factory: Callable[..., Any], reference: str, shape: DataShape, options: Mapping[str, Any]
) -> inspect.BoundArguments:
    """Return what a factory is called with, told by the names of its parameters."""
    facts = {"shape": shape, "input_shape": shape.input_shape, "outputs": shape.outputs, "task": shape.task}
    if shape.vocabulary is not None:
        facts["vocabulary"] = shape.vocabulary
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):  # made in C, and silent about its parameters
        signature = inspect.signature(lambda shape, **options: None)
    bound = signature.bind_partial()
    rest = dict(options)
    for place, (name, parameter) in enumerate(signature.parameters.items()):
        if parameter.kind is parameter.VAR_KEYWORD:
            bound.arguments[name], rest = rest, {}
        elif parameter.kind is parameter.VAR_POSITIONAL:
            bound.arguments[name] = () if place else (shape,)
        elif name in rest:
            bound.arguments[name] = rest.pop(name)
        elif name in facts:
            bound.arguments[name] = facts[name]
        elif parameter.default is parameter.empty:
            if place or parameter.annotation not in (parameter.empty, DataShape, "DataShape"):
                raise UsageError(
                    f"{reference} needs '{name}', which neither the recipe nor the data give",
                    evidence=f"its parameters are {signature}",
                    remedy=f"add {name} = ... to [model], or give the parameter a default",
                )
            bound.arguments[name] = shape
    if rest:
        unknown = next(iter(rest))
        known = [name for name in signature.parameters if name not in facts]
        raise UsageError(
            f"{reference} takes no option '{unknown}'",
            evidence=f"its parameters are {signature}",
            remedy=did_you_mean(unknown, known) if known else "it takes none",
        )
    return bound
