"""What passes through a network: activations that a `forward` calls as functions, and where an output has its units."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

_CHANNELS_FIRST = (nn.modules.conv._ConvNd, nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm)
_FUNCTIONS: dict[Any, str] = {
    torch.relu: "ReLU",
    torch.relu_: "ReLU",
    torch.Tensor.relu: "ReLU",
    torch.Tensor.relu_: "ReLU",
    nn.functional.relu: "ReLU",
    torch.sigmoid: "Sigmoid",
    torch.sigmoid_: "Sigmoid",
    torch.Tensor.sigmoid: "Sigmoid",
    torch.Tensor.sigmoid_: "Sigmoid",
    nn.functional.sigmoid: "Sigmoid",
    torch.tanh: "Tanh",
    torch.tanh_: "Tanh",
    torch.Tensor.tanh: "Tanh",
    torch.Tensor.tanh_: "Tanh",
    nn.functional.tanh: "Tanh",
}


class FunctionalActivations(TorchFunctionMode):
    """Shows the results of activations that are called as functions: no module, and so no hook, sees those.

    `show(place, kind, output)` gets each of `kinds` ("ReLU", "Sigmoid", "Tanh"), the place named by the module that
    called it and its count among that module's calls: "encoder.relu(1)". A recurrent layer's gates are no such calls.
    The caller removes `hooks` at the end.
    """

    def __init__(
        self, model: nn.Module, kinds: Collection[str], show: Callable[[str, str, torch.Tensor], None]
    ) -> None:
        super().__init__()
        self._kinds = kinds
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
        kind = _FUNCTIONS.get(func, "")
        if kind not in self._kinds or not self._inside or not isinstance(result, torch.Tensor) or result.dim() < 2:
            return result
        if not isinstance(self._inside[-1], nn.ReLU | nn.ReLU6 | nn.Sigmoid | nn.Tanh):  # else its module is looked at
            path = self._paths.get(id(self._inside[-1]), "")
            name = f"{path}.{kind.lower()}".lstrip(".")
            self._calls[name] = self._calls.get(name, 0) + 1
            self._show(f"{name}({self._calls[name]})", kind, result)
        return result


def channels_first_after(module: nn.Module, before: bool) -> bool:
    """Say whether outputs `(N, a, b)` have their channels first after `module`, as they had `before` or not.

    A convolution and an attention give these with different meanings; an activation keeps what came before it.
    """
    if isinstance(module, _CHANNELS_FIRST):
        return True
    return before and not any(True for _ in module.parameters(recurse=False))


def unit_dimension(output: torch.Tensor, channels_first: bool) -> int:
    """Return the dimension of the units: the channels of images and of what a convolution gives, else the last."""
    return 1 if output.dim() >= 4 or (output.dim() == 3 and channels_first) else output.dim() - 1
