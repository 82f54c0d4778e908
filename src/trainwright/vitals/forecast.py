"""How much memory a training step will take, found without taking it.

The step is gone through with tensors that have a shape and no data, so that a model of any size can be judged before
any of it exists. What autograd keeps, what checkpointing drops and what the optimizer adds is thereby torch's own
answer, not a formula's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_leaves

from trainwright.errors import ModelError, TrainwrightError
from trainwright.randomness import isolated
from trainwright.records.model import MemoryForecast
from trainwright.vitals.memory import LiveBytes
from trainwright.vitals.step_plan import (
    AnyNumber,
    Batch,
    StepPlan,
    bytes_of,
    copied,
    gradients,
    refuse_unknown_shapes,
    shape_of,
    turn_to_meta,
)
from trainwright.vitals.update_memory import Update, updating

_MEASURED = 64  # samples: enough to see what grows with the batch, few enough to fit where anything fits


def forecast(
    model: nn.Module, plan: StepPlan, batch: Batch, batch_size: int, device: torch.device | str = "cpu"
) -> MemoryForecast:
    """Return what a step of `model` on `batch_size` samples will keep in memory, in its steady state.

    `batch` holds inputs `(n, ...)` and targets `(n, ...)`, n at least 1, of which only shapes and types matter. The
    model may be on the device "meta" (`without_data`): then nothing of it ever exists. A model
    that exists is left alone: no mode, buffer, gradient or random state changes. `device` is where it will be trained.

    The leading term of the activations is layers x batch x width (G4, "The Forward Pass"): each layer leaves its input
    for the backward pass. What stands here counts every tensor that is alive when the forward pass ends. The total is
    the larger of two peaks, one in the backward pass, where gradients come as activations go, and one in the update,
    where all gradients are there with what the optimizer needs for a moment. It agrees with torch's own allocations to
    a few percent; the memory of Python, of the libraries and of the data comes on top.

    A model whose course depends on its numbers, or with recurrent layers (their scratch space does not show in
    shapes), is measured on a copy with up to 64 samples instead, and extrapolated: `method` says so. On "meta",
    recurrent layers are forecast too low. Raises `ModelError` where neither works.
    """
    on_meta = any(tensor.is_meta for tensor in [*model.parameters(), *model.buffers()])
    refuse_unknown_shapes(model)
    if on_meta or not any(isinstance(module, nn.RNNBase) for module in model.modules()):
        try:
            return _by_shapes(model, plan, batch, batch_size, torch.device(device))
        except TrainwrightError:
            raise
        except Exception as problem:  # whatever a foreign model does that shapes alone cannot answer
            if on_meta:
                raise _unforeseen(problem) from problem
    try:
        return _by_measurement(model, plan, batch, batch_size)
    except (TrainwrightError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as problem:
        raise _unforeseen(problem) from problem


@dataclass(frozen=True, kw_only=True)
class _Backward:
    """A forward and backward pass in bytes."""

    peak: int
    activations: int
    inputs: int


def _by_shapes(model: nn.Module, plan: StepPlan, batch: Batch, batch_size: int, device: torch.device) -> MemoryForecast:
    # Fake tensors claim to be on the CPU, so that torch chooses the kernels that it would choose for real ones
    # (fused attention); plain "meta" tensors are ten times as fast, and an optimizer's kernels are all alike.
    with isolated(), FakeTensorMode(allow_non_fake_inputs=True):
        fake = copied(model, lambda tensor: shape_of(tensor, "cpu"))
        batches = [_sized(batch, batch_size) for _ in range(min(plan.accumulate, 2))]
        backward = _backward(fake, plan, batches)
    turn_to_meta(fake)
    optimizer = plan.optimizer(fake)
    if device.type == "cuda":
        for group in optimizer.param_groups:  # torch's choice on CUDA: all parameters at once
            if group.get("foreach", True) is None and not group.get("fused"):
                group["foreach"] = True
    with isolated(), AnyNumber():
        update = updating(fake, optimizer)
    return _joined(fake, plan, batch_size, backward, update)


def _by_measurement(model: nn.Module, plan: StepPlan, batch: Batch, batch_size: int) -> MemoryForecast:
    large = min(batch_size, _MEASURED)
    small = max(1, large // 2)
    place = next((parameter.device for parameter in model.parameters()), batch[0].device)
    with isolated():
        twin = copied(model)
        measured = []
        for size in sorted({small, large}):
            twin.zero_grad(set_to_none=True)
            batches = [_repeated(batch, size, place) for _ in range(min(plan.accumulate, 2))]
            measured.append(_backward(twin, plan, batches))
        update = updating(twin, plan.optimizer(twin))
    reach = (batch_size - small) / (large - small) if large > small else 0.0

    def at_size(name: str) -> int:
        first, last = (getattr(sizes, name) for sizes in (measured[0], measured[-1]))
        return round(first + reach * (last - first))

    activations, inputs = at_size("activations"), at_size("inputs")
    # With few samples the gradients make the peak, and it grows more slowly than it will.
    least = bytes_of(twin.parameters()) + bytes_of(twin.buffers()) + activations + inputs
    backward = _Backward(peak=max(at_size("peak"), least), activations=activations, inputs=inputs)
    return _joined(twin, plan, batch_size, backward, update, "measured")


def _backward(model: nn.Module, plan: StepPlan, batches: Sequence[Batch]) -> _Backward:
    """Go through the forward and backward pass of each batch, and leave the gradients in `model`."""
    counted = LiveBytes()
    counted.hold([*model.parameters(), *model.buffers(), *tree_leaves(list(batches))])
    activations = 0
    with plan.recomputing(model), torch.enable_grad(), counted:
        for x, y in batches:
            before = counted.live
            output, loss = plan.forward(model, x, y)
            activations = max(activations, counted.live - before)
            loss.backward()
            del output, loss
    return _Backward(peak=counted.peak, activations=activations, inputs=bytes_of(tree_leaves(list(batches))))


def _joined(
    model: nn.Module,
    plan: StepPlan,
    batch_size: int,
    backward: _Backward,
    update: Update,
    method: Literal["shapes", "measured"] = "shapes",
) -> MemoryForecast:
    parameters, buffers = bytes_of(model.parameters()), bytes_of(model.buffers())
    learned = bytes_of(gradients(model.parameters()))
    in_backward = backward.peak + update.state + (update.passing if update.searching else 0)
    in_update = parameters + buffers + learned + update.state + update.passing + backward.inputs
    return MemoryForecast(
        batch_size=batch_size,
        parameters=parameters,
        buffers=buffers,
        gradients=learned,
        optimizer_state=update.state,
        inputs=backward.inputs,
        activations=backward.activations,
        total=max(in_backward, in_update),
        precision=plan.precision,
        recomputed=plan.recompute is not None,
        method=method,
    )


def _sized(batch: Batch, batch_size: int) -> Batch:
    x, y = (torch.empty((batch_size, *part.shape[1:]), dtype=part.dtype, device="cpu") for part in batch)
    return x, y


def _repeated(batch: Batch, size: int, device: torch.device) -> Batch:
    rows = torch.arange(size) % len(batch[0])
    x, y = (part[rows.to(part.device)].to(device) for part in batch)
    return x, y


def _unforeseen(problem: Exception) -> ModelError:
    words = str(problem).strip().splitlines()
    return ModelError(
        "the memory of this model cannot be forecast",
        evidence=f"{type(problem).__name__}: {words[0] if words else ''}",
        remedy="check that it takes such a batch, and that its loss takes its output; on 'meta' nothing in it may "
        "depend on the values of a tensor",
    )
