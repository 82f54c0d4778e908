"""What a search needs of whatever trains its trials: a trial array, a loop, or a formula in a test."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor

from trainwright.records.study import Trial


@dataclass(frozen=True, kw_only=True)
class State:
    """All that an arena needs to go on exactly: tensors by name, and facts that JSON can hold."""

    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


class Arena(Protocol):
    """Trains trials side by side. Rows are independent: the order and the company in which they train change nothing.

    How the rows are laid out is the arena's own affair: more trials than fit an array can be trained in turns and, when
    many of them have been dropped, packed together again.
    """

    def start(self, trials: Sequence[Trial]) -> None:
        """Begin these trials, from their own values and seeds."""
        ...

    def advance(self, numbers: Sequence[int], steps: int) -> Mapping[int, float]:
        """Train these trials until each has made `steps` steps in all, and return their validation scores.

        Lower is better; what is not finite, or missing, has failed. Scoring changes nothing about the training.
        """
        ...

    def why(self, number: int) -> str:
        """Return why a trial has failed, "" where nothing more is known than its score."""
        ...

    def drop(self, numbers: Collection[int]) -> None:
        """Forget these trials."""
        ...

    def state(self) -> State:
        """Return the state of the trials that are left."""
        ...

    def restore(self, trials: Sequence[Trial], state: State) -> None:
        """Begin these trials where `state` left them; `trials` are those that it holds."""
        ...
