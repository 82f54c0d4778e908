"""A trained network that may become part of the final model, and what must be alike in all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import nn

from trainwright.errors import DataError, ModelError, UsageError
from trainwright.randomness import isolated
from trainwright.tensors import buffers_restored, evaluating

Origin = Literal["member", "snapshot", "average", "distilled"]
"""Where a network is from: trained like the others, kept at the end of a cycle, averaged from weights, or taught."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """A network with what is known of it. `trained` holds the steps of every training that it took, by name.

    It is empty where nobody knows; networks of one training share its entry, so that it is counted once. `classes` are
    the names of its outputs in order, `preprocessing` how its inputs were prepared; () and {} where nobody said.
    `order` puts its outputs into the order of the others': output i is its own output `order[i]`. `recipe` holds the
    sections of the recipe that makes the network again, {} where it was given in Python.
    """

    name: str
    model: nn.Module
    origin: Origin = "member"
    trained: Mapping[str, int] = field(default_factory=dict)
    folder: str | None = None
    classes: tuple[str, ...] = ()
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    order: tuple[int, ...] = ()
    recipe: Mapping[str, Any] = field(default_factory=dict)

    @property
    def steps(self) -> int | None:
        """Return the steps that it took, None where nobody knows."""
        return sum(self.trained.values()) if self.trained else None

    @property
    def size(self) -> int:
        """Return the bytes of its parameters and buffers."""
        return sum(tensor.nbytes for tensor in [*self.model.parameters(), *self.model.buffers()])


def answer(network: Network, x: torch.Tensor) -> torch.Tensor:
    """Return what a network gives for `x` in evaluation mode, its classes in the common order; leaves no footprints."""
    model = network.model
    with torch.no_grad(), isolated(), buffers_restored(model), evaluating(model):
        return ordered(network, model(x))


def ordered(network: Network, output: torch.Tensor) -> torch.Tensor:
    """Return an output `(N, C, ...)` with its classes in the common order."""
    return output[:, list(network.order)] if network.order else output


def alike(networks: Sequence[Network], x: torch.Tensor) -> list[Network]:
    """Return the networks with their outputs in one order; raises, by name, for what cannot answer together.

    Every network is tried on the inputs `x`. Raises `UsageError` where there is none, `DataError` for other classes or
    another preparation of the inputs, and `ModelError` for one that cannot take the inputs or gives another shape.
    """
    if not networks:
        raise UsageError("there is nothing to finish", remedy="name one trained run at least")
    first = networks[0]
    for other in networks[1:]:
        _check_preprocessing(first, other)
    mapped = [_mapped(first, other) for other in networks]
    shapes = [_shape(network, x[:2]) for network in mapped]
    for network, shape in zip(mapped, shapes, strict=True):
        if shape != shapes[0]:
            raise ModelError(
                f"'{network.name}' gives other outputs than '{first.name}'",
                evidence=f"for {len(x[:2])} samples the shapes are {shape} and {shapes[0]}",
                remedy=f"leave '{network.name}' out, or finish the networks of one kind at a time",
            )
    return mapped


def _shape(network: Network, x: torch.Tensor) -> tuple[int, ...]:
    try:
        output = answer(network, x)
    except Exception as problem:  # whatever a model of the user's raises
        words = str(problem).strip().splitlines()
        raise ModelError(
            f"'{network.name}' cannot take the inputs, of shape {tuple(x.shape[1:])} each",
            evidence=f"{type(problem).__name__}: {words[0] if words else ''}",
            remedy="give the data that it was trained on, prepared in the same way, or leave it out",
        ) from problem
    if not isinstance(output, torch.Tensor) or output.dim() == 0 or len(output) != len(x):
        shape = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise ModelError(
            f"'{network.name}' does not give a row for each sample", evidence=f"for {len(x)} samples it gave {shape}"
        )
    return tuple(output.shape)


def _mapped(first: Network, other: Network) -> Network:
    if not first.classes or not other.classes or first.classes == other.classes:
        return other
    if sorted(first.classes) != sorted(other.classes):
        missing = [name for name in first.classes if name not in other.classes]
        more = [name for name in other.classes if name not in first.classes]
        told = [f"{word} {', '.join(names[:5])}" for word, names in (("lacks", missing), ("has", more)) if names]
        raise DataError(
            f"'{other.name}' tells other classes than '{first.name}'",
            evidence=f"it {' and '.join(told)}",
            remedy=f"leave '{other.name}' out: what one network has never heard of cannot be averaged",
        )
    order = tuple(other.classes.index(name) for name in first.classes)
    return Network(**{**vars(other), "classes": first.classes, "order": order})


def _check_preprocessing(first: Network, other: Network) -> None:
    one, two = first.preprocessing, other.preprocessing
    if not one or not two or one == two:
        return
    different = sorted(key for key in {*one, *two} if one.get(key) != two.get(key))
    raise DataError(
        f"the inputs of '{other.name}' were prepared in another way than those of '{first.name}'",
        evidence=f"their preprocessing differs in {', '.join(different)}",
        remedy=f"leave '{other.name}' out, or train it again on the same preparation of the same division of the data",
    )
