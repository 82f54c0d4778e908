"""Activation checkpointing: a model's blocks keep their inputs alone and compute the rest again in the backward pass.

Memory falls from all layers' activations to the blocks' inputs and one block's inside; time rises by about one more
forward pass (Chen et al. 2016).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from trainwright.errors import UsageError
from trainwright.tensors import is_normalisation


@contextmanager
def checkpointing(model: nn.Module) -> Iterator[None]:
    """Make the blocks of `model` recompute their activations for the length of the block; names and state stay.

    Blocks are what stands in a `nn.ModuleList` or `nn.Sequential` and has layers of its own (a transformer's or a
    residual network's blocks); a plain `nn.Sequential` of layers is cut into about as many segments as its square
    root. Gradients are those of the plain model, dropout masks included; the running statistics of normalisation are
    updated once a step, not again by the recomputation. Evaluation is not touched. Raises `UsageError` for a model
    without such a structure.
    """
    blocks = blocks_of(model)
    plain = None if blocks else _plain_sequence(model)
    if not blocks and plain is None:
        raise UsageError(
            "the model has no blocks whose activations could be computed again",
            evidence=f"{type(model).__name__} has neither several blocks in a ModuleList nor a Sequential of layers",
            remedy="train.checkpoint_activations = false, or put its layers into an nn.Sequential",
        )
    changed: list[nn.Module] = []
    try:
        for block in blocks:
            _replace_forward(block, _recomputed(block, block.forward))
            changed.append(block)
        if plain is not None:
            _replace_forward(plain, _in_segments(plain))
            changed.append(plain)
        yield
    finally:
        for module in changed:
            del module.__dict__["forward"]


def blocks_of(model: nn.Module) -> list[nn.Module]:
    """Return the outermost modules with children that stand in a list or a sequence, [] for fewer than two."""
    found: list[nn.Module] = []

    def visit(module: nn.Module) -> None:
        inside = isinstance(module, nn.ModuleList | nn.Sequential)
        for child in module.children():
            composite = any(True for _ in child.children()) and not isinstance(child, nn.ModuleList)
            if inside and composite and any(True for _ in child.parameters()):
                found.append(child)
            else:
                visit(child)

    visit(model)
    return found if len(found) > 1 else []


def _plain_sequence(model: nn.Module) -> nn.Sequential | None:
    """Return the longest `nn.Sequential` of layers within the model, None where none has three layers at least."""
    sequences = [module for module in model.modules() if isinstance(module, nn.Sequential) and len(module) >= 3]
    return max(sequences, key=len, default=None)


def _replace_forward(module: nn.Module, forward: Callable[..., Any]) -> None:
    module.__dict__["forward"] = forward  # the instance's own comes before its class's; no parameter changes its name


def _in_segments(sequence: nn.Sequential) -> Callable[[Any], Any]:
    """Return a forward pass in about sqrt(n) segments, each of which is computed again in the backward pass."""
    layers = list(sequence)
    length = math.ceil(len(layers) / max(1, round(math.sqrt(len(layers)))))
    # A segment keeps its input, so it must not begin with a layer that writes into it.
    starts = [start for start in range(0, len(layers), length) if start == 0 or not _writes_in_place(layers[start])]
    ends = [*starts[1:], len(layers)]
    segments = [nn.Sequential(*layers[start:end]) for start, end in zip(starts, ends, strict=True)]
    # The last segment's activations are needed at once: to drop them would only cost time.
    steps = [_recomputed(segment, segment.forward, sequence) for segment in segments[:-1]] + [segments[-1]]

    def forward(x: Any) -> Any:
        for step in steps:
            x = step(x)
        return x

    return forward


def _writes_in_place(layer: nn.Module) -> bool:
    """Say whether a layer begins by changing its input, as ReLU(inplace=True) does."""
    first = next(module for module in layer.modules() if not any(True for _ in module.children()))
    return bool(getattr(first, "inplace", False))


def _recomputed(block: nn.Module, forward: Callable[..., Any], owner: nn.Module | None = None) -> Callable[..., Any]:
    """Return `forward` with its activations dropped and computed again; in evaluation as it is."""
    mode = block if owner is None else owner
    careful = owner is None and _writes_in_place(block)

    def on_a_copy(*inputs: Any, **named: Any) -> Any:
        return forward(*(part.clone() if isinstance(part, torch.Tensor) else part for part in inputs), **named)

    def recomputing(*inputs: Any, **named: Any) -> Any:
        if not mode.training or not torch.is_grad_enabled():
            return forward(*inputs, **named)

        def contexts() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
            return nullcontext(), _statistics_kept(block)

        # Not the reentrant kind: that one gives no gradient where the block's inputs need none.
        return checkpoint(
            on_a_copy if careful else forward,
            *inputs,
            use_reentrant=False,
            preserve_rng_state=True,
            context_fn=contexts,
            **named,
        )

    return recomputing


@contextmanager
def _statistics_kept(block: nn.Module) -> Iterator[None]:
    """Undo, at the end, what a second forward pass does to running statistics: the first one has counted already."""
    norms = [module for module in block.modules() if is_normalisation(module)]
    buffers = [buffer for module in norms for buffer in module.buffers(recurse=False)]
    kept = [buffer.clone() for buffer in buffers]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in zip(buffers, kept, strict=True):
                buffer.copy_(value)
