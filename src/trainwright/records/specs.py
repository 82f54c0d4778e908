"""One record per catalogue entry: from it come the command line, the docs table and the contract tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from trainwright.records.run import Task

Expects = Literal["logits", "log-probabilities", "probabilities", "values"]
TargetForm = Literal["class-index", "binary", "values"]


@dataclass(frozen=True, kw_only=True)
class Option:
    """One number that a catalogue entry takes: its default, its legal range, and where the default comes from."""

    default: float
    minimum: float
    maximum: float
    meaning: str
    source: str = ""
    log: bool = False  # search and plot on a log scale
    minimum_excluded: bool = False


@dataclass(frozen=True, kw_only=True)
class DataShape:
    """What a network must know of the data: the shape of one sample, and the classes or target columns."""

    input_shape: tuple[int, ...]
    outputs: int
    task: Task


@dataclass(frozen=True, kw_only=True)
class LossSpec:
    """A loss. `factory(**options)` gives `loss(output, target)`, the mean over samples as a scalar.

    `output_units(classes)` is the number of outputs that the network needs; `initial(frequencies)` the expected value
    of an untrained network that favours no class; `floor` the least value that the loss can take.
    """

    name: str
    summary: str
    formula: str
    tasks: tuple[Task, ...]
    expects: Expects
    target: TargetForm
    factory: Callable[..., Callable[..., Any]]
    torch_names: tuple[str, ...]  # the classes and functions of torch that compute the same
    output_units: Callable[[int], int]
    initial: Callable[[int], float] | None
    floor: float
    reference: str
    options: Mapping[str, Option] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class OptimizerSpec:
    """An optimizer. `factory(parameters, **options)` gives torch's own class over parameters or groups."""

    name: str
    summary: str
    formula: str
    factory: Callable[..., Any]
    torch_class: str
    options: Mapping[str, Option]
    best_for: str
    reference: str


@dataclass(frozen=True, kw_only=True)
class ScheduleSpec:
    """A schedule. `factory(**options)` gives a pure function of the fraction of the run, [0, 1] -> [0, 1]."""

    name: str
    summary: str
    formula: str
    factory: Callable[..., Callable[[float], float]]
    options: Mapping[str, Option]
    reference: str


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A built-in network. `factory(shape, **options)` gives a module from `(N, *input_shape)` to `(N, outputs)`.

    `dimensions` says how many dimensions a sample may have.
    """

    name: str
    summary: str
    factory: Callable[..., Any]
    options: Mapping[str, Option]
    dimensions: tuple[int, ...]
    reference: str
