"""Weights that evaluation sees and training does not: a moving average, or what a schedule-free optimizer keeps.

An average lags behind the weights and wobbles less; near the end of a run at a high rate it is the better model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from trainwright.data.feed import Feed
from trainwright.parts.optimizers import averaged
from trainwright.randomness import isolated
from trainwright.tensors import buffers_restored, copy_state, evaluating
from trainwright.training.bad_samples import sound_rows


class Average(Protocol):
    """What stands between training and evaluation."""

    def update(self) -> None:
        """See the weights after an update that was really made. Skipped steps do not come here."""
        ...

    def shown(self) -> Any:
        """Return a context in which the model holds the weights to evaluate and to keep."""
        ...

    def kept(self) -> Any:
        """Return a copy of what the average itself holds, beside the model and the optimizer."""
        ...

    def put_back(self, kept: Any) -> None:
        """Go back to what `kept` gave, which later updates leave alone."""
        ...


class NoAverage:
    """Evaluation sees the weights as they are."""

    def update(self) -> None:
        """Nothing to do."""

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Leave the model as it is."""
        yield

    def kept(self) -> None:
        """Nothing to keep."""

    def put_back(self, kept: None) -> None:
        """Nothing to put back."""


class ExponentialAverage:
    """Moving average of the weights of `model`: a <- d a + (1 - d) w after each update.

    `decay` is reached by a warmup, d = min(decay, (1 + n) / (10 + n)) at update n, or the average would hold on to the
    untrained weights (Tan and Le's EfficientNet does the same). Floating-point buffers (running statistics) are
    averaged like weights; integer ones (counters) are copied. `updates` is the counter, part of the state.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = model
        self.decay = decay
        self.updates = 0
        self.state = copy_state(model)

    def update(self) -> None:
        """Take the model's weights into the average."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        current = self.model.state_dict()
        floating = [name for name, value in current.items() if value.is_floating_point()]
        for names in _alike(current, floating):
            torch._foreach_lerp_([self.state[name] for name in names], [current[name] for name in names], 1 - decay)
        for name in current.keys() - set(floating):
            self.state[name].copy_(current[name])

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Put the average into the model for the block, then the weights in training back."""
        trained = copy_state(self.model)
        self.model.load_state_dict(self.state)
        try:
            yield
        finally:
            self.model.load_state_dict(trained)

    def kept(self) -> tuple[int, dict[str, torch.Tensor]]:
        """Return the count of updates and a copy of the average."""
        return self.updates, {name: value.clone() for name, value in self.state.items()}

    def put_back(self, kept: tuple[int, dict[str, torch.Tensor]]) -> None:
        """Go back to a count of updates and an average."""
        self.updates = kept[0]
        for name, value in kept[1].items():
            self.state[name].copy_(value)


def _alike(state: Mapping[str, torch.Tensor], names: Iterable[str]) -> Iterator[list[str]]:
    """Yield the names of tensors of one class: what is divided over ranks goes through no kernel with what is not."""
    groups: dict[type, list[str]] = {}
    for name in names:
        groups.setdefault(type(state[name]), []).append(name)
    yield from groups.values()


class OptimizerAverage:
    """The average that a schedule-free optimizer keeps itself, shown by its `eval()`.

    The running statistics of batch normalisation were gathered at other weights than the average: they are gathered
    anew, from training batches, while the average is shown; but not those of the modules that are `held` by name.
    """

    def __init__(self, optimizer: Any, model: nn.Module, batches: Feed, *, held: Iterable[str] = ()) -> None:
        self.optimizer = optimizer
        self.model = model
        self.batches = batches
        self.held = tuple(held)
        optimizer.train()

    def update(self) -> None:
        """Nothing to do: the optimizer averages in its step."""

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Let the optimizer put its average into the parameters for the block."""
        with averaged(self.optimizer), buffers_restored(self.model):
            refresh_statistics(self.model, self.batches, held=self.held, samples=_SHOWN)
            yield

    def kept(self) -> None:
        """Nothing to keep: the average is the optimizer's."""

    def put_back(self, kept: None) -> None:
        """Nothing to put back."""


REFRESHED = 131_072
"""Samples, the first of an epoch, that statistics are gathered over: all of most data sets. A mean over so many is off
by a third of a percent of a standard deviation."""
_SHOWN = 10_000  # and those for a look in the middle of training, which must cost little beside an epoch


def refresh_statistics(model: nn.Module, batches: Feed, *, held: Iterable[str] = (), samples: int = REFRESHED) -> int:
    """Gather the running statistics of batch normalisation anew at the present weights; return over how many samples.

    They become the mean and the variance of all values that came by in an epoch of training batches, up to `samples`
    samples, as one batch of all of them would have given: however the batches are cut, a value counts once. (What a
    norm sees still depends on the batches where another norm lies before it, as in training.) Dropout is off, and every
    module's mode is as before afterwards. A model without such statistics is not run, and 0 is returned. The modules
    named in `held` keep theirs while they are in evaluation mode: they are frozen then.
    """
    kept = set(held)
    norms = [
        module
        for path, module in model.named_modules()
        if isinstance(module, _BatchNorm) and module.track_running_stats and (module.training or path not in kept)
    ]
    if not norms:
        return 0
    seen = 0
    pooled = [_Pooled(norm) for norm in norms]
    with isolated(), evaluating(model), torch.no_grad():
        for one in pooled:
            one.begin()
        try:
            for x, _ in batches.epoch(0):
                if bool(sound_rows(x).all()):  # one value that is no number would be in all statistics
                    model(x)
                    seen += len(x)
                if seen >= samples:
                    break
        finally:
            for one in pooled:
                one.end()
    return seen


class _Pooled:
    """Gathers mean and variance of all that passes a norm, from those of its batches (Chan et al. 1979)."""

    def __init__(self, norm: _BatchNorm) -> None:
        self._norm = norm
        self._momentum = norm.momentum
        self._batches = 0
        self._count = 0
        self._mean: torch.Tensor | None = None
        self._squares: torch.Tensor | None = None

    def begin(self) -> None:
        """Let the norm normalise by its batches, as in training, and see them."""
        self._norm.reset_running_stats()
        self._norm.train()
        self._handle = self._norm.register_forward_pre_hook(lambda norm, inputs: self._see(inputs[0]))

    def end(self) -> None:
        """Give the norm what came together."""
        self._handle.remove()
        self._norm.momentum = self._momentum
        self._norm.reset_running_stats()
        running = self._norm.running_mean, self._norm.running_var, self._norm.num_batches_tracked
        if self._mean is None or self._squares is None or any(part is None for part in running):
            return
        mean, variance, batches = running
        assert mean is not None and variance is not None and batches is not None  # noqa: PT018
        mean.copy_(self._mean)
        variance.copy_(self._squares / max(self._count - 1, 1))
        batches.fill_(self._batches)

    def _see(self, x: torch.Tensor) -> None:
        values = x.detach().double().transpose(0, 1).flatten(1)  # (C, values of the batch)
        count, mean = values.shape[1], values.mean(1)
        squares = (values - mean.unsqueeze(1)).square().sum(1)
        if self._mean is None or self._squares is None:
            self._mean, self._squares = mean, squares
        else:
            whole, apart = self._count + count, mean - self._mean
            self._mean = self._mean + apart * (count / whole)
            self._squares = self._squares + squares + apart.square() * (self._count * count / whole)
        self._count += count
        self._batches += 1
