"""Layer by layer: what the same reference samples look like on their way through the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from trainwright.randomness import isolated
from trainwright.records import LayerStats
from trainwright.tensors import buffers_restored, evaluating, global_norm

_CHANNELS_FIRST = (nn.modules.conv._ConvNd, nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm)


def layer_stats(model: nn.Module, x: torch.Tensor, step: int) -> tuple[LayerStats, ...]:
    """Pass samples `x` through `model` in evaluation mode and measure every leaf module's output.

    Leaves no footprint: no gradient, no buffer, no mode, no random state changes. The gradient norms are those that
    lie in the parameters' `.grad` at the time.
    """
    measured: dict[str, LayerStats] = {}
    channels_first = True  # of outputs (N, a, b), which a convolution and an attention give with different meanings

    def measure(path: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            nonlocal channels_first
            if isinstance(module, _CHANNELS_FIRST):
                channels_first = True
            elif any(True for _ in module.parameters(recurse=False)):
                channels_first = False  # an activation has none of its own, and keeps what came before it
            if isinstance(output, torch.Tensor) and output.is_floating_point() and output.dim() >= 2:
                measured[path] = _measure(path, module, output.detach(), step, channels_first)

        return hook

    leaves = [(path, module) for path, module in model.named_modules() if path and not list(module.children())]
    hooks = [module.register_forward_hook(measure(path)) for path, module in leaves]

    def keep(place: str, output: torch.Tensor) -> None:
        measured[place] = _measure(place, nn.ReLU(), output.detach(), step, channels_first)

    functions = _FunctionalRelus(model, keep)
    try:
        with isolated(), evaluating(model), buffers_restored(model), torch.no_grad(), functions:
            model(x.clone())  # a model that works in place must not change the samples
    finally:
        for hook in [*hooks, *functions.hooks]:
            hook.remove()
    return tuple(measured.values())


class _FunctionalRelus(TorchFunctionMode):
    """Shows the result of every ReLU that a `forward` calls as a function: no module, and so no hook, sees those.

    Named by the module that called it and its place among that module's calls: "encoder.relu(1)".
    """

    def __init__(self, model: nn.Module, show: Callable[[str, torch.Tensor], None]) -> None:
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
        own = self._inside and not isinstance(self._inside[-1], nn.ReLU | nn.ReLU6)
        if own and func in _RELUS and isinstance(result, torch.Tensor) and result.dim() >= 2:
            path = self._paths.get(id(self._inside[-1]), "")
            self._calls[path] = self._calls.get(path, 0) + 1
            self._show(f"{path}.relu({self._calls[path]})".lstrip("."), result)
        return result


_RELUS = (torch.relu, torch.relu_, torch.Tensor.relu, torch.Tensor.relu_, nn.functional.relu)


def _measure(path: str, module: nn.Module, output: torch.Tensor, step: int, channels_first: bool) -> LayerStats:
    # Units are the channels of images and of what a convolution gives, else the last dimension.
    unit_dimension = 1 if output.dim() >= 4 or (output.dim() == 3 and channels_first) else output.dim() - 1
    zero = output == 0
    others = [dimension for dimension in range(output.dim()) if dimension != unit_dimension]
    dead = zero.all(dim=tuple(others))
    parameters = list(module.parameters(recurse=False))
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    # One transfer for all numbers of the layer: on an accelerator each float() would wait on its own.
    mean, std, zeros, dead_units = torch.stack(
        [output.mean(), output.std(correction=0), zero.double().mean(), dead.double().mean()]
    ).tolist()
    return LayerStats(
        step=step,
        module=path,
        kind=type(module).__name__,
        units=output.shape[unit_dimension],
        samples=output.shape[0],
        mean=mean,
        std=std,
        zero_fraction=zeros,
        dead_fraction=dead_units,
        weight_norm=float(global_norm(parameter.detach() for parameter in parameters)) if parameters else None,
        gradient_norm=float(global_norm(gradients)) if gradients else None,
    )
