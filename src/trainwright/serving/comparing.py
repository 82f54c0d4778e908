"""Whether another form of a network computes the same as the network itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from trainwright.errors import RunError
from trainwright.records import DataShape

TOLERANCE = 1e-4
"""Largest deviation of an output, as a share of the largest output or of 1.

Other programs add float32 numbers in another order: networks of the catalogue differ by some 1e-7 to 1e-6, while a
wrong operation or a frozen batch size differs by the size of the outputs themselves.
"""
_BATCHES = (1, 2, 5)  # one sample, and more than the one size that the network was traced with


def samples(shape: DataShape, count: int, seed: int = 0) -> torch.Tensor:
    """Return inputs such as the network takes: standard normal float32, or token ids, `(count, *input_shape)`."""
    generator = torch.Generator().manual_seed(seed)
    if shape.vocabulary is not None:
        return torch.randint(0, shape.vocabulary, (count, *shape.input_shape), generator=generator)
    return torch.randn(count, *shape.input_shape, generator=generator)


def deviation(
    network: Callable[[torch.Tensor], torch.Tensor],
    other: Callable[[torch.Tensor], torch.Tensor],
    shape: DataShape,
    name: str,
) -> float:
    """Return by how much `other` deviates from the network at most, on batches of several sizes, texts of two lengths.

    It is a share of the largest output, or of 1 where that is smaller. Raises `RunError` above `TOLERANCE`, or where
    `other` fails.
    """
    shares: list[float] = []
    for x in _inputs(shape):
        with torch.no_grad():
            wanted = network(x)
        try:
            with torch.no_grad():
                found = other(x)
        except Exception as problem:  # whatever the other program raises
            words = str(problem).strip().splitlines()
            raise RunError(
                f"the {name} form of the network cannot take a batch of the shape {tuple(x.shape)}",
                evidence=f"{type(problem).__name__}: {words[0][:200] if words else ''}",
                remedy="export to safetensors, which keeps the weights alone",
            ) from problem
        if found.shape != wanted.shape:
            shares.append(float("inf"))
            break
        scale = max(1.0, float(wanted.abs().max()))
        shares.append(float((found - wanted).abs().max()) / scale)
    worst = float(torch.tensor(shares).max())  # NaN, where there is any
    if not worst <= TOLERANCE:
        raise RunError(
            f"the {name} form of the network computes something else than the network",
            evidence=f"its outputs deviate by {worst:.3g} of the largest, where {TOLERANCE:g} is allowed",
            remedy="export to safetensors, which keeps the weights alone; nothing was written",
        )
    return worst


def _inputs(shape: DataShape) -> Iterator[torch.Tensor]:
    for count in _BATCHES:
        yield samples(shape, count, seed=count)
    if shape.vocabulary is not None and shape.input_shape[0] > 1:
        yield samples(shape, 2)[:, : shape.input_shape[0] // 2]
