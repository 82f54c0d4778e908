"""The end of a network of which alone something learns, and a proof that the body before it can be left out.

Where everything but the head is frozen, the body gives the same for a sample in every epoch. What it gives is then a
data set of its own, and the head a network of its own, if the head's output is the model's, and nothing in the body
depends on the mode, on chance or on the other samples of a batch. That is not read off names: it is tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd

from trainwright.parts.freezing import Freezing
from trainwright.randomness import isolated
from trainwright.tensors import buffers_restored, digest, evaluating
from trainwright.training.stillness import hold_modes

ALIKE = 1e-4
"""How far the features of a sample may lie apart, relative to the largest, in another batch: sums round differently."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Tail:
    """What learns, as a network of its own over `features`, what the body gives. Its modules are the model's own.

    `first` is the path of its first module; `body` the SHA-256 of all weights and buffers that lie before it.
    """

    network: nn.Module
    first: str
    body: str


def tail_of(model: nn.Module, freezing: Freezing, x: torch.Tensor) -> Tail | str:
    """Return the tail of a model that has been frozen so, or why it has none; "" where nothing frozen lies before it.

    `x` are some samples; nothing is changed.
    """
    with _as_trained(model, freezing):
        paths = _chain("", model)
        after = {id(parameter) for path in paths for parameter in model.get_submodule(path).parameters()}
        if all(id(parameter) in after for parameter in model.parameters()):
            return ""
        network = nn.Sequential()
        for path in paths:
            network.add_module(path.replace(".", "/"), model.get_submodule(path))
        why = _differs(model, network, paths[0], x)
    if why:
        return why
    own = {id(tensor) for tensor in (*network.parameters(), *network.buffers())}
    named = [*model.named_parameters(), *model.named_buffers()]
    body = digest({name: tensor for name, tensor in named if id(tensor) not in own})
    return Tail(network=network, first=paths[0], body=body)


def features_of(model: nn.Module, first: str, x: torch.Tensor) -> torch.Tensor:
    """Return what the module `first` is given for inputs `x`, in the modes in which the model stands."""
    seen: list[torch.Tensor] = []

    def see(module: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        seen.append(given[0].detach().clone())
        raise _Seen

    hook = model.get_submodule(first).register_forward_pre_hook(see)
    try:
        model(x)
    except _Seen:
        pass
    finally:
        hook.remove()
    return seen[0] if seen else x.new_zeros(0)  # never called in this mode: like nothing that it is given


class _Seen(Exception):
    """The body has given what it gives; the rest of the pass is of no use."""


@contextmanager
def _as_trained(model: nn.Module, freezing: Freezing) -> Iterator[None]:
    """Put the modules into the modes of training for the block, and leave modes, buffers and chance as they were."""
    with isolated(), evaluating(model), buffers_restored(model), torch.no_grad():
        model.train()
        hold_modes(model, freezing)
        yield


def _active(module: nn.Module) -> bool:
    """Say whether a module learns, or behaves otherwise in training than in evaluation, as far as its kind tells."""
    if any(parameter.requires_grad for parameter in module.parameters(recurse=False)):
        return True
    noisy = isinstance(module, _DropoutNd) and module.p > 0
    return module.training and (noisy or isinstance(module, _NormBase))


def _chain(path: str, module: nn.Module) -> list[str]:
    """Return the paths of the modules that the end of `module` is made of, one after the other."""
    if _active(module):
        return [path]
    children = list(module.named_children())
    places = [place for place, (_, child) in enumerate(children) if any(map(_active, child.modules()))]
    if not places:
        return [path]
    names = [f"{path}.{name}" if path else name for name, _ in children]
    first = places[0]
    if type(module).forward is nn.Sequential.forward:
        return [*_chain(names[first], children[first][1]), *names[first + 1 :]]
    return _chain(names[first], children[first][1]) if len(places) == 1 else [path]


def _differs(model: nn.Module, network: nn.Module, first: str, x: torch.Tensor) -> str:
    """Return why training through the model is not training the tail on features, "" where it is the same."""
    calls: list[tuple[tuple[object, ...], dict[str, object]]] = []
    hook = model.get_submodule(first).register_forward_pre_hook(
        lambda module, given, named: calls.append((given, named)), with_kwargs=True
    )
    try:
        with isolated(0, "tail"):
            whole = model(x.clone())
    finally:
        hook.remove()
    if len(calls) != 1:
        return f"'{first}' is called {len(calls)} times for a batch"
    given, named = calls[0]
    if len(given) != 1 or named or not isinstance(given[0], torch.Tensor) or len(given[0]) != len(x):
        return f"'{first}' is given more than one tensor with a row for each sample"
    features = features_of(model, first, x.clone())
    with isolated(0, "tail"):
        alone = network(features.clone())
    if not isinstance(whole, torch.Tensor) or not torch.equal(whole, alone):
        return f"the model's output is not that of '{first}' and what follows it, or chance is drawn before it"
    half = max(1, len(x) // 2)
    with evaluating(model):
        evaluated = features_of(model, first, x.clone())
    size = features.abs().max()
    if not _near(evaluated, features, size):
        return f"what comes before '{first}' gives other values in training than in evaluation"
    if not _near(features_of(model, first, x[:half].clone()), features[:half], size):
        return f"what comes before '{first}' gives a sample other values in another batch"
    return ""


def _near(one: torch.Tensor, other: torch.Tensor, size: torch.Tensor) -> bool:
    return one.shape == other.shape and bool(((one - other).abs() <= ALIKE * size).all())
