"""Linear layers that feed one another with nothing in between, found by provenance in the graph of a forward pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from trainwright.vitals.output_graph import SAME_NUMBERS

# A batch norm is linear too once its statistics stand, and is looked through.
_NORMS = ("NativeBatchNormBackward", "CudnnBatchNormBackward", "MiopenBatchNormBackward")
_SUMS = ("AddBackward", "SubBackward", "NegBackward", "torch::autograd::AccumulateGrad")
_LINEAR = ("AddmmBackward", "MmBackward", "ConvolutionBackward", "LinearBackward")


@dataclass(frozen=True, kw_only=True, slots=True)
class LinearPair:
    """Two linear layers in a row, by the names of their weights, and the sizes before, between and behind them."""

    first: str
    second: str
    inputs: int
    between: int
    outputs: int


@dataclass(frozen=True)
class _Layer:
    weight: str
    inputs: int
    outputs: int
    plain: bool  # neither grouped nor of another dimension
    kernel: bool
    source: Any  # the node that its input comes from


def linear_pairs(model: nn.Module, output: Callable[[], Any]) -> tuple[LinearPair, ...]:
    """Return the pairs of which the first's output goes to the second alone, and is at least as wide as one end.

    `output` passes samples through the model; dropout must be off, else it stands in between. A layer between two wider
    ends is a bottleneck: it is there to save parameters. Grouped convolutions factorise on purpose, too.
    """
    with torch.enable_grad():
        return linear_pairs_behind(output(), dict(model.named_parameters()))


def linear_pairs_behind(output: Any, weights: Mapping[str, torch.Tensor]) -> tuple[LinearPair, ...]:
    """Return the same pairs among `weights` by name, read from the graph behind an output that is there already."""
    names = {id(parameter): name for name, parameter in weights.items()}
    nodes = _nodes(output)
    uses: dict[Any, int] = {}
    for node in nodes:
        for before, _ in node.next_functions:
            if before is not None:
                uses[before] = uses.get(before, 0) + 1
    layers = {node: layer for node in nodes if (layer := _layer(node, names)) is not None}
    pairs = []
    for second in layers.values():
        node = second.source
        while node is not None and uses.get(node, 0) == 1 and node not in layers and _passes(node):
            node = node.next_functions[0][0]
        first = layers.get(node)
        if first is None or uses.get(node, 0) != 1 or not (first.plain and second.plain):
            continue
        if first.kernel != second.kernel or first.outputs < min(first.inputs, second.outputs):
            continue
        if not bool(weights[second.weight].any()):
            continue  # a branch that begins at zero is added to something else, on purpose (LoRA)
        pairs.append(
            LinearPair(
                first=first.weight,
                second=second.weight,
                inputs=first.inputs,
                between=first.outputs,
                outputs=second.outputs,
            )
        )
    return tuple(reversed(pairs))


def linear_layers(output: Any, names: Mapping[int, str]) -> list[str] | None:
    """Return the weights, by id in `names`, of a graph in which all is linear, the last layer first; else None.

    A single weight may be used in it once only: what is shared is applied again and again, as in an iteration.
    """
    found: list[str] = []
    for node in _nodes(output):
        layer = _layer(node, names)
        if layer is not None:
            if layer.weight in found or not layer.plain:
                return None
            found.append(layer.weight)
        elif not (SAME_NUMBERS.match(node.name()) or node.name().startswith(_SUMS) or _is_identity(node)):
            return None
    return found


def layers_in_a_row(output: Any, names: Mapping[int, str]) -> int:
    """Return how many layers lie one behind the other on the longest way through the graph behind `output`."""
    nodes = _nodes(output)
    depths: dict[Any, int] = {}
    for node in sorted(nodes, key=lambda node: node._sequence_nr()):  # what was made before comes before
        behind = max((depths.get(before, 0) for before, _ in node.next_functions), default=0)
        depths[node] = behind + (_layer(node, names) is not None)
    return depths[nodes[0]] if nodes else 0


def _nodes(output: Any) -> list[Any]:
    start = getattr(output, "grad_fn", None)
    queue, seen = [start] if start is not None else [], {start}
    for node in queue:  # grows while it is read
        for before, _ in node.next_functions:
            if before is not None and before not in seen:
                seen.add(before)
                queue.append(before)
    return queue


def _passes(node: Any) -> bool:
    return bool(SAME_NUMBERS.match(node.name())) or node.name().startswith(_NORMS) or _is_identity(node)


def _is_identity(node: Any) -> bool:
    """Say whether an activation changes nothing: a leaky ReLU whose slope is 1, as `LeakyReLU(True)` has."""
    return node.name().startswith("LeakyRelu") and getattr(node, "_saved_negative_slope", None) == 1


def _layer(node: Any, names: Mapping[int, str]) -> _Layer | None:
    """Return the layer that a node computes: a product of what came before with a parameter of the model."""
    if not node.name().startswith(_LINEAR):
        return None
    ways = [before for before, _ in node.next_functions]
    if node.name().startswith("Addmm"):
        ways = ways[1:]  # the first is the bias
    if len(ways) < 2:
        return None
    parameter, turned = _parameter(ways[1])
    if parameter is None or id(parameter) not in names or parameter.dim() < 2:
        return None
    shape = tuple(parameter.shape)
    kernel = node.name().startswith("Convolution")
    if kernel:
        grouped = getattr(node, "_saved_groups", 1) != 1 or getattr(node, "_saved_transposed", False)
        return _Layer(names[id(parameter)], shape[1], shape[0], not grouped, True, ways[0])
    outputs, inputs = (shape[0], math.prod(shape[1:])) if turned else (shape[1], shape[0])
    return _Layer(names[id(parameter)], inputs, outputs, True, False, ways[0])


def _parameter(node: Any) -> tuple[Any, bool]:
    """Return the parameter behind views, and whether it was transposed on the way."""
    turned = False
    while node is not None and SAME_NUMBERS.match(node.name()):
        turned ^= node.name().startswith(("T", "Transpose", "Permute")) and not node.name().startswith("ToCopy")
        node = node.next_functions[0][0]
    return getattr(node, "variable", None), turned
