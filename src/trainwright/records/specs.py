"""One record per catalogue entry: from it come the command line, the docs table and the contract tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from trainwright.defaults import Default
from trainwright.records.run import Task

Expects = Literal["logits", "log-probabilities", "probabilities", "values"]
TargetForm = Literal["class-index", "binary", "probabilities", "values"]
Value = float | bool | str | tuple[float, ...]
"""What an option may hold: a number, a switch, a word, or a list of numbers."""


@dataclass(frozen=True, kw_only=True)
class Option:
    """One thing that a catalogue entry takes: its default, its legal range, and where the default comes from.

    The type of `default` decides: a whole number, a number, a switch (bool), a word out of `choices`, or a list of
    numbers (tuple), each within the range. With `choices`, a number or a list may also be one of these words.
    """

    default: Value
    minimum: float = float("-inf")
    maximum: float = float("inf")
    meaning: str
    source: str = ""
    log: bool = False  # search and plot on a log scale
    minimum_excluded: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DataShape:
    """What a network must know of the data: the shape of one sample, and the classes or target columns.

    `groups` are the widths of the consecutive blocks of inputs that the columns of a table became (1 for a number, one
    input for each category of a word), () where the samples are no table. `vocabulary` is the number of different
    tokens where samples are token ids `(length,)`, int64; each token then has a target, and outputs are
    `(N, outputs, length)`.
    """

    input_shape: tuple[int, ...]
    outputs: int
    task: Task
    groups: tuple[int, ...] = ()
    vocabulary: int | None = None


@dataclass(frozen=True, kw_only=True)
class LossSpec:
    """A loss. `factory(**options)` gives `loss(output, target)`, a mean as a scalar, with `loss.count(target)`.

    `count` is what the mean divides by (samples, tokens that count, the sum of class weights): two batches together
    have the mean `(mean1 * count1 + mean2 * count2) / (count1 + count2)`. `output_units(classes)` is the number of
    outputs that the network needs; `initial(outputs, **options)` the expected value of an untrained network that
    favours no class, and `floor(outputs, **options)` the least value that the loss can take, `outputs` being the
    classes or columns. `training_only` names the options that evaluation leaves at their defaults (label smoothing).
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
    initial: Callable[..., float] | None
    floor: Callable[..., float]
    reference: str
    options: Mapping[str, Option] = field(default_factory=dict)
    training_only: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class OptimizerSpec:
    """An optimizer. `factory(groups, **options)` gives an optimizer over parameter groups.

    `closure` says that its step evaluates the loss several times, on the whole of the data; `averages` that it has
    `train()` and `eval()`, between which the parameters change, and that evaluation needs the latter.
    """

    name: str
    summary: str
    formula: str
    factory: Callable[..., Any]
    torch_class: str  # "" where torch has none
    options: Mapping[str, Option]
    best_for: str
    reference: str
    closure: bool = False
    averages: bool = False


@dataclass(frozen=True, kw_only=True)
class ScheduleSpec:
    """A schedule. `factory(**options)` gives a `Schedule`: multiples of the rate over the fraction of the run."""

    name: str
    summary: str
    formula: str
    factory: Callable[..., Any]
    options: Mapping[str, Option]
    reference: str


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A built-in network. `factory(shape, **options)` gives a module from `(N, *input_shape)` to `(N, outputs)`.

    `dimensions` says how many dimensions a sample may have; `tokens` that samples are token ids. `recommended` holds
    the settings of a recipe ("optimizer.lr") that suit this network better than the general ones.
    """

    name: str
    summary: str
    factory: Callable[..., Any]
    options: Mapping[str, Option]
    dimensions: tuple[int, ...]
    reference: str
    tokens: bool = False
    recommended: Mapping[str, Default] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class InitializerSpec:
    """A way to fill weights. `fill(weight)` works in place; where `needs_data`, the model must see a batch instead."""

    name: str
    summary: str
    formula: str
    fill: Callable[[Any], None]
    best_for: str
    reference: str
    needs_data: bool = False


@dataclass(frozen=True, kw_only=True)
class NormSpec:
    """A normalisation. `factory(channels, dimensions)` gives the layer for maps of 0, 1 or 2 spatial dimensions."""

    name: str
    summary: str
    formula: str
    factory: Callable[[int, int], Any]
    best_for: str
    reference: str


@dataclass(frozen=True, kw_only=True)
class AugmentSpec:
    """A change of training samples. `strength` is its one number, 0 for off.

    `images` says that it needs images; `mixes` that it mixes pairs of samples and makes targets soft.
    """

    name: str
    summary: str
    formula: str
    strength: Option
    images: bool
    mixes: bool
    reference: str
