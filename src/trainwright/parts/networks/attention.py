"""The block of a decoder: attention to what came before, then two layers for each token, both added to the token.

The norm stands at the head of each branch (pre-norm, as in GPT-2), so that the way past the blocks is free.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from trainwright.errors import ModelError

WIDENING = 4
"""How much wider the hidden layer of a block is than the block (Vaswani et al. 2017)."""
_SLOWEST = 10_000.0  # the base of the angles' frequencies (Su et al. 2021)


class Rotation(nn.Module):
    """Rotary positions (Su et al. 2021): queries and keys are turned by angles in proportion to their places.

    Channels 2 i and 2 i + 1 of a head are a point in a plane, which at place p is turned by p times
    10,000 ** (-2 i / size) radians, so that the product of a query and a key depends on how far apart they are, not on
    where they are. `heads` is how many heads of `size` channels, an even number, lie side by side. Holds no parameter,
    and nothing that is saved.
    """

    def __init__(self, length: int, size: int, heads: int) -> None:
        super().__init__()
        frequencies = _SLOWEST ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
        angles = torch.outer(torch.arange(length, dtype=torch.float64), frequencies)
        # Written out for every head, because long rows are multiplied faster than a short one again and again.
        table = torch.stack([angles.cos(), angles.sin()], -1).repeat(1, heads, 1)
        self.table: torch.Tensor
        self.register_buffer("table", table.to(torch.get_default_dtype()), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Turn `(N, L, heads * size)` by its places, L at most `length`; half precision is turned in float32."""
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        points, turns = wide.unflatten(-1, (-1, 2)), self.table[: x.shape[1]].to(wide.dtype)
        if torch.compiler.is_compiling():  # the compiler makes no code for complex numbers
            (first, second), (cosines, sines) = points.unbind(-1), turns.unbind(-1)
            turned = torch.stack([first * cosines - second * sines, first * sines + second * cosines], -1)
        else:  # one operation instead of seven: on a CPU a tenth of the whole training step
            turned = torch.view_as_real(torch.view_as_complex(points) * torch.view_as_complex(turns))
        return turned.reshape(x.shape).to(x.dtype)


class CausalAttention(nn.Module):
    """Attention of each token to itself and those before it, in `heads` parts of the channels side by side.

    softmax(q k^T / sqrt(size)) v in each head (Vaswani et al. 2017), the scores of later tokens being minus infinity.
    """

    def __init__(self, width: int, heads: int, *, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.queries_keys_values = nn.Linear(width, 3 * width, bias=False)
        self.output = nn.Linear(width, width, bias=False)

    def forward(self, x: torch.Tensor, rotation: Rotation | None) -> torch.Tensor:
        """Map `(N, L, width)` to the same shape."""
        samples, length, width = x.shape
        searching, values = self.queries_keys_values(x).split([2 * width, width], -1)
        if rotation is not None:
            searching = rotation(searching)
        queries, keys = searching.chunk(2, -1)
        queries, keys, values = (
            part.view(samples, length, self.heads, -1).transpose(1, 2)  # (N, heads, L, size)
            for part in (queries, keys, values)
        )
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(queries, keys, values, dropout_p=dropout, is_causal=True)
        return self.output(mixed.transpose(1, 2).reshape(samples, length, width))


class DecoderBlock(nn.Module):
    """`x + attention(norm(x))`, then `x + narrow(gelu(widen(norm(x))))`, a hidden layer four times as wide."""

    def __init__(self, width: int, heads: int, *, dropout: float, norm: str) -> None:
        super().__init__()
        self.attention_norm = normalisation(norm, width)
        self.attention = CausalAttention(width, heads, dropout=dropout)
        self.hidden_norm = normalisation(norm, width)
        self.widen = nn.Linear(width, WIDENING * width, bias=False)
        self.activation = nn.GELU()
        self.narrow = nn.Linear(WIDENING * width, width, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, rotation: Rotation | None = None) -> torch.Tensor:
        """Map `(N, L, width)` to the same shape."""
        x = x + self.dropout(self.attention(self.attention_norm(x), rotation))
        return x + self.dropout(self.narrow(self.activation(self.widen(self.hidden_norm(x)))))


def normalisation(name: str, width: int) -> nn.Module:
    """Return the norm over the last of `(N, L, width)`, a scale and no shift: "layer" or "rms"."""
    return nn.RMSNorm(width, eps=1e-5) if name == "rms" else nn.LayerNorm(width, bias=False)


def check_heads(width: int, heads: int, *, pairs: bool) -> None:
    """Raise `ModelError`, naming the nearest number that works, unless `heads` divide `width`.

    With `pairs`, each head needs an even number of channels.
    """
    unit = 2 if pairs else 1
    if width % (heads * unit) == 0:
        return
    fitting = [number for number in range(1, width + 1) if width % (number * unit) == 0]
    what = f"{width} channels cannot be divided among {heads} heads"
    if not fitting:
        raise ModelError(
            f"{what}: rotary positions turn pairs of channels",
            evidence=f"model.width = {width} is odd",
            remedy=f"model.width = {width + 1}, or model.positions = 'learned'",
        )
    best = min(fitting, key=lambda number: (abs(number - heads), number))
    raise ModelError(
        what,
        evidence=f"{width} / {heads} = {width / heads:g}" + (", and each head needs an even number" if pairs else ""),
        remedy=f"model.heads = {best}, or another model.width",
    )
