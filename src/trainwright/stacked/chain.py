"""The forward pass of all rows at once for chains of plain layers, written out: no dispatch through vmap.

A chain is a `Sequential` (of such) of fully connected layers, activations, normalisations of vectors and dropout.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from trainwright.parts.activations import ELEMENTWISE
from trainwright.stacked.draws import Draws, RowRates
from trainwright.stacked.stack import Piece


@dataclass
class _Signal:
    """What flows: `(N, ...)` while all rows share it, `(K, N, ...)` from the first layer on that has weights."""

    value: torch.Tensor
    shared: bool


class ChainForward:
    """`template`, a chain of plain layers, computed with the weights of every row of the stack on one batch.

    `rates` are those of each dropout in all rows, by module.
    """

    def __init__(self, template: nn.Module, rates: Mapping[str, RowRates]) -> None:
        self.template = template
        self.set_rates(rates)
        names = {id(entry): name for name, entry in [*template.named_parameters(), *template.named_buffers()]}
        self._layers = [
            (name, layer, {own: names[id(entry)] for own, entry in _own(layer)}) for name, layer in leaves_of(template)
        ]

    def set_rates(self, rates: Mapping[str, RowRates]) -> None:
        """Take the rates of every dropout in all rows, by module."""
        self.rates = rates

    def __call__(self, piece: Piece, x: torch.Tensor, draws: Draws | None = None) -> torch.Tensor:
        """Return the outputs `(K, N, ...)`; without `draws`, dropout is off."""
        tensors = {**piece.leaves, **piece.constants, **piece.buffers}
        signal = _Signal(x, True)
        for name, layer, own in self._layers:
            entries = {key: tensors[full] for key, full in own.items()}
            batched = {key: full not in piece.shared for key, full in own.items()}
            if isinstance(layer, nn.Linear):
                _linear(signal, entries, batched, len(piece))
            elif isinstance(layer, nn.BatchNorm1d):
                _batch_norm(signal, layer, _full(entries, batched, len(piece)), len(piece))
            elif isinstance(layer, nn.LayerNorm):
                _layer_norm(signal, layer, _full(entries, batched, len(piece)), len(piece))
            elif isinstance(layer, nn.Dropout):
                if draws is not None and layer.training and any(self.rates[name].rates[piece.rows]):
                    value = _rows(signal, len(piece))
                    mask = draws.mask(self.rates[name].rates[piece.rows], value.shape[1:], value)
                    signal.value, signal.shared = value * mask, False
            elif isinstance(layer, nn.Flatten):
                signal.value = signal.value.flatten(1 if signal.shared else 2)
            else:
                signal.value = layer(signal.value)
        return _rows(signal, len(piece))


def is_chain(model: nn.Module) -> bool:
    """Say whether `ChainForward` can compute the model: known layers and nothing that hooks into them."""
    modules = list(model.modules())
    hooked = any(
        any(getattr(module, hooks) for hooks in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks"))
        or "forward" in vars(module)
        for module in modules
    )
    return not hooked and all(_is_known(layer) for _, layer in leaves_of(model))


def leaves_of(model: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Yield the layers of a chain in their order, with their names."""
    if type(model) is not nn.Sequential:
        yield prefix, model
        return
    for name, child in model.named_children() if len(set(model)) == len(model) else model._modules.items():
        assert child is not None
        yield from leaves_of(child, f"{prefix}.{name}" if prefix else name)


def _own(layer: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from layer.named_parameters(recurse=False, remove_duplicate=False)
    yield from layer.named_buffers(recurse=False, remove_duplicate=False)


def _is_known(layer: nn.Module) -> bool:
    kind = type(layer)
    if kind is nn.Flatten:
        return bool(layer.start_dim == 1 and layer.end_dim == -1)
    if kind is nn.BatchNorm1d:
        return layer.momentum is not None and bool(layer.track_running_stats)
    return kind in ELEMENTWISE or kind in (nn.Identity, nn.Linear, nn.LayerNorm, nn.Dropout)


def _rows(signal: _Signal, rows: int) -> torch.Tensor:
    return signal.value.expand(rows, *signal.value.shape) if signal.shared else signal.value


def _full(entries: Mapping[str, torch.Tensor], batched: Mapping[str, bool], rows: int) -> dict[str, torch.Tensor]:
    return {key: entry if batched[key] else entry.expand(rows, *entry.shape) for key, entry in entries.items()}


def _linear(signal: _Signal, entries: Mapping[str, torch.Tensor], batched: Mapping[str, bool], rows: int) -> None:
    if not any(batched.values()):  # frozen weights, the same in all rows: computed once while the signal is shared
        signal.value = F.linear(signal.value, entries["weight"], entries.get("bias"))
        return
    full = _full(entries, batched, rows)
    value = _rows(signal, rows)
    flat = value.flatten(1, -2) if value.dim() > 3 else value
    product: Any = _RowLinear.apply(flat, full["weight"], full.get("bias"))
    signal.value = product.view(*value.shape[:-1], product.shape[-1])
    signal.shared = False


class _RowLinear(torch.autograd.Function):
    """Every row's own fully connected layer: `(K, N, in)`, `(K, out, in)`, `(K, out)` or None to `(K, N, out)`.

    Written out because torch's own backward of the product gives the gradient of the weights transposed, and turning it
    around costs as much as a tenth of the step.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """Return x W^T + b in each row."""
        ctx.save_for_backward(x, weight)
        turned = weight.transpose(1, 2)
        return torch.bmm(x, turned) if bias is None else torch.baddbmm(bias[:, None], x, turned)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # type: ignore[override]
        """Return the gradients of those inputs that need one."""
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        return (
            torch.bmm(gradient, weight) if of_x else None,
            torch.bmm(gradient.transpose(1, 2), x) if of_weight else None,
            gradient.sum(1) if of_bias else None,
        )


def _batch_norm(signal: _Signal, layer: nn.BatchNorm1d, own: Mapping[str, torch.Tensor], rows: int) -> None:
    """Normalise K times C channels at once. The stacks of statistics are contiguous, so that they are updated."""
    value = _rows(signal, rows)
    merged = value.transpose(0, 1).flatten(1, 2)
    mean, variance = own["running_mean"].view(-1), own["running_var"].view(-1)
    if layer.training:
        own["num_batches_tracked"].add_(1)
    weight, bias = (own[name].reshape(-1) if name in own else None for name in ("weight", "bias"))
    momentum: Any = layer.momentum
    normed = F.batch_norm(merged, mean, variance, weight, bias, layer.training, momentum, layer.eps)
    signal.value = normed.view(value.shape[1], rows, *value.shape[2:]).transpose(0, 1)
    signal.shared = False


def _layer_norm(signal: _Signal, layer: nn.LayerNorm, own: Mapping[str, torch.Tensor], rows: int) -> None:
    value = F.layer_norm(signal.value, list(layer.normalized_shape), None, None, layer.eps)
    signal.value = value
    if "weight" not in own:
        return
    value = _rows(signal, rows)
    shape = (rows, *[1] * (value.dim() - 1 - len(layer.normalized_shape)), *layer.normalized_shape)
    signal.value = value * own["weight"].reshape(shape)
    if "bias" in own:
        signal.value = signal.value + own["bias"].reshape(shape)
    signal.shared = False
