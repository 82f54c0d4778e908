"""The training step: one optimizer update on one batch, in the order in which things happen."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from itertools import compress

import torch
from torch import nn

from trainwright.parts.losses import items
from trainwright.randomness import seed_step
from trainwright.tensors import is_normalisation
from trainwright.training.clipping import Clip
from trainwright.training.clock import Clock
from trainwright.training.line_search import line_search_step
from trainwright.training.precision import Precision
from trainwright.training.rates import Rates
from trainwright.training.result import Batch, NotFinite, StepResult
from trainwright.training.team import Team
from trainwright.training.updating import Updating


class TrainStep:
    """The one place where weights change.

    `rates` sets the learning rate of each step, `clip` limits its gradient, `penalty` (a function of the weights) is
    added to the loss, and `seed` fixes the model's own randomness in each step. `forward` is what computes the model's
    output, where that is not the model itself (a compiled one). `closure` says that the optimizer evaluates the loss
    itself, several times a step. `team` are the processes that make each step together.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
        optimizer: torch.optim.Optimizer,
        *,
        rates: Rates,
        clip: Clip,
        seed: int,
        penalty: Callable[[], torch.Tensor] | None = None,
        precision: Precision | None = None,
        forward: Callable[[torch.Tensor], torch.Tensor] | None = None,
        clock: Clock | None = None,
        closure: bool = False,
        team: Team | None = None,
    ) -> None:
        self.model = model
        self.loss = loss
        self.optimizer = optimizer
        self.updating = Updating(optimizer)
        self.rates = rates
        self.clip = clip
        self.seed = seed
        self.penalty = penalty
        self.precision = Precision() if precision is None else precision
        self.forward = model if forward is None else forward
        self.team = Team(model, forward) if team is None else team
        self.clock = Clock() if clock is None else clock
        self.closure = closure
        self.parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        normalisations = (module for module in model.modules() if is_normalisation(module))
        self._statistics = [buffer for module in normalisations for buffer in module.buffers(recurse=False)]
        self._kept_statistics = [buffer.clone() for buffer in self._statistics]
        self._gathering = False  # the gradient, and nothing but statistics has moved so far

    def __call__(self, batches: Sequence[Batch], step: int) -> StepResult:
        """Make update number `step` (from 0) on `batches` of inputs and targets, all of them together as one batch."""
        if self.closure:
            return line_search_step(self, batches, step)
        # The rate belongs to the step, so it is set before it: a warmup's first step must not run at the full rate.
        self.rates.set(step)
        self._keep_statistics()
        self._gathering = True

        self.updating.clear_gradients()
        try:
            loss, penalty = self.backward(batches, step)
        except NotFinite as found:
            self._gathering = False
            self._restore_statistics()
            return StepResult(loss=found.loss, rate=self.rates.used, refused="loss", batch=found.batch)
        self._gathering = False
        update = self.precision.update(self.updating, self.parameters, self.clip)
        self.clock.lap("update")

        if update.skipped or update.refused:
            self._restore_statistics()  # a step that did nothing leaves no trace in the running statistics either
        else:
            self.rates.performed += 1
        return StepResult(
            loss=loss,
            penalty=penalty,
            rate=self.rates.used,  # read again: whatever hangs on the optimizer may have moved it
            gradient_norm=None if update.skipped else update.norm,  # under a scale that overflowed there is none
            clipped_norm=None if update.skipped else update.clipped_norm,
            clipped=update.clipped,
            skipped=update.skipped,
            refused="gradient" if update.refused else None,
        )

    def backward(self, batches: Sequence[Batch], step: int) -> tuple[float, float | None]:
        """Add the gradient of the loss over all `batches`, and of the penalty; return both values.

        Each batch counts by what its mean divides by, so that the gradient is that of one large batch, however ragged
        the batches are; one in which nothing counts is left out. Raises `NotFinite` where a loss is not finite; the
        weights are as before then.
        """
        shares, team = [1.0], self.team
        if len(batches) > 1:
            counts = [float(items(self.loss, y)) for _, y in batches]  # syncs an accelerator where it depends on a mask
            batches = list(compress(batches, counts)) or batches[:1]
            whole = math.fsum(counts)
            shares = [count / whole for count in counts if count] or shares
        total, bad = 0.0, None
        # Masks are a function of (seed, step, rank): whatever ran since the last step cannot move them.
        seed_step(self.seed, step, team.ranks.rank)
        for place, (batch, share) in enumerate(zip(batches, shares, strict=True)):
            with team.gathering(last=place == len(batches) - 1):
                began = time.perf_counter()
                x, y, factor = team.part(batch, share, self.loss)
                with self.precision.autocast():
                    output = team.forward(x)
                full = self.precision.full(output)
                loss = self.loss(full, y) if factor else full.sum() * 0.0
                value = loss.item()  # syncs an accelerator; before backward, so that the weights stay as they were
                team.seconds += time.perf_counter() - began
                self.clock.lap("forward")
                if not math.isfinite(value):
                    if not team.many:
                        raise NotFinite(value, place)
                    bad = place if bad is None else bad  # the others wait for this rank's gradient
                self.precision.scaled(loss if factor == 1.0 else loss * factor).backward()
            total += value * factor / team.ranks.world
            self.clock.lap("backward")
        total, bad = team.settle(total, bad, step, batches)
        if bad is not None:
            raise NotFinite(total, bad)
        if self.penalty is None:
            return total, None
        penalty = self.penalty()
        self.precision.scaled(penalty).backward()
        self.clock.lap("backward")
        return total, penalty.item()  # syncs an accelerator

    def objective(self, batches: Sequence[Batch], step: int) -> float:
        """Return what `step` minimises on `batches`, loss and penalty, at the weights as they are, under its masks."""
        counts = [float(items(self.loss, y)) for _, y in batches]
        seed_step(self.seed, step)
        value = 0.0
        with torch.no_grad():
            for (x, y), count in zip(batches, counts, strict=True):
                with self.precision.autocast():
                    output = self.model(x)
                if count or len(batches) == 1:
                    share = count / sum(counts) if len(batches) > 1 else 1.0
                    value += float(self.loss(self.precision.full(output), y)) * share
            return value + (float(self.penalty()) if self.penalty is not None else 0.0)

    def undo(self) -> bool:
        """Take back what a step has done that broke off; say whether everything is as before it.

        It is not where weights were being moved, nor where the model keeps buffers of its own that a pass may move.
        """
        known = {id(buffer) for buffer in self._statistics}
        if not self._gathering or any(id(buffer) not in known for buffer in self.model.buffers()):
            return False
        self._gathering = False
        self._restore_statistics()
        return True

    def _keep_statistics(self) -> None:
        if self._statistics:
            torch._foreach_copy_(self._kept_statistics, self._statistics)

    def _restore_statistics(self) -> None:
        if self._statistics:
            torch._foreach_copy_(self._statistics, self._kept_statistics)
