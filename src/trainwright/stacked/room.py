"""How many rows of an array stand beside one another in memory."""

from __future__ import annotations

from torch import nn

from trainwright.vitals.memory import available_memory

_SHARE = 0.5
"""Share of the free memory that the rows of one array may take; what they keep for the backward pass is a guess."""
_COPIES = 8  # of its weights that a row takes: the member, the row, gradient, two slots of the optimizer, and room


def rows_at_once(model: nn.Module, row_bytes: int = 0) -> int:
    """Return how many rows of such a model memory holds, 1 at least; `row_bytes` is what one was measured to take."""
    weights = list(model.parameters())
    guessed = _COPIES * sum(weight.nbytes for weight in weights)
    free = available_memory(weights[0].device if weights else "cpu")
    return max(1, int(_SHARE * free) // max(guessed, row_bytes, 1))
