"""Weights into a model: all that fits by name, a head that may differ, and a plain word on all that does not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from trainwright.errors import ModelError
from trainwright.parts.optimizer_layers import layers_of
from trainwright.parts.weight_names import State, match
from trainwright.records.loading import Loaded, Reshaped

_MOST_NAMED = 4


def load(
    model: nn.Module,
    weights: State,
    *,
    source: str = "the weights",
    head: Literal["fitting", "new"] = "fitting",
    shapes: Literal["same", "any"] = "same",
) -> Loaded:
    """Copy what fits of `weights` into `model`, in place; return what did and what did not.

    The head alone may differ in shape: it then keeps the weights that it was made with, all of its module; with
    `head="new"` it does so in any case. `shapes="any"` lets every tensor of another shape keep its own.

    Raises `ModelError` where nothing fits, where another part than the head has another shape, and on a value that is
    not finite. The model is then as it was.
    """
    if any(isinstance(one, UninitializedParameter | UninitializedBuffer) for one in _tensors(model)):
        raise ModelError(
            "the model has lazy layers, whose sizes are not known yet",
            remedy="pass one batch through it first: model(x)",
        )
    state = {name: value for name, value in model.state_dict().items() if isinstance(value, torch.Tensor)}
    loaded, pairs = match(state, weights, source=source)
    new = set(head_of(model)) if head == "new" else _changed_head(model, loaded)
    strange = [one for one in loaded.reshaped if one.name not in new]
    if strange and shapes == "same":
        raise _other_shapes(loaded, strange)
    pairs = {name: other for name, other in pairs.items() if name not in new}
    if not pairs:
        raise _nothing(loaded, state, weights)
    for other in pairs.values():
        if weights[other].is_floating_point() and not bool(torch.isfinite(weights[other]).all()):
            raise ModelError(
                f"the weights of {source} hold values that are no numbers",
                evidence=f"'{other}' is not finite",
                remedy="start from an earlier checkpoint, from before the run diverged",
            )
    with torch.no_grad():
        for name, other in pairs.items():
            state[name].copy_(weights[other])
    taken = {**pairs, **dict.fromkeys(_tied(state, pairs))}
    missing = tuple(name for name in state if name not in taken and name not in _names(loaded.reshaped))
    return replace(
        loaded,
        loaded=tuple(name for name in state if name in taken),
        head=tuple(name for name in state if name in new),
        missing=missing,
        near={name: other for name, other in loaded.near.items() if name in missing},
        numbers=sum(state[name].numel() for name in taken),
    )


def put_in(model: nn.Module, weights: State, source: str) -> None:
    """Put weights into a model that must be the one that they were trained in: all of them, or none.

    Raises `ModelError` where a tensor is missing, of another shape, or nobody's.
    """
    state = {name: value for name, value in model.state_dict().items() if isinstance(value, torch.Tensor)}
    loaded, pairs = match(state, weights, source=source)
    if loaded.missing or loaded.unexpected or loaded.reshaped:
        told = [f"they lack {loaded.missing[0]}"] if loaded.missing else []
        told += [f"they have {loaded.unexpected[0]}, which it has not"] if loaded.unexpected else []
        told += [f"{one.name} has shape {one.source}, not {one.model}" for one in loaded.reshaped[:1]]
        raise ModelError(
            f"the weights of {source} do not fit the network",
            evidence="; ".join(told),
            remedy="make the network as it was in training: its code, or what it was given, has changed since",
        )
    model.load_state_dict({name: weights[other] for name, other in pairs.items()})


def head_of(model: nn.Module) -> list[str]:
    """Return the names of the head's tensors: of a part called "head" where there is one, else of the last layer."""
    named = next((child for name, child in model.named_children() if name == "head"), None)
    if named is not None and any(True for _ in named.parameters()):
        return [name for name in model.state_dict() if name.startswith("head.")]
    layers = layers_of(model)
    last = set(map(id, layers[-1])) if layers else set()
    return [name for name, parameter in model.named_parameters() if id(parameter) in last]


def _changed_head(model: nn.Module, loaded: Loaded) -> set[str]:
    """Return the tensors of a head that differs in shape, () where it does not.

    A head is the last layer; or the one module of which alone tensors differ, in the number of its outputs: what else
    used them would differ too.
    """
    differing = [one for one in loaded.reshaped if not one.kinds]
    names = _names(differing)
    if not names:
        return set()
    head = set(head_of(model))
    owners = {name.rpartition(".")[0] for name in names}
    in_outputs = all(
        one.model and len(one.model) == len(one.source) and one.model[1:] == one.source[1:] for one in differing
    )
    if not names <= head and not (len(owners) == 1 and in_outputs):
        return names & head
    state = model.state_dict()
    return {name for name in state if name.rpartition(".")[0] in owners}


def _tensors(model: nn.Module) -> Iterable[torch.Tensor]:
    yield from model.parameters()
    yield from model.buffers()


def _tied(state: State, pairs: Iterable[str]) -> list[str]:
    """Return the names under which tensors that were loaded come again: files often hold such a one once."""
    known = {(state[name].data_ptr(), state[name].shape) for name in pairs if state[name].numel()}
    return [name for name, tensor in state.items() if tensor.numel() and (tensor.data_ptr(), tensor.shape) in known]


def _names(reshaped: Iterable[Reshaped]) -> set[str]:
    return {one.name for one in reshaped}


def _other_shapes(loaded: Loaded, strange: list[Reshaped]) -> ModelError:
    told = [f"{one.name}: {one.kinds or f'{one.source} there, {one.model} here'}" for one in strange[:_MOST_NAMED]]
    more = f" and {len(strange) - _MOST_NAMED} more" if len(strange) > _MOST_NAMED else ""
    return ModelError(
        f"the weights of {loaded.source} are of another shape than the model's",
        evidence="; ".join(told) + more,
        remedy="build the model as the weights were made (width, depth); the head alone may differ, or, with "
        "model.start_shapes = 'any', whatever does keeps its own weights",
    )


def _nothing(loaded: Loaded, model: State, weights: State) -> ModelError:
    near = next(iter(loaded.near.items()), None)
    first = [next(iter(state), "nothing") for state in (model, weights)]
    evidence = (
        f"the model has {len(model)} tensors, such as '{first[0]}'; there are {len(weights)}, such as '{first[1]}'"
    )
    if near is not None:
        evidence += f"; nearest: '{near[1]}' for '{near[0]}'"
    if loaded.reshaped and len(loaded.reshaped) == len(model):
        evidence = f"no shape is the same, such as {loaded.reshaped[0].source} for {loaded.reshaped[0].model}"
    return ModelError(
        f"nothing of {loaded.source} fits the model: no weight was loaded",
        evidence=evidence,
        remedy="start from weights of this kind of network, under its own names",
    )
