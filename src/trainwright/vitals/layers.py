"""Layer by layer: what the same reference samples look like on their way through the network."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from trainwright.randomness import isolated
from trainwright.records import LayerStats
from trainwright.tensors import buffers_restored, evaluating, global_norm
from trainwright.vitals.passing import FunctionalActivations, channels_first_after, unit_dimension


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
            channels_first = channels_first_after(module, channels_first)
            if isinstance(output, torch.Tensor) and output.is_floating_point() and output.dim() >= 2 and output.numel():
                measured[path] = measure_layer(path, module, output.detach(), step, channels_first)

        return hook

    leaves = [(path, module) for path, module in model.named_modules() if path and not list(module.children())]
    hooks = [module.register_forward_hook(measure(path)) for path, module in leaves]

    def keep(place: str, kind: str, output: torch.Tensor) -> None:
        measured[place] = measure_layer(place, nn.ReLU(), output.detach(), step, channels_first)

    functions = FunctionalActivations(model, ("ReLU",), keep)
    try:
        with isolated(), evaluating(model), buffers_restored(model), torch.no_grad(), functions:
            model(x.clone())  # a model that works in place must not change the samples
    finally:
        for hook in [*hooks, *functions.hooks]:
            hook.remove()
    return tuple(measured.values())


def measure_layer(path: str, module: nn.Module, output: torch.Tensor, step: int, channels_first: bool) -> LayerStats:
    """Return the statistics of what a layer gave, with the norms of its weights and of what lies in their `.grad`."""
    units = unit_dimension(output, channels_first)
    others = tuple(dimension for dimension in range(output.dim()) if dimension != units)
    output = output.contiguous().to(torch.promote_types(output.dtype, torch.float32))  # few channels last are slow
    mean = output.mean()
    std = torch.linalg.vector_norm(output - mean) / math.sqrt(output.numel())  # a third of the time of torch's std
    zeros = output.clone().eq_(0).mean()  # in place of a copy: booleans are slow to write and to sum
    # By the extremes: to compare every number and gather the answers takes ten times as long on a CPU.
    least, most = output.amin(others), output.amax(others)
    dead, on = (least == 0) & (most == 0), least > 0
    parameters = list(module.parameters(recurse=False))
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    gradients = [gradient for gradient in gradients if not gradient.is_sparse]
    # One transfer for all numbers of the layer: on an accelerator each float() would wait on its own.
    mean_value, std_value, zero_share, dead_share, on_share = torch.stack(
        [mean, std, zeros, dead.double().mean(), on.double().mean()]
    ).tolist()
    return LayerStats(
        step=step,
        module=path,
        kind=type(module).__name__,
        units=output.shape[units],
        samples=output.shape[0],
        mean=mean_value,
        std=std_value,
        zero_fraction=zero_share,
        dead_fraction=dead_share,
        on_fraction=on_share,
        weight_norm=float(global_norm(parameter.detach() for parameter in parameters)) if parameters else None,
        gradient_norm=float(global_norm(gradients)) if gradients else None,
    )
