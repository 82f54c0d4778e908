"""Whether the output of a sample changes with another of its batch: tried once, where that shows to be harmless.

In evaluation mode, as batch normalisation mixes samples in training by design. It must also be certain that rows are
samples, and not the moments of a sequence or the nodes of a graph: those keep their neighbours, samples do not.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.utils._pytree import tree_leaves, tree_map

from trainwright.randomness import isolated
from trainwright.records.findings import Scalar
from trainwright.tensors import buffers_restored, evaluating
from trainwright.vitals.data_rows import row_hashes
from trainwright.vitals.output_graph import name_of, normalised
from trainwright.watching.graphs import nodes
from trainwright.watching.marks import Marks
from trainwright.watching.models import Pass
from trainwright.watching.places import Place, making_line
from trainwright.watching.probes import trained_together

if TYPE_CHECKING:
    from trainwright.watching.tape import Tape

ROUNDING = 1e-5
"""Relative change of the other outputs that rounding may leave where one sample is exchanged."""
_FEWEST = 3  # samples in a batch, and rows that came back in other company
_ROWS, _VALUES = 256, 1024  # of a batch whose content is compared
_BATCHES, _LOOKS = 12, 32  # that are remembered, and that are looked up in them
_PARAMETERS = 50_000_000  # beyond this another pass is too dear
_MODELS = 4


@dataclass(eq=False, slots=True)
class _Company:
    """Which rows stood beside which, in the first batches of a model."""

    batches: list[dict[int, int]] = field(default_factory=list)  # row -> the one behind it
    looks: int = 0
    changes: bool = False
    done: bool = False


class MixingBooks:
    """Exchanges a sample of a batch, once for each model whose rows are known to be samples."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._known: dict[int, _Company] = {}
        self._seen: Pass | None = None
        self._softmax: tuple[int, Place | None, str] | None = None  # size of the batch, line, shape

    def passed(self, seen: Pass) -> None:
        """A model was called to learn from."""
        with self._apart():
            self._look(seen)

    def _look(self, seen: Pass) -> None:
        x = _first(seen)
        if x is None or self._seen is not None or len(x) < _FEWEST or trained_together():
            return
        company = self._known.get(id(seen.root))
        if company is None:
            if len(self._known) >= _MODELS or next(seen.root.parameters(), None) is None:
                return
            company = self._known[id(seen.root)] = _Company()
        company.looks += 1
        if company.done or company.looks > _LOOKS:
            return
        company.changes = company.changes or self._drawn_at_random(x) or (x.is_cpu and _moved(company, x))
        self._seen = seen

    def backward_begins(self, loss: torch.Tensor) -> None:
        """The graph is there: find a softmax along the samples."""
        x = None if self._seen is None else _first(self._seen)
        if x is None or self._tape.sightings.step > 0 or self._softmax is not None:
            return
        for node in nodes(loss):
            dimension, shape = normalised(node) if name_of(node) == "Softmax" else (None, ())
            if dimension == 0 and len(shape) > 1 and shape[0] == len(x) and shape[1] != len(x):
                self._softmax = len(x), making_line(node), str(shape)

    def before_step(self) -> None:
        """An optimizer is about to step: exchange a sample of the batch that it learns from."""
        seen, self._seen = self._seen, None
        company = None if seen is None else self._known.get(id(seen.root))
        if seen is None or company is None or company.done or not company.changes:
            return
        company.done = True
        with self._apart():
            self._exchange(seen)

    @contextlib.contextmanager
    def _apart(self) -> Iterator[None]:
        """Let what the block takes be none of the budget of sampling: it is done once."""
        tape = self._tape
        started = tape.clock()
        try:
            yield
        finally:
            tape.own_seconds -= tape.clock() - started

    def _exchange(self, seen: Pass) -> None:
        if not _may_be_called(seen.root) or self._tape.compiles:
            return
        marks = Marks(seen.root)
        try:
            with isolated(), buffers_restored(seen.root), evaluating(seen.root), torch.no_grad():
                self._try(seen)
        except Exception:  # whatever the user's model raises where it is called in another mode
            return
        finally:
            marks.undo()

    def forget(self) -> None:
        """The step is over."""
        self._seen = None

    def _try(self, seen: Pass) -> None:
        x = _first(seen)
        assert x is not None
        count = len(x)
        other = next((row for row in range(count - 1, 0, -1) if _differ(x, row)), None)
        if other is None:
            return
        exchanged = x.detach().clone()
        exchanged[0] = exchanged[other]
        before, again, after = (_call(seen, x, given)[0] for given in (x, x, exchanged))
        if before is None or again is None or after is None:
            return
        if not before.shape == again.shape == after.shape or (before.dim() > 1 and before.shape[1] == count):
            return  # padded to what the longest sample needs; or a table of all pairs
        rest = slice(1, None)
        scale = before.abs().max()
        effect, noise = ((given[rest] - before[rest]).abs().max() for given in (after, again))
        place, facts = self._where(seen, x, exchanged, count)

        def take(numbers: list[float]) -> None:
            size, moved, shaken = numbers
            if 0 < size < float("inf") and moved > ROUNDING * size and shaken < 0.1 * moved:
                found: Mapping[str, Scalar] = {"samples": count, "effect": moved / size, **facts}
                self._tape.sightings.note("samples-mixed", place, found, count=1)

        self._tape.steps.delayed.read([scale, effect, noise], take)

    def _where(
        self, seen: Pass, x: torch.Tensor, exchanged: torch.Tensor, count: int
    ) -> tuple[Place | None, dict[str, Scalar]]:
        """Return the line to change, and what mixes there: the softmax, else the first module, as far as is known."""
        if self._softmax is not None:
            return self._softmax[1] or seen.place, {"softmax": self._softmax[2]}
        if not x.is_cpu:
            return seen.place, {}  # comparing outputs here would wait for the device
        one, two = (_call(seen, x, given, inside=True)[1] for given in (x, exchanged))
        paths = {id(module): path for path, module in seen.root.named_modules()}
        for (module, a), (same, b) in zip(one, two, strict=False):
            if module is same and a.shape == b.shape and len(a) == count and not torch.equal(a[1:], b[1:]):
                facts: dict[str, Scalar] = {"module": paths.get(id(module), ""), "layer": type(module).__name__}
                return self._tape.origins.of_module(module) or seen.place, facts
        return seen.place, {}

    def _drawn_at_random(self, x: torch.Tensor) -> bool:
        """Say whether a loader stacked items that it drew at random, and `x` has a row for each of them."""
        feed = self._tape.loaders.source(x)
        return feed is not None and feed.at_random and feed.rows == len(x) != x.shape[1]


def _first(seen: Pass) -> torch.Tensor | None:
    """Return the first tensor that a model was given, where it has rows of its own."""
    values = (*seen.arguments, *seen.named.values())
    x = next((value for value in values if isinstance(value, torch.Tensor)), None)
    if x is None or x.dim() < 2 or x.grad_fn is not None or x.is_meta or x.is_sparse or x.is_complex():
        return None
    return x


def _moved(company: _Company, x: torch.Tensor) -> bool:
    """Say whether rows have come back beside others: each batch is looked up in those before it."""
    rows = x.detach()[:_ROWS].reshape(min(len(x), _ROWS), -1)
    hashes = row_hashes(rows[:, :: max(1, rows.shape[1] // _VALUES)])
    ids, counts = np.unique(hashes, return_counts=True)
    once = set(ids[counts == 1].tolist())
    order = hashes.tolist()
    behind = {one: two for one, two in pairwise(order) if one in once and two in once}
    for known in company.batches:
        shared = behind.keys() & known.keys()
        apart = sum(behind[row] != known[row] for row in shared)
        if apart >= _FEWEST and apart > 0.9 * len(shared):
            return True
    if len(company.batches) < _BATCHES:
        company.batches.append(behind)
    return False


def _may_be_called(root: nn.Module) -> bool:
    """Say whether samples are apart in evaluation mode as far as the modules tell, and another pass is not too dear."""
    for module in root.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is None:
            return False
    return sum(part.numel() for part in root.parameters()) <= _PARAMETERS


def _differ(x: torch.Tensor, row: int) -> bool:
    # On a device this would wait; there the last sample is taken as it is.
    return not x.is_cpu or not torch.equal(x[0], x[row])


def _call(
    seen: Pass, x: torch.Tensor, given: torch.Tensor, *, inside: bool = False
) -> tuple[torch.Tensor | None, list[tuple[nn.Module, torch.Tensor]]]:
    """Return what the model gives with `given` in the place of `x`, and with `inside` what its modules give."""
    found: list[tuple[nn.Module, torch.Tensor]] = []

    def remember(module: nn.Module, _: Any, output: Any) -> None:
        first = next((value for value in tree_leaves(output) if isinstance(value, torch.Tensor)), None)
        if first is not None and first.dim() > 0:
            found.append((module, first.detach().clone()))

    def copied(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        return (given if value is x else value).detach().clone()  # a model may work in place on what it is given

    hooks = [module.register_forward_hook(remember) for module in seen.root.modules()] if inside else []
    quiet = io.StringIO()
    try:
        with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
            if seen.random is not None:
                torch.set_rng_state(seen.random)
            arguments, named = tree_map(copied, (seen.arguments, dict(seen.named)))
            output = seen.root(*arguments, **named)
    finally:
        for hook in hooks:
            hook.remove()
    leaves = [value for value in tree_leaves(output) if isinstance(value, torch.Tensor)]
    fit = [value for value in leaves if value.dim() > 0 and len(value) == len(x) and value.is_floating_point()]
    return (fit[0].float() if fit else None), found
