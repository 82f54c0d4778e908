"""How large the signal is on its way through a network, and the gradient on its way back, layer by layer."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

WEIGHTED = (
    nn.Linear,
    nn.Bilinear,
    nn.modules.conv._ConvNd,
)
"""Layers whose outputs are compared over depth."""
_CHANNELS_FIRST = (nn.modules.conv._ConvNd, nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm)
_RELUS = (torch.relu, torch.relu_, torch.Tensor.relu, torch.Tensor.relu_, nn.functional.relu)
_SIGMOIDS = (torch.sigmoid, torch.sigmoid_, torch.Tensor.sigmoid, torch.Tensor.sigmoid_, nn.functional.sigmoid)
_TANHS = (torch.tanh, torch.tanh_, torch.Tensor.tanh, torch.Tensor.tanh_, nn.functional.tanh)
FLAT = 0.01
"""Share of its largest slope below which a sigmoid or tanh is flat."""
_MOSTLY = 0.95
_VIEWS = re.compile(
    r"^(View|ReshapeAlias|UnsafeView|Squeeze|Unsqueeze|Transpose|T|Permute|Clone|Alias|ToCopy|Expand|AsStrided)Backward\d*$"
)
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
    none came back). The fractions are of its units: zero for every sample (after a ReLU), and flat for nearly every one
    (sigmoid, tanh). `module` is "path.tanh(1)" for the first activation that the module at `path` calls as a function.
    """

    module: str
    kind: str
    weighted: bool
    units: int
    std: float
    gradient: float | None
    dead_fraction: float = 0.0
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
        if isinstance(module, _CHANNELS_FIRST):
            channels_first = True
        elif any(True for _ in module.parameters(recurse=False)):
            channels_first = False  # an activation has none of its own, and keeps what came before it
        looked_at = isinstance(module, (*WEIGHTED, nn.ReLU, nn.ReLU6, nn.Sigmoid, nn.Tanh))
        if looked_at and isinstance(output, torch.Tensor) and output.is_floating_point() and output.dim() >= 2:
            weighted = isinstance(module, WEIGHTED)
            kept.append(_Kept(paths[id(module)], type(module).__name__, weighted, output, channels_first))

    def show(place: str, kind: str, output: torch.Tensor) -> None:
        kept.append(_Kept(place, kind, False, output, channels_first))

    functions = _Functions(model, show)
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
    dimension = 1 if values.dim() >= 4 or (values.dim() == 3 and entry.channels_first) else values.dim() - 1
    units = values.movedim(dimension, 0).flatten(1)  # (units, samples and places)
    dead = flat = 0.0
    if entry.kind in ("ReLU", "ReLU6"):
        dead = float((units == 0).all(1).double().mean())
    elif entry.kind in ("Sigmoid", "Tanh"):
        slope = 4 * units * (1 - units) if entry.kind == "Sigmoid" else 1 - units.square()
        flat = float(((slope < FLAT).double().mean(1) >= _MOSTLY).double().mean())
    return LayerSignal(
        module=entry.module,
        kind=entry.kind,
        weighted=entry.weighted,
        units=values.shape[dimension],
        std=float(values.double().std(correction=0)),
        gradient=None if entry.gradient is None else float(entry.gradient.double().norm()),
        dead_fraction=dead,
        flat_fraction=flat,
    )


class _Functions(TorchFunctionMode):
    """Shows the activations that a `forward` calls as functions; a recurrent layer's gates are no such calls."""

    def __init__(self, model: nn.Module, show: Callable[[str, str, torch.Tensor], None]) -> None:
        super().__init__()
        self._show = show
        self._paths = {id(module): path for path, module in model.named_modules()}
        self._inside: list[nn.Module] = []
        self._calls: dict[str, int] = {}
        self.hooks = [module.register_forward_pre_hook(self._enter) for module in model.modules()]
        self.hooks += [module.register_forward_hook(self._leave, always_call=True) for module in model.modules()]

    def _enter(self, module: nn.Module, inputs: Any) -> None:
        self._inside.append(module)

    def _leave(self, module: nn.Module, inputs: Any, output: Any) -> None:
        self._inside.pop()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        kind = "ReLU" if func in _RELUS else "Sigmoid" if func in _SIGMOIDS else "Tanh" if func in _TANHS else ""
        module_itself = self._inside and isinstance(self._inside[-1], nn.ReLU | nn.ReLU6 | nn.Sigmoid | nn.Tanh)
        if kind and self._inside and not module_itself and isinstance(result, torch.Tensor) and result.dim() >= 2:
            path = self._paths.get(id(self._inside[-1]), "")
            name = f"{path}.{kind.lower()}".lstrip(".")
            self._calls[name] = self._calls.get(name, 0) + 1
            self._show(f"{name}({self._calls[name]})", kind, result)
        return result


def output_activation(output: Callable[[], Any]) -> tuple[str, Callable[[torch.Tensor], torch.Tensor]] | None:
    """Return the activation that the model's output comes from, views aside, as (name, function); None for others."""
    with torch.enable_grad():
        found = output()
    node = getattr(found, "grad_fn", None)
    while node is not None and _VIEWS.match(node.name()) and node.next_functions:
        node = node.next_functions[0][0]
    return None if node is None else _ACTIVATIONS.get(re.sub(r"\d*$", "", node.name()))
