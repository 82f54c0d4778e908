"""What columns of a table become inside a network: a number a smooth curve of its own, a category an embedding.

A number goes through waves of fixed frequencies, whose sums can bend it anywhere, finely in the middle of its range:
the numerical embeddings of Gorishniy et al. 2022 (periodic, "PLR"), here with frequencies on a ladder instead of random
ones, and with amplitudes that fall as frequencies rise, so that smooth curves are learnt first and few rows are not
learnt by heart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import nn

from trainwright.errors import ModelError
from trainwright.records import DataShape

WAVES = 24
"""Frequencies by which each number is seen."""
SLOWEST = 1 / 32
"""Frequency of the slowest wave, in periods for each standard deviation: a fifth of one from end to end."""
FASTEST = 16.0
"""Frequency of the fastest wave: places a thirtieth of a standard deviation apart can differ."""
EVEN = 0.2
"""Frequency up to which waves are about as large as one another; beyond, they fall as its square root."""
RANGE = 3.0
"""What no squashed number goes beyond, in standard deviations."""
BEGINNING = 0.1
"""How large curves begin, beside the numbers themselves: an untrained network is nearly one without."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where the columns are among the inputs: `numbers` are the places of single inputs, `categories` of blocks."""

    numbers: tuple[int, ...]
    categories: tuple[slice, ...]


def layout(shape: DataShape) -> Layout:
    """Return where numbers and categories are, by the widths of `shape.groups`; without groups, all are numbers.

    Raises `ModelError` where the groups are no division of the inputs.
    """
    (inputs,) = shape.input_shape
    groups = shape.groups or (1,) * inputs
    if sum(groups) != inputs or min(groups) < 1:
        raise ModelError(
            "the columns' blocks do not add up to the inputs",
            evidence=f"groups {groups} hold {sum(groups)} inputs, samples {inputs}",
            remedy="give each column the number of inputs that it became, or leave groups out",
        )
    starts = [sum(groups[:place]) for place in range(len(groups))]
    blocks = list(zip(starts, groups, strict=True))
    return Layout(
        numbers=tuple(start for start, width in blocks if width == 1),
        categories=tuple(slice(start, start + width) for start, width in blocks if width > 1),
    )


class Waves(nn.Module):
    """Numbers `(N, n)` to waves `(N, n, 2 WAVES)`: a_k cos(2 pi f_k x) and a_k sin(2 pi f_k x), k = 1 to `WAVES`.

    f_k rises geometrically from `SLOWEST` to `FASTEST`, and a_k = (1 + (f_k / EVEN)^2)^(-1/4). Holds no parameter, and
    nothing that is saved.
    """

    def __init__(self) -> None:
        super().__init__()
        frequencies = SLOWEST * (FASTEST / SLOWEST) ** torch.linspace(0, 1, WAVES, dtype=torch.float64)
        amplitudes = (1 + (frequencies / EVEN).square()) ** -0.25
        self.angular: torch.Tensor
        self.amplitudes: torch.Tensor
        self.register_buffer("angular", (2 * math.pi * frequencies).to(torch.get_default_dtype()), persistent=False)
        self.register_buffer("amplitudes", amplitudes.to(torch.get_default_dtype()), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map `(N, n)` to `(N, n, 2 WAVES)`, cosines first."""
        angles = x.unsqueeze(-1) * self.angular
        return torch.cat([angles.cos() * self.amplitudes, angles.sin() * self.amplitudes], -1)


def squash(x: torch.Tensor) -> torch.Tensor:
    """Return x / sqrt(1 + (x / 3)^2): x near 0, and never beyond 3, so that no outlier outweighs everything else.

    The smooth clipping of Holzmüller et al. 2024 (RealMLP).
    """
    return x / torch.hypot(torch.ones_like(x), x / RANGE)  # the square itself could overflow


class Curves(nn.Module):
    """Numbers `(N, n)` to `size` curves of each, `(N, n, size)`: sums of waves by weights of the column's own."""

    def __init__(self, numbers: int, size: int) -> None:
        super().__init__()
        self.waves = Waves()
        self.weight = nn.Parameter(torch.randn(numbers, 2 * WAVES, size) * (BEGINNING / math.sqrt(2 * WAVES)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map `(N, n)` to `(N, n, size)`."""
        # One product for each column, all of them in one call.
        return torch.bmm(self.waves(x).transpose(0, 1), self.weight).transpose(0, 1)


class Categories(nn.Module):
    """Blocks of inputs, one for each category, to an embedding of each: `(N, inputs)` to `(N, columns, size)`.

    A block of zeros and a single one, times a matrix, is the row of that matrix that belongs to the one: a look-up that
    also takes blends of samples, and a category that was not seen in training, which is all zeros and so gives zeros.
    """

    def __init__(self, blocks: Sequence[slice], size: int) -> None:
        super().__init__()
        self.blocks = tuple(blocks)
        ends = list(accumulate(block.stop - block.start for block in blocks))
        self.rows = tuple(slice(end - (block.stop - block.start), end) for block, end in zip(blocks, ends, strict=True))
        self.embedding = nn.Parameter(torch.randn(ends[-1], size))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map all inputs `(N, inputs)` to `(N, columns, size)`."""
        pairs = zip(self.blocks, self.rows, strict=True)
        return torch.stack([x[:, block] @ self.embedding[rows] for block, rows in pairs], 1)
