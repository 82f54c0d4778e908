"""Attention for all rows at once, as more samples: torch has no rule for its fast kernels under vmap."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

Tensor = torch.Tensor
_NAMES = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")


def attention(call: tuple[tuple, dict], dropped: Callable[[Tensor, float], Tensor] | None) -> Tensor:
    """Return `F.scaled_dot_product_attention(*call)` within a vmap over the rows.

    `dropped` is the rows' dropout, None where nothing is drawn. With dropout the formula is written out, as torch's own
    kernel for a CPU does: softmax(q k^T / sqrt(size)), dropped, times v.
    """
    args, kwargs = call
    given = {**dict(zip(_NAMES, args, strict=False)), **kwargs}
    if given.get("enable_gqa"):
        return F.scaled_dot_product_attention(*args, **kwargs)
    query, key, value = (given[name] for name in _NAMES[:3])
    mask: Tensor | None = given.get("attn_mask")
    rate, causal, scale = given.get("dropout_p", 0.0), given.get("is_causal", False), given.get("scale")
    if not rate or dropped is None:
        found: Any = _Attention.apply(query, key, value, mask, causal, scale)
        return found
    size = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = (query * math.sqrt(size)) @ (key * math.sqrt(size)).transpose(-1, -2)
    if causal:
        mask = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool, device=query.device).tril()
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    return dropped(scores.softmax(-1), rate) @ value


class _Attention(torch.autograd.Function):
    """Attention whose vmap rule takes the rows and the samples `(K, N, ...)` as `(K N, ...)` samples of one call."""

    @staticmethod
    def forward(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool, scale: Any) -> Tensor:
        raise RuntimeError("the rows' attention was called outside the vmap over the rows")

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keep nothing: the rule is made of functions that have gradients of their own."""

    @staticmethod
    def vmap(  # type: ignore[override]
        info: Any, in_dims: Any, query: Tensor, key: Tensor, value: Tensor, mask: Any, causal: bool, scale: Any
    ) -> tuple[Tensor, int]:
        rows = info.batch_size
        folded = [
            _rows_first(tensor, place, rows).flatten(0, 1)
            for tensor, place in zip((query, key, value), in_dims, strict=False)
        ]
        if mask is not None and in_dims[3] is None:
            # One mask for all rows: it lies over the last axes, or goes over the samples again for every row.
            if mask.dim() == query.dim() - (in_dims[0] is not None) and mask.shape[0] != 1:
                mask = mask.expand(rows, *mask.shape).flatten(0, 1)
        elif mask is not None:
            raise RuntimeError("an attention mask that differs from row to row has no rule for many rows")
        found = F.scaled_dot_product_attention(*folded, attn_mask=mask, is_causal=causal, scale=scale)
        return found.unflatten(0, (rows, -1)), 0


def _rows_first(tensor: Tensor, place: int | None, rows: int) -> Tensor:
    return tensor.expand(rows, *tensor.shape) if place is None else tensor.movedim(place, 0)
