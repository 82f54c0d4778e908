"""One training, and copies of its model on the way: what snapshots and averages of weights are made of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from torch import nn

from trainwright.errors import ModelError
from trainwright.randomness import isolated
from trainwright.stacked.copying import model_copy
from trainwright.training.loop import Training


def collected(training: Training, at: Collection[int], after_step: Callable[[], None] | None = None) -> list[nn.Module]:
    """Train to the end, and return copies of the model after the steps `at` (counted from 1), in order.

    `after_step` is called after every update. Raises `ModelError` where the training diverges.
    """
    found = []
    with isolated():
        for record in training.steps():
            if after_step is not None and not record.skipped:
                after_step()
            if record.step + 1 in at:
                with training.average.shown():
                    found.append(model_copy(training.model))
    if training.diverged is not None:
        raise ModelError(
            "a training for the final model diverged", evidence=training.diverged, remedy="lower the learning rate"
        )
    return found


def spaced(first: float, steps: int, count: int) -> Sequence[int]:
    """Return `count` steps, evenly spaced over what follows the fraction `first` of a run, the last one its end."""
    begin = first * steps
    places = {max(1, round(begin + (steps - begin) * (number + 1) / count)) for number in range(count)}
    return sorted(places)
