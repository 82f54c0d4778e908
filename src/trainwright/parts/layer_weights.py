"""Where the weights of a model are: what initialisation has to fill, and which activation follows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from trainwright.parts.activations import is_activation
from trainwright.tensors import buffers_restored, evaluating, is_normalisation

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, *_TRANSPOSED)


def is_weighted(module: nn.Module) -> bool:
    """Say whether a module is a linear layer or a convolution."""
    return isinstance(module, _WEIGHTED)


def blocks(module: nn.Module) -> list[torch.Tensor]:
    """Return views `(outputs, inputs, ...)` of the weights that `module` itself holds, each to be filled on its own.

    One for a linear layer or a convolution, one for each group of a grouped one, and those of the queries, keys and
    values of an attention, which torch keeps in one tensor. The fans of such a view are the true ones.
    """
    if isinstance(module, nn.MultiheadAttention):
        if module.in_proj_weight is not None:
            return list(module.in_proj_weight.chunk(3))
        apart = (module.q_proj_weight, module.k_proj_weight, module.v_proj_weight)
        return [weight for weight in apart if weight is not None]
    if isinstance(module, nn.Linear):
        return [module.weight]
    if not is_weighted(module):
        return []
    convolution: Any = module
    groups = list(convolution.weight.chunk(convolution.groups))
    return [group.transpose(0, 1) for group in groups] if isinstance(module, _TRANSPOSED) else groups


def biases(module: nn.Module) -> list[nn.Parameter]:
    """Return the biases that belong to the weights of `module`."""
    owner: Any = module
    if isinstance(module, nn.MultiheadAttention):
        found = owner.in_proj_bias
    else:
        found = owner.bias if is_weighted(module) else None
    return [] if found is None else [found]


def embeddings(model: nn.Module) -> list[nn.Embedding | nn.EmbeddingBag]:
    """Return the tables of vectors that are looked up, whose weights have no fan."""
    return [module for module in model.modules() if isinstance(module, nn.Embedding | nn.EmbeddingBag)]


def following_activations(model: nn.Module) -> Mapping[nn.Module, nn.Module]:
    """Return each linear layer and convolution that an activation follows, and that activation.

    In the order in which the modules are defined, with anything but another layer of weights in between. What a
    `forward` calls as a function is not seen.
    """
    found: dict[nn.Module, nn.Module] = {}
    before: nn.Module | None = None
    for module in model.modules():
        if is_weighted(module):
            before = module
        elif before is not None and is_activation(module):
            found[before] = module
            before = None
    return found


def unit_variance(model: nn.Module, sample: torch.Tensor) -> None:
    """Scale each linear layer and convolution so that its output on the batch `sample` has variance 1.

    One pass: the layers are scaled in the order in which they run, so that each sees inputs that are already right.
    Biases must be 0. Measured without dropout, and with the batch's own statistics where the model has batch
    normalisation; buffers and modes are left as they were. A layer whose output does not vary keeps its weights, as
    does one that shares them with an embedding; one that runs twice has variance 1 the first time.
    """
    done = {module.weight.data_ptr() for module in embeddings(model)}

    def scale(module: nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor | None:
        weights = [block for block in blocks(module) if block.data_ptr() not in done]
        std = float(output.std(correction=0))
        if not weights or not 0 < std < float("inf"):
            return None
        for weight in weights:
            weight.div_(std)
            done.add(weight.data_ptr())
        return output / std

    hooks = [module.register_forward_hook(scale) for module in model.modules() if is_weighted(module)]
    try:
        with evaluating(model), buffers_restored(model), torch.no_grad():
            for module in model.modules():
                if is_normalisation(module):
                    module.training = True
            model(sample)
    finally:
        for hook in hooks:
            hook.remove()
