"""A model at a glance, the memory that its training takes, and the batch size that fits: plain numbers, no tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Learns = Literal["trainable", "frozen", "partly", ""]
"""Whether parameters have gradients: all, none, some of them; "" where there are no parameters."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelRow:
    """One module of a model that owns parameters or changes the shape of what passes.

    `path` is "" for the model itself. `outputs` are the shapes of the tensors that it gave when it was called last,
    () where it was not called. `parameters` counts the numbers that it owns itself, its children's not among them, and
    `tied` those that an earlier row owns too and has counted. `used` says that it was called, or that another
    module's computation took its parameters (attention does so with its output layer).
    """

    path: str
    kind: str  # class name, "Conv2d"
    outputs: tuple[tuple[int, ...], ...]
    parameters: int
    tied: int
    learns: Learns
    training: bool
    calls: int
    used: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSummary:
    """A model, module by module, and as a whole. Every parameter and buffer is counted once, however often it is used.

    `training` says in which mode the modules are: all in training, all in evaluation ("evaluation"), or "mixed".
    """

    kind: str
    input_shape: tuple[int, ...]
    outputs: tuple[tuple[int, ...], ...]
    rows: tuple[ModelRow, ...]
    parameters: int
    trainable: int
    parameter_bytes: int
    buffer_bytes: int
    mode: Literal["training", "evaluation", "mixed"]

    @property
    def unused(self) -> tuple[ModelRow, ...]:
        """The rows that took no part in the forward pass."""
        return tuple(row for row in self.rows if not row.used)


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryForecast:
    """What one training step keeps in memory, in bytes: its parts, and the most that is there at once (`total`).

    `activations` are what the forward pass leaves for the backward pass. The parts need not all be there at the same
    time: gradients come as activations go, so `total` may be less than their sum; results that live only for a moment
    come on top, so it may be more. `method` is "shapes" where nothing was computed, and "measured" where small
    batches were, and the rest is extrapolated.
    """

    batch_size: int
    parameters: int
    buffers: int
    gradients: int
    optimizer_state: int
    inputs: int
    activations: int
    total: int
    precision: str = "fp32"
    recomputed: bool = False
    method: Literal["shapes", "measured"] = "shapes"


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchSizeTrial:
    """One batch size that was tried, or judged without trying.

    "out of memory" is what an attempt ended in; "too large" says that it would take, or took, more than
    `allowed_bytes`, the free memory less the margin. `needed_bytes` is what it took, or what it is expected to take
    where it was not attempted, None where nobody knows. `seconds` is what the attempt took, 0 without one.
    """

    batch_size: int
    result: Literal["fits", "out of memory", "too large"]
    needed_bytes: int | None
    allowed_bytes: int
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchSizeSearch:
    """The batch size that was found, everything that was tried in order, and what kept it from being larger.

    `limited_by` is "memory", or "updates" where a larger one would leave fewer updates an epoch than learning needs.
    `largest` is the batch size that the updates allow.
    """

    batch_size: int
    largest: int
    limited_by: Literal["memory", "updates"]
    trials: tuple[BatchSizeTrial, ...]
