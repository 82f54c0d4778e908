"""What the checks of wiring share: passes that can be repeated, the weights a graph leads to, names, and places."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from trainwright.checks.check import Skip
from trainwright.checks.inputs import call, count, mapped, rows, tensors
from trainwright.checks.subject import Subject
from trainwright.randomness import isolated

SAMPLES = 32
"""What is passed through the model: wiring shows at a few samples, and more only cost time."""
_NUDGE = 0.01  # of a tensor's own size: seen in every later pass, and far from any harm


def few(subject: Subject, most: int = SAMPLES) -> tuple[Any, Any]:
    """Return inputs and targets of at most `most` samples."""
    return rows(subject.x, slice(0, most)), rows(subject.y, slice(0, most))


def as_in_training(model: nn.Module) -> None:
    """Put the model into training mode, unless it is: then parts that are in evaluation mode are so on purpose."""
    if not model.training:
        model.train()


def output_of(subject: Subject, x: Any, seed: int = 0) -> Any:
    """Return the output for a copy of `x`, with the same random numbers whenever the same `seed` is given."""
    with isolated(subject.seed + seed, "checks", "wiring"):
        return call(subject.model, mapped(x, lambda tensor: tensor.detach().clone()))


def loss_of(subject: Subject, x: Any, y: Any) -> Any:
    """Return the loss as the user's function gives it, with the same random numbers every time."""
    with isolated(subject.seed, "checks", "wiring"):
        output = call(subject.model, mapped(x, lambda tensor: tensor.detach().clone()))
        return subject.loss(output, mapped(y, lambda tensor: tensor.clone()))


def scalar(value: Any) -> torch.Tensor:
    """Return the loss as one number. Raises `Skip` for what is no tensor, or not finite."""
    if not isinstance(value, torch.Tensor) or value.numel() == 0:
        raise Skip(f"the loss is no tensor, but {type(value).__name__}")
    if not bool(torch.isfinite(value.detach()).all()):
        raise Skip("the loss is not finite")
    return value.sum()


def gradients(value: torch.Tensor, parameters: Sequence[nn.Parameter]) -> list[torch.Tensor | None]:
    """Return the gradient of each parameter, None where no path leads to it. The graph is used up."""
    if not value.requires_grad:
        return [None] * len(parameters)
    return list(torch.autograd.grad(value, parameters, allow_unused=True))


def nudge(parameters: Iterable[torch.Tensor], found: Iterable[torch.Tensor | None]) -> None:
    """Move each parameter against its gradient by a hundredth of its own size, one at zero by a little."""
    with torch.no_grad():
        for parameter, gradient in zip(parameters, found, strict=True):
            if gradient is not None and gradient.is_sparse:
                gradient = gradient.to_dense()
            size = 0.0 if gradient is None or not gradient.numel() else float(gradient.abs().max())
            if gradient is not None and 0 < size < float("inf"):
                parameter.sub_(gradient, alpha=_NUDGE * (float(parameter.abs().max()) + _NUDGE) / size)


def single(output: Any) -> list[torch.Tensor]:
    """Return the tensors of an output, also of one that keeps them in attributes."""
    return tensors(output) or tensors(dict(getattr(output, "__dict__", {})))


def nodes(values: Any) -> Iterator[Any]:
    """Yield the nodes of the graph behind `values`, each once, the nearest first."""
    queue = [tensor.grad_fn for tensor in single(values) if tensor.grad_fn is not None]
    seen = set(queue)
    for node in queue:  # grows while it is walked
        yield node
        for before, _ in node.next_functions:
            if before is not None and before not in seen:
                seen.add(before)
                queue.append(before)


def leaves(values: Any) -> list[torch.Tensor]:
    """Return the tensors in which the graph behind `values` ends: its weights, the nearest to the output first."""
    direct = [tensor for tensor in single(values) if tensor.is_leaf and tensor.requires_grad]
    return direct + [node.variable for node in nodes(values) if hasattr(node, "variable")]


def short(model: nn.Module, names: Iterable[str]) -> list[str]:
    """Return parameters by the modules that hold none but them: `head` for `head.weight` and `head.bias`."""
    left = dict.fromkeys(names)
    found = []
    for path, module in model.named_modules():
        own = [f"{path}.{name}" if path else name for name, _ in module.named_parameters()]
        if path and own and all(name in left for name in own):
            found.append(path)
            for name in own:
                del left[name]
    return [*found, *left]


def listed(names: Sequence[str], most: int = 4) -> str:
    """Return names in a line: the first ones, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def owner_of(parameter: str) -> str:
    """Return the path of the module that holds a parameter."""
    return parameter.rpartition(".")[0]


def written(things: Iterable[Any], pattern: re.Pattern[str]) -> dict[str, Any]:
    """Return `file` and `line` of the first line that matches in the source of classes or functions, or nothing.

    torch's own source is not looked at, and neither are comments.
    """
    for thing in things:
        if str(getattr(thing, "__module__", "")).startswith("torch."):
            continue
        try:
            lines, first = inspect.getsourcelines(thing)
            file = inspect.getsourcefile(thing)
        except (OSError, TypeError):  # built-in, or typed in at a prompt
            continue
        for place, line in enumerate(lines):
            if pattern.search(line.split("#")[0]):
                return {"file": file, "line": first + place}
    return {}


def forwards_above(model: nn.Module, path: str) -> list[Any]:
    """Return where the way of a module's output to the loss may be written: first in `forward`, then in the classes."""
    classes = classes_above(model, path)
    return [*(each.forward for each in classes), *classes]


def classes_above(model: nn.Module, path: str) -> list[type]:
    """Return the classes of the modules on the way from `path` up to the model."""
    modules: Mapping[str, nn.Module] = dict(model.named_modules())
    parts = path.split(".") if path else []
    paths = [".".join(parts[:length]) for length in range(len(parts), -1, -1)]
    return list(dict.fromkeys(type(modules[each]) for each in paths if each in modules))


def first_to_differ(
    subject: Subject, one: Any, other: Any, differ: Callable[[torch.Tensor, torch.Tensor], bool]
) -> str | None:
    """Return the path of the first module whose output differs between two inputs, None where no module's does."""

    def outputs(x: Any) -> list[tuple[str, torch.Tensor]]:
        seen: list[tuple[str, torch.Tensor]] = []

        def remember(path: str) -> Any:
            return lambda module, inputs, output: seen.extend((path, part.detach()) for part in single(output)[:1])

        hooks = [module.register_forward_hook(remember(path)) for path, module in subject.model.named_modules() if path]
        try:
            output_of(subject, x)
        finally:
            for hook in hooks:
                hook.remove()
        return seen

    for (path, before), (_, after) in zip(outputs(one), outputs(other), strict=False):
        if before.shape == after.shape and differ(before, after):
            return path
    return None


def apart(before: torch.Tensor, after: torch.Tensor) -> float:
    """Return the largest difference between two tensors, over the largest entry of the first; infinite for NaN."""
    if before.numel() == 0:
        return 0.0
    before, after = before.detach(), after.detach()
    scale, difference = float(before.abs().max()), float((before - after).abs().max())
    if math.isnan(difference):
        return math.inf
    return difference / scale if scale > 0 else float(difference > 0)


def repeated(one: Sequence[torch.Tensor], other: Sequence[torch.Tensor]) -> None:
    """Raise `Skip` unless two passes over the same batch gave the same, and nothing but numbers."""
    if not all(bool(torch.isfinite(tensor).all()) for tensor in one):
        raise Skip("the output is not finite")
    if not all(torch.equal(a, b) for a, b in zip(one, other, strict=True)):
        raise Skip("two passes over the same batch differ, so nothing can be told by comparing two")


def at_least(subject: Subject, wanted: int) -> None:
    """Raise `Skip` where the batch holds fewer samples than that."""
    found = count(subject.x)
    if found < wanted:
        raise Skip(f"it takes {wanted} samples, and the batch holds {found}")
