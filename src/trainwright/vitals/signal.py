"""How large the signal is on its way through a network, and the gradient on its way back, layer by layer."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from trainwright.vitals.output_graph import SAME_NUMBERS
from trainwright.vitals.passing import FunctionalActivations, channels_first_after, unit_dimension

WEIGHTED = (
    nn.Linear,
    nn.Bilinear,
    nn.modules.conv._ConvNd,
)
"""Layers whose outputs are compared over depth."""
FLAT = 0.01
"""Share of its largest slope below which a sigmoid or tanh is flat."""
MOSTLY = 0.95
"""Share of samples for which a unit is flat that counts as flat."""
_ACTIVATIONS: dict[str, tuple[str, Callable[[torch.Tensor], torch.Tensor]]] = {
    "SoftmaxBackward": ("softmax", lambda z: z.softmax(1 if z.dim() > 1 else 0)),
    "SigmoidBackward": ("sigmoid", torch.sigmoid),
    "TanhBackward": ("tanh", torch.tanh),
    "ReluBackward": ("ReLU", torch.relu),
    "SoftplusBackward": ("softplus", nn.functional.softplus),
    "HardtanhBackward": ("hardtanh", nn.functional.hardtanh),
    "ExpBackward": ("exp", torch.exp),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerSignal:
    """One layer's output in one pass, in the order of the calls.

    `std` is over all numbers of the output, `gradient` the norm of the loss's gradient with respect to it (None where
    none came back). The fractions are of its units: after a ReLU zero for every sample, and above zero for every one;
    flat for nearly every sample (sigmoid, tanh). `module` is "path.tanh(1)" for the first activation that the module at
    `path` calls as a function.
    """

    module: str
    kind: str
    weighted: bool
    units: int
    std: float
    gradient: float | None
    dead_fraction: float = 0.0
    on_fraction: float = 0.0
    flat_fraction: float = 0.0


class _Kept:
    def __init__(self, module: str, kind: str, weighted: bool, output: torch.Tensor, channels_first: bool) -> None:
        self.module, self.kind, self.weighted = module, kind, weighted
        self.values, self.channels_first = output.detach().clone(), channels_first
        self.gradient: torch.Tensor | None = None
        if output.requires_grad:
            output.register_hook(self._receive)

    def _receive(self, gradient: torch.Tensor) -> None:
        self.gradient = gradient.detach()


def layer_signals(model: nn.Module, loss: Callable[[], torch.Tensor]) -> tuple[LayerSignal, ...]:
    """Run `loss`, which passes samples through `model`, and back; return what every layer and activation gave.

    Modules are as they are: the caller sets their modes. No `.grad` is touched. A layer that is called several times
    has a signal for each call. Outputs of one dimension, and those of recurrent layers, are not looked at.
    """
    kept: list[_Kept] = []
    paths = {id(module): path for path, module in model.named_modules()}
    channels_first = True  # of outputs (N, a, b), which a convolution and an attention give with different meanings

    def hook(module: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal channels_first
        channels_first = channels_first_after(module, channels_first)
        looked_at = isinstance(module, (*WEIGHTED, nn.ReLU, nn.ReLU6, nn.Sigmoid, nn.Tanh))
        if looked_at and isinstance(output, torch.Tensor) and output.is_floating_point() and output.dim() >= 2:
            weighted = isinstance(module, WEIGHTED)
            kept.append(_Kept(paths[id(module)], type(module).__name__, weighted, output, channels_first))

    def show(place: str, kind: str, output: torch.Tensor) -> None:
        kept.append(_Kept(place, kind, False, output, channels_first))

    functions = FunctionalActivations(model, ("ReLU", "Sigmoid", "Tanh"), show)
    hooks = [module.register_forward_hook(hook) for module in model.modules() if not list(module.children())]
    try:
        with torch.enable_grad(), functions:
            value = loss()
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        if isinstance(value, torch.Tensor) and value.requires_grad and trained:
            torch.autograd.grad(value, trained, allow_unused=True)
    finally:
        for handle in [*hooks, *functions.hooks]:
            handle.remove()
    return tuple(_signal(entry) for entry in kept)


def _signal(entry: _Kept) -> LayerSignal:
    values = entry.values
    dimension = unit_dimension(values, entry.channels_first)
    units = values.movedim(dimension, 0).flatten(1)  # (units, samples and places)
    dead = on = flat = 0.0
    if entry.kind in ("ReLU", "ReLU6"):
        dead, on = (float(each.all(1).double().mean()) for each in (units == 0, units > 0))
    elif entry.kind in ("Sigmoid", "Tanh"):
        slope = 4 * units * (1 - units) if entry.kind == "Sigmoid" else 1 - units.square()
        flat = float(((slope < FLAT).double().mean(1) >= MOSTLY).double().mean())
    return LayerSignal(
        module=entry.module,
        kind=entry.kind,
        weighted=entry.weighted,
        units=values.shape[dimension],
        std=float(values.double().std(correction=0)),
        gradient=None if entry.gradient is None else float(entry.gradient.double().norm()),
        dead_fraction=dead,
        on_fraction=on,
        flat_fraction=flat,
    )


def output_activation(output: Callable[[], Any]) -> tuple[str, Callable[[torch.Tensor], torch.Tensor]] | None:
    """Return the activation that the model's output comes from, views aside, as (name, function); None for others."""
    with torch.enable_grad():
        found = output()
    node = getattr(found, "grad_fn", None)
    while node is not None and SAME_NUMBERS.match(node.name()) and node.next_functions:
        node = node.next_functions[0][0]
    return None if node is None else _ACTIVATIONS.get(re.sub(r"\d*$", "", node.name()))
