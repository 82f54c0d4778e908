"""A model as it trains, without the noise: dropout off, fresh batch norms by the statistics of the batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from trainwright.tensors import evaluating

BATCH_NORMS = (nn.modules.batchnorm._BatchNorm,)


@contextmanager
def still(model: nn.Module) -> Iterator[None]:
    """Put `model` into evaluation mode for the block, but for the batch norms that training would let work.

    The running statistics of a fresh batch norm say nothing yet: a deep network would see its own signal unnormalised.
    One that is alone in evaluation mode, because it is frozen, stays so. Recurrent layers are in training mode without
    dropout, because cuDNN has no backward pass for evaluation. The buffers are the caller's to restore.
    """
    modules = list(model.modules())
    training = any(module.training for module in modules)
    norms = [m for m in modules if isinstance(m, BATCH_NORMS) and (m.training or not training)]
    recurrent = [module for module in modules if isinstance(module, nn.RNNBase)]
    dropouts = [module.dropout for module in recurrent]
    with evaluating(model):
        for module in (*norms, *recurrent):
            module.training = True
        for module in recurrent:
            module.dropout = 0.0
        try:
            yield
        finally:
            for module, dropout in zip(recurrent, dropouts, strict=True):
                module.dropout = dropout


def weights(model: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that train."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


class Snapshot:
    """Parameters and buffers as they are now, to go back to between experiments; the runner does so at the end."""

    def __init__(self, model: nn.Module) -> None:
        self._kept = [(tensor, tensor.detach().clone()) for tensor in (*model.parameters(), *model.buffers())]
        self._parameters = list(model.parameters())

    def restore(self) -> None:
        """Put the values back, and take the gradients away."""
        with torch.no_grad():
            for tensor, value in self._kept:
                tensor.copy_(value)
        for parameter in self._parameters:
            parameter.grad = None
