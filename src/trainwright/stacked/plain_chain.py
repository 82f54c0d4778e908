"""Plain chains without autograd: products, forward and backward, into memory that the next rows use again.

What autograd does around an operation, and fresh memory for each result, take half as long again as the products of
layers of a hundred units. The loss stays with autograd: it can be any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from trainwright.stacked.chain import leaves_of
from trainwright.stacked.draws import Draws, RowRates
from trainwright.stacked.layout import Layout
from trainwright.stacked.member import check_differentiable
from trainwright.stacked.stack import Piece

aten: Any = torch.ops.aten
_ACTIVATIONS: Mapping[type, tuple[Callable[[torch.Tensor], object], Callable[[torch.Tensor, torch.Tensor], object]]] = {
    nn.ReLU: (torch.relu_, lambda g, y: aten.threshold_backward.grad_input(g, y, 0, grad_input=g)),
    nn.Tanh: (torch.tanh_, lambda g, y: aten.tanh_backward.grad_input(g, y, grad_input=g)),
    nn.Sigmoid: (torch.sigmoid_, lambda g, y: aten.sigmoid_backward.grad_input(g, y, grad_input=g)),
}
"""In place: the value, and of the gradient after it and the value the gradient before it."""


class PlainChain:
    """The chain `template`: fully connected layers with weights of their own, each with an activation and dropout."""

    def __init__(self, template: nn.Module) -> None:
        self._layers = [(name, layer) for name, layer in leaves_of(template) if type(layer) is not nn.Flatten]
        self._flat = type(next(leaves_of(template))[1]) is nn.Flatten
        self._memory: dict[Any, torch.Tensor] = {}

    def takes(self, piece: Piece, x: torch.Tensor) -> bool:
        """Say whether the batch is of numbers `(N, features)` as the weights are."""
        return (x.dim() == 2 or self._flat) and (x.dtype, x.device) == (piece.gradient.dtype, piece.gradient.device)

    @torch.no_grad()
    def step(
        self,
        piece: Piece,
        x: torch.Tensor,
        losses: Callable[[torch.Tensor], torch.Tensor],
        draws: Draws,
        rates: Mapping[str, RowRates],
    ) -> torch.Tensor:
        """Return the losses `(k,)` that `losses` gives for the outputs; write the gradients into those of the piece."""
        value, kept = x.flatten(1).expand(len(piece), -1, -1), list[torch.Tensor | None]()
        for name, layer in self._layers:
            kept.append(value)
            if isinstance(layer, nn.Linear):
                weight = piece.leaves[f"{name}.weight"].transpose(1, 2)
                out = self._room(name, value, layer.out_features)
                value = torch.bmm(value, weight, out=out)
                if layer.bias is not None:
                    value.add_(piece.leaves[f"{name}.bias"][:, None])
            elif not isinstance(layer, nn.Dropout):
                _ACTIVATIONS[type(layer)][0](value)
            elif layer.training and any(rates[name].rates[piece.rows]):
                kept[-1] = draws.mask(rates[name].rates[piece.rows], value.shape[1:], value)
                value = torch.mul(value, kept[-1], out=self._room(name, value, value.shape[-1]))
            else:
                kept[-1] = None
        with torch.enable_grad():
            outputs = value.detach().requires_grad_()
            found = losses(outputs)
            check_differentiable(found)
            gradient = torch.autograd.grad(found.sum(), [outputs])[0].clone(memory_format=torch.contiguous_format)
        self._backward(piece, gradient, kept)
        return found.detach().clone()  # a loss may be a view of the outputs, whose memory is used again

    def _backward(self, piece: Piece, gradient: torch.Tensor, kept: list[torch.Tensor | None]) -> None:
        for number, (name, layer) in reversed(list(enumerate(self._layers))):
            value = kept[number]
            if isinstance(layer, nn.Linear):
                assert value is not None
                torch.bmm(gradient.transpose(1, 2), value, out=piece.slopes[f"{name}.weight"])
                if layer.bias is not None:
                    torch.sum(gradient, 1, out=piece.slopes[f"{name}.bias"])
                if number:
                    out = self._room((name, "backward"), gradient, layer.in_features)
                    gradient = torch.bmm(gradient, piece.leaves[f"{name}.weight"], out=out)
            elif value is not None and isinstance(layer, nn.Dropout):
                gradient.mul_(value)
            elif value is not None:
                _ACTIVATIONS[type(layer)][1](gradient, value)

    def _room(self, name: Any, like: torch.Tensor, features: int) -> torch.Tensor:
        """Return memory for `(k, N, features)` that belongs to this place in the chain."""
        shape = (*like.shape[:2], features)
        held = self._memory.get(name)
        if held is None or held.shape[1:] != shape[1:] or len(held) < len(like):
            held = self._memory[name] = torch.empty(shape, dtype=like.dtype, device=like.device)
        return held[: len(like)]


def is_plain(template: nn.Module, layout: Layout) -> bool:
    """Say whether `PlainChain` can compute the chain with such columns.

    Every weight must be trained and belong to one layer, and since activations are computed in place, none may stand
    before the first fully connected layer or follow another.
    """
    leaves = list(leaves_of(template))
    layers = [layer for _, layer in leaves[type(leaves[0][1]) is nn.Flatten :]]
    weighty = [type(layer) for layer in layers if type(layer) is not nn.Dropout]
    used = [f"{name}.{own}" for name, layer in leaves for own, _ in layer.named_parameters(remove_duplicate=False)]
    return (
        all(kind is nn.Linear or kind in _ACTIVATIONS for kind in weighty)
        and layers[:1] == [layer for layer in layers[:1] if type(layer) is nn.Linear]
        and nn.Linear in weighty
        and all(nn.Linear in pair for pair in pairwise(weighty))
        and sorted(used) == sorted(slot.name for slot in layout.slots)
    )
