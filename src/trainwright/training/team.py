"""A step that several processes make together: each on its rows of the batch, and all with the gradient of the whole.

The mean over a rank's rows counts by what it divides by, so that the sum over the ranks is the gradient of one process
on the whole batch, however the rows are divided. A rank that gets no row, or none that counts, takes part with nothing:
nobody waits for it in vain.
"""

from __future__ import annotations

import gc
import math
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from trainwright.interruption import asked_for, interrupt, poll
from trainwright.parts.losses import items
from trainwright.tensors import is_normalisation
from trainwright.training.distributed import ALONE, Ranks
from trainwright.training.result import Batch
from trainwright.training.synchronised import Synchronised
from trainwright.vitals.fingerprints import fingerprint

_NOTHING = nullcontext()
Forward = Callable[[torch.Tensor], torch.Tensor]
_FIRST, _EVERY = 5, 100  # steps of which weights and batches are compared: the first five, and every hundredth


def rows_of(count: int, ranks: Ranks, least: int = 1) -> slice:
    """Return the rows of a batch of `count` that are this rank's: next to each other, the same number give or take one.

    None gets fewer than `least`, but for those that get nothing, the last.
    """
    sharers = max(1, min(ranks.world, count // least))
    if ranks.rank >= sharers:
        return slice(0, 0)
    size, more = divmod(count, sharers)
    start = ranks.rank * size + min(ranks.rank, more)
    return slice(start, start + size + (ranks.rank < more))


class Team:
    """This rank's side of every step of one model. `forward` computes its output; `synchronise` its batch norms.

    Alone it does nothing that a single process would not do.
    """

    def __init__(
        self,
        model: nn.Module,
        forward: Forward | None = None,
        *,
        ranks: Ranks = ALONE,
        synchronise: bool = False,
        sharded: bool = False,
    ) -> None:
        self.ranks = ranks
        self.model = model
        self.sharded = sharded
        self._forward: Any = model if forward is None else forward
        self._wrapped: DistributedDataParallel | None = None
        self._pattern: tuple[bool, ...] = ()
        norms = [module for module in model.modules() if isinstance(module, _BatchNorm)] if ranks.many else []
        self._norms = Synchronised(norms) if synchronise and norms else None
        self._least = 2 if norms and self._norms is None else 1  # of one sample there is no variance
        normalising = {id(b) for module in model.modules() if is_normalisation(module) for b in module.buffers()}
        self._other_buffers = any(id(buffer) not in normalising for buffer in model.buffers())
        self._rows = 0
        self._asked = 0
        self.seconds = 0.0  # that this rank has spent on this step by itself
        self.notes: dict[str, Any] = {}  # what the step has shown of the ranks, for the record

    @property
    def many(self) -> bool:
        """Whether there are others."""
        return self.ranks.many

    def part(self, batch: Batch, share: float, loss: Any) -> tuple[torch.Tensor, torch.Tensor, float]:
        """Return this rank's rows of a batch, and what their loss is to be multiplied by; 0 where it is to be nothing.

        `share` is that of the whole batch in the update. The factor holds the number of ranks, over which gradients are
        averaged.
        """
        x, y = batch
        if not self.many:
            return x, y, share
        rows = rows_of(len(x), self.ranks, self._least)
        own = rows.stop - rows.start
        self._rows += own
        if self._norms is not None:
            self._norms.counts = own > 0
        if own == 0:
            return x[: self._least], y[: self._least], 0.0
        counted = float(items(loss, y[rows]))
        return x[rows], y[rows], share * self.ranks.world * counted / float(items(loss, y))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the model's output, by way of what will bring the gradients together."""
        if not self.many:
            return self._forward(x)
        with _NOTHING if self._norms is None else self._norms.active():
            return (self._forward if self.sharded else self._ready())(x)

    def gathering(self, *, last: bool) -> AbstractContextManager[object]:
        """Return the context of a batch: after the `last` of a step alone are gradients exchanged."""
        if self.sharded:
            self.model.set_requires_gradient_sync(last)  # type: ignore[operator]
        return _NOTHING if last or self.sharded or not self.many else self._ready().no_sync()

    def settle(self, loss: float, bad: int | None, step: int, batches: Sequence[Batch]) -> tuple[float, int | None]:
        """Tell the others how this rank fared in a step, and hear of them: the only words of a step beside gradients.

        Returns the loss over the whole update, and the first batch whose loss is no number. `notes` holds the rest.
        """
        if not self.many:
            return loss, bad
        looks = step < _FIRST or step % _EVERY == 0
        prints = [0.0] * 6
        if looks:
            rows = [rows_of(len(x), self.ranks, self._least) for x, _ in batches]
            own = [(x[each], y[each]) for (x, y), each in zip(batches, rows, strict=True)]
            weights = [] if self.sharded else self.model.parameters()  # where each holds others, none need be equal
            prints = [*fingerprint(weights), *fingerprint(chain(*batches)), *fingerprint(chain(*own))]
        first = -1.0 if bad is None else float(bad)
        heard = self.ranks.gather([loss, first, self._rows, self.seconds, asked_for(), *prints])
        self._asked = int(max(each[4] for each in heard))
        self._share_statistics([each[2] for each in heard])
        self.notes = {"rows": [int(each[2]) for each in heard], "seconds": [each[3] for each in heard]}
        if looks:
            self.notes |= {
                "weights": [each[5:7] for each in heard],
                "batches": [each[7:9] for each in heard],
                "shares": [each[9:11] for each in heard],
            }
        self._rows, self.seconds = 0, 0.0
        found = [int(each[1]) for each in heard if each[1] >= 0]
        return math.fsum(each[0] for each in heard) if not found else math.nan, min(found, default=None)

    def poll(self) -> None:
        """Raise `Interrupted` where any rank was asked to stop, on all of them after the same step."""
        if not self.many:
            poll()
        elif self._asked:
            asked, self._asked = self._asked, 0
            interrupt(asked)

    def _ready(self) -> DistributedDataParallel:
        """Return the model in the wrapper, made anew where other parameters learn than before: it knows only those."""
        pattern = tuple(parameter.requires_grad for parameter in self.model.parameters())
        if self._wrapped is None or pattern != self._pattern:
            self._wrapped = None
            gc.collect()  # or the old one would go on to exchange gradients
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # torch 2.13 has another name for broadcast_buffers
                # Unused parameters are looked for in each step: which are used may depend on the data, and a rank that
                # waits for a gradient which another never makes would wait for ever.
                self._wrapped = DistributedDataParallel(
                    self._forward, find_unused_parameters=True, broadcast_buffers=self._other_buffers
                )
            self._pattern = pattern
        return self._wrapped

    def _share_statistics(self, rows: Sequence[float]) -> None:
        """Give all ranks the same running statistics: the mean over ranks, each by its rows.

        They move in proportion to what each batch shows, so that their mean is what the mean of the batches gives.
        """
        if self._norms is not None:
            return  # they are the same already
        statistics = [
            buffer
            for module in self.model.modules()
            if isinstance(module, _BatchNorm) and module.training
            for buffer in module.buffers(recurse=False)
            if buffer.is_floating_point()
        ]
        share = rows[self.ranks.rank] / sum(rows)
        for buffer in statistics:
            buffer.mul_(share)
        self.ranks.total(statistics)
