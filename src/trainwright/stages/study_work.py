"""What a search was asked to do, in one form for both ways in; with it further members are trained later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from trainwright.data.feed import Feed
from trainwright.records.findings import Scalar
from trainwright.records.space import Space
from trainwright.records.study import Trial
from trainwright.search.entrant import Enter
from trainwright.search.problem import Problem
from trainwright.stages.recipe import Recipe
from trainwright.stages.setup import Setup
from trainwright.stages.shared_body import SharedBody


@dataclass(frozen=True, kw_only=True)
class StudyWork:
    """What is to be searched.

    `enter(own_order=..., whole=...)` gives what builds its trials: each with an order of its own or all with one, as
    whole networks or, where they share a frozen body, as heads. `final_setup` gives the training of a configuration
    under a seed, and `alone` that of a trial, which then has the order of the samples that all trials share.
    """

    recipe: Recipe
    base: Setup
    problem: Problem
    enter: Callable[..., Enter]
    space: Space
    final_setup: Callable[[Mapping[str, Scalar], int], Setup]
    alone: Callable[[Trial], Setup]
    has_default: bool
    about: Mapping[str, str]
    test: Feed | None
    notes: tuple[str, ...]
    shared: SharedBody | None = None
