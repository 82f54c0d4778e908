"""Trials as runs of their own keep them: each at its best checkpoint, chosen among the evaluations of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from torch import nn

from trainwright.training.stopping import Best

Losses = Callable[[], Mapping[int, float]]


@dataclass(frozen=True, kw_only=True)
class Kept:
    """The model of a trial at its lowest validation loss, and after how many steps that was."""

    model: nn.Module
    step: int


class Keeper:
    """Follows trials over their evaluations, each as the course of one run does.

    `model(number)` gives a copy of a trial's model as it is now. With `patience` a trial that got no better in so many
    evaluations is over: what comes later is not kept.
    """

    def __init__(self, model: Callable[[int], nn.Module], patience: int | None) -> None:
        self._model, self._patience = model, patience
        self._best: dict[int, Best] = {}
        self.kept: dict[int, Kept] = {}

    def look(self, losses: Mapping[int, float], step: int) -> None:
        """Take in the validation losses after `step` steps, and keep the models that are better than before."""
        for number, loss in losses.items():
            best = self._best.get(number, Best(direction="min"))
            if step > 0 and best.exhausted(self._patience):
                continue
            if best.improves(loss):
                self.kept[number] = Kept(model=self._model(number), step=step)
            self._best[number] = best.update(loss, step)


def evaluations(planned: int, every: int) -> Iterator[int]:
    """Yield the steps after which a run is evaluated: at the start, after each `every` steps, and at the end."""
    yield from range(0, planned, every)
    yield planned
