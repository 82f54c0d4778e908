"""The encoder: every column of a table, or every place of a sequence, is a token, and each attends to all others.

For tables in the manner of the FT-Transformer (Gorishniy et al. 2021): a token for each column, with weights of the
column's own, and one more token, whose last state is what the answer is read from.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

from trainwright.errors import ModelError
from trainwright.parts.initializers import AUTO, initialise
from trainwright.parts.networks.attention import WIDENING, check_heads
from trainwright.parts.networks.table_columns import Categories, Curves, layout, squash
from trainwright.records import DataShape


class ColumnTokens(nn.Module):
    """Standardised numbers and one-hot categories `(N, inputs)` to a token for each column, `(N, columns, width)`.

    Numbers first: bias + slope * x + curves(x), then categories: bias + embedding. All are the column's own; the bias
    is what tells columns apart, and what is left of a category that was not seen in training.
    """

    def __init__(self, shape: DataShape, width: int) -> None:
        super().__init__()
        places = layout(shape)
        numbers = len(places.numbers)
        self.places: torch.Tensor
        self.register_buffer("places", torch.tensor(places.numbers, dtype=torch.int64), persistent=False)
        self.bias = nn.Parameter(torch.randn(numbers + len(places.categories), width))
        self.slope = nn.Parameter(torch.randn(numbers, width)) if numbers else None
        self.curves = Curves(numbers, width) if numbers else None
        self.categories = Categories(places.categories, width) if places.categories else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map `(N, inputs)` to `(N, columns, width)`."""
        found = []
        if self.curves is not None and self.slope is not None:
            numbers = squash(x.index_select(1, self.places))
            found.append(numbers.unsqueeze(-1) * self.slope + self.curves(numbers))
        if self.categories is not None:
            found.append(self.categories(x))
        return torch.cat(found, 1) + self.bias


class PlaceTokens(nn.Module):
    """A sequence `(N, length, features)` to tokens `(N, length, width)`: a Linear layer, and a vector for each place.

    A shorter sequence than the one that it was built for has the first places. Raises `ModelError` for a longer one.
    """

    def __init__(self, length: int, features: int, width: int) -> None:
        super().__init__()
        self.projection = nn.Linear(features, width)
        self.positions = nn.Parameter(torch.randn(length, width))  # as large as what the projection gives

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map `(N, length, features)` to `(N, length, width)`."""
        length, most = x.shape[1], len(self.positions)
        if length > most:
            raise ModelError(
                f"the encoder was built for sequences of {most} places and cannot take {length}",
                evidence=f"a batch of shape {tuple(x.shape)}",
                remedy="cut the sequences, or build it for the longest",
            )
        return self.projection(x) + self.positions[:length]


class EncoderBlock(nn.Module):
    """`x + attention(norm(x))`, then `x + narrow(gelu(widen(norm(x))))`: every token attends to all tokens.

    softmax(q k^T / sqrt(size)) v in each of `heads` parts of the channels (Vaswani et al. 2017). The norm stands at the
    head of each branch, so that the way past the blocks is free.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width, bias=False)
        self.mix = nn.Linear(width, width)
        self.hidden_norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, WIDENING * width)
        self.activation = nn.GELU()
        self.narrow = nn.Linear(WIDENING * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map `(N, tokens, width)` to the same shape."""
        x = x + self.dropout(self.mix(self._attend(self.attention_norm(x))))
        return x + self.dropout(self.narrow(self.activation(self.widen(self.hidden_norm(x)))))

    def _attend(self, x: torch.Tensor) -> torch.Tensor:
        samples, tokens, width = x.shape
        parts = self.queries_keys_values(x).view(samples, tokens, 3, self.heads, width // self.heads)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)  # each (N, heads, tokens, size)
        dropout = self.dropout.p if self.training else 0.0
        mixed = F.scaled_dot_product_attention(queries, keys, values, dropout_p=dropout)
        return mixed.transpose(1, 2).reshape(samples, tokens, width)


class Encoder(nn.Module):
    """Tokens of a sample, and one more in front, through the blocks; the answer is read from that one.

    `tokens` maps samples to `(N, tokens, width)`; the encoder gives `(N, outputs)`: logits or values.
    """

    def __init__(self, tokens: nn.Module, *, layers: int, heads: int, width: int, dropout: float, outputs: int) -> None:
        super().__init__()
        self.tokens = tokens
        self.first = nn.Parameter(torch.zeros(width))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(EncoderBlock(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map samples to `(N, outputs)`."""
        tokens = self.tokens(x)
        first = self.first.expand(tokens.shape[0], 1, -1)
        tokens = self.dropout(torch.cat([first, tokens], 1))
        for block in self.blocks:
            tokens = block(tokens)
        return self.output(self.norm(tokens[:, 0]))


def encoder(shape: DataShape, *, layers: int, heads: int, width: int, dropout: float) -> nn.Module:
    """Transformer encoder for the columns of a table, `(inputs,)`, or for sequences of numbers, `(length, features)`.

    From `(N, *input_shape)` to `(N, outputs)`. `shape.groups` says which inputs of a table are one category; without,
    each input is a column of numbers, which should be standardised. Raises `ModelError` where `heads` do not divide
    `width`, and where the groups do not add up to the inputs.
    """
    check_heads(width, heads, pairs=False)
    if len(shape.input_shape) == 1:
        tokens: nn.Module = ColumnTokens(shape, width)
    else:
        length, features = shape.input_shape
        tokens = PlaceTokens(length, features, width)
    model = Encoder(tokens, layers=layers, heads=heads, width=width, dropout=dropout, outputs=shape.outputs)
    initialise(model, AUTO)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, EncoderBlock):
                # Divided so that the sum over all blocks begins as large for any depth (Radford et al. 2019).
                for last in (module.mix, module.narrow):
                    last.weight.div_(math.sqrt(2 * layers))
    return model
