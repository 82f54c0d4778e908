"""A model at a glance: module by module what it owns, what it gives, and whether it learns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from trainwright.errors import ModelError, TrainwrightError
from trainwright.randomness import isolated
from trainwright.records.model import Learns, ModelRow, ModelSummary
from trainwright.tensors import buffers_restored, evaluating
from trainwright.vitals.step_plan import bytes_of, refuse_unknown_shapes

Shapes = tuple[tuple[int, ...], ...]


def summarise(model: nn.Module, x: torch.Tensor) -> ModelSummary:
    """Pass inputs `x` `(n, ...)` through `model` in evaluation mode, and return what it consists of.

    There is a row for each module that owns parameters or gives another shape than it was given, in the order in
    which the model holds them. A model on the device "meta" is summarised from shapes alone. Leaves no footprint: no
    mode, buffer, gradient or random state changes. Raises `ModelError` where the model cannot take `x`, naming the
    module that could not, and for a lazy model that has not seen a batch yet.
    """
    refuse_unknown_shapes(model)
    on_meta = any(parameter.is_meta for parameter in model.parameters())
    sample = torch.empty_like(x, device="meta") if on_meta else x.clone()  # a model may work in place on its input
    seen = _Calls(model)
    with seen.watching(), isolated(), evaluating(model), buffers_restored(model), torch.no_grad():
        try:
            output = model(sample)
        except (TrainwrightError, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as problem:
            raise _cannot_take(seen, x, problem) from problem
    parameters = list(model.parameters())
    modes = {module.training for module in model.modules()}
    mode: Literal["training", "evaluation", "mixed"] = "training" if modes == {True} else "evaluation"
    return ModelSummary(
        kind=type(model).__name__,
        input_shape=tuple(x.shape),
        outputs=_shapes(output),
        rows=tuple(_rows(model, seen)),
        parameters=sum(parameter.numel() for parameter in parameters),
        trainable=sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
        parameter_bytes=bytes_of(parameters),
        buffer_bytes=bytes_of(model.buffers()),
        mode="mixed" if len(modes) == 2 else mode,
    )


class _Calls:
    """What happened in a forward pass: which modules were called with what, and whose parameters were used."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self.paths = {id(module): path for path, module in model.named_modules()}
        self.counts: dict[int, int] = {}
        self.outputs: dict[int, Shapes] = {}
        self.reshapes: set[int] = set()
        self.inside: list[tuple[nn.Module, Shapes]] = []  # the calls that have not returned, with what they were given
        self.used: set[int] = set()  # ids of parameters

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch every module, and every operation on a parameter, for the length of the block."""
        hooks = [module.register_forward_pre_hook(self._enter, with_kwargs=True) for module in self._model.modules()]
        hooks += [module.register_forward_hook(self._leave) for module in self._model.modules()]
        try:
            with _Uses(self._model.parameters(), self.used):
                yield
        finally:
            for hook in hooks:
                hook.remove()

    def _enter(self, module: nn.Module, inputs: Any, named: Any) -> None:
        self.inside.append((module, _shapes((inputs, named))))
        self.counts[id(module)] = self.counts.get(id(module), 0) + 1

    def _leave(self, module: nn.Module, inputs: Any, output: Any) -> None:
        given: Shapes = ()
        while self.inside:  # above it only calls whose exception the model itself has caught
            called, given = self.inside.pop()
            if called is module:
                break
        self.outputs[id(module)] = _shapes(output)
        if self.outputs[id(module)][:1] != given[:1]:
            self.reshapes.add(id(module))


class _Uses(TorchDispatchMode):
    """Notes which parameters go into an operation, whoever asks for it."""

    def __init__(self, parameters: Iterable[nn.Parameter], used: set[int]) -> None:
        super().__init__()
        self._owners = {id(parameter) for parameter in parameters}
        self._used = used

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._used.update(id(value) for value in tree_leaves((args, kwargs)) if id(value) in self._owners)
        return func(*args, **(kwargs or {}))


def _rows(model: nn.Module, seen: _Calls) -> Iterator[ModelRow]:
    counted: set[int] = set()
    for path, module in model.named_modules():
        own = list(dict.fromkeys(module.parameters(recurse=False)))
        leaf = not any(True for _ in module.children())
        if not own and not (leaf and id(module) in seen.reshapes):
            continue
        new = [parameter for parameter in own if id(parameter) not in counted]
        counted.update(id(parameter) for parameter in own)
        yield ModelRow(
            path=path,
            kind=type(module).__name__,
            outputs=seen.outputs.get(id(module), ()),
            parameters=sum(parameter.numel() for parameter in own),
            tied=sum(parameter.numel() for parameter in own) - sum(parameter.numel() for parameter in new),
            learns=_learns(own),
            training=module.training,
            calls=seen.counts.get(id(module), 0),
            used=id(module) in seen.counts or any(id(parameter) in seen.used for parameter in own),
        )


def _learns(parameters: list[nn.Parameter]) -> Learns:
    learning = {parameter.requires_grad for parameter in parameters}
    if len(learning) == 2:
        return "partly"
    return "" if not learning else "trainable" if learning == {True} else "frozen"


def _shapes(values: Any) -> Shapes:
    """Return the shapes of all tensors in `values`, however deep they lie in tuples, lists and dicts."""
    return tuple(tuple(value.shape) for value in tree_leaves(values) if isinstance(value, torch.Tensor))


def _cannot_take(seen: _Calls, x: torch.Tensor, problem: Exception) -> ModelError:
    words = str(problem).strip().splitlines()
    said = f"{type(problem).__name__}: {words[0] if words else ''}"
    module, given = seen.inside[-1] if seen.inside else (None, ())
    path = seen.paths.get(id(module), "")
    what = f"a batch of shape {tuple(x.shape)}, {str(x.dtype).removeprefix('torch.')}"
    if module is None or not path:
        return ModelError(f"the model cannot take {what}", evidence=said, remedy="check its forward and the data")
    shapes = " and ".join(map(str, given)) or "no tensor"
    return ModelError(
        f"the model cannot take {what}: it fails in '{path}' ({type(module).__name__})",
        evidence=f"'{path}' was given {shapes}: {said}",
        remedy=f"make '{path}' fit what comes before it, or the data fit the model",
    )
