"""What is known of a run as a whole: its settings, its data's vital facts, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from trainwright.records.baselines import Baselines
from trainwright.records.findings import Location
from trainwright.records.loop import LoopFacts
from trainwright.records.loss_call import LossCall

Status = Literal["finished", "stopped", "diverged", "interrupted"]
Task = Literal["classification", "multi-label", "regression"]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting as it was resolved, and where the user wrote it (None where no file says it).

    `given` says that it was asked for, in a recipe, in a call or on the command line; else it is a default.
    """

    value: Any
    where: Location | None = None
    given: bool = False


@dataclass(frozen=True, kw_only=True)
class InputStats:
    """The training inputs as the network sees them, over at most some thousand samples.

    `spread` is the largest standard deviation of a feature over the median one; `offset` the median over features of
    |mean| / standard deviation, constant features left out. `integral` says that all values are whole numbers;
    `zero_share` is the share of zeros among the values of features that vary. `non_finite_sample` and
    `non_finite_feature` are the places of the first value that is not finite, None where there is none.
    """

    samples: int
    features: int
    mean: float
    std: float
    minimum: float
    maximum: float
    spread: float
    offset: float
    integral: bool
    non_finite: int
    constant_features: int
    zero_share: float = 0.0
    non_finite_sample: int | None = None
    non_finite_feature: int | None = None


@dataclass(frozen=True, kw_only=True)
class TargetStats:
    """The training targets. `minimum` and `maximum` are over all finite ones of them.

    `constant_loss` is the loss of the best constant predictor: the entropy of the labels in nats for a logit loss, the
    variance for the squared error; None where it is not known. `mean` and `std` are over all values that
    count, and `rarest` and `commonest` the shares of the least and the most frequent value; None where nobody measured
    them, or there are too many values. `non_finite` counts the values that are NaN or infinite among all, and
    `non_finite_sample` is the place of the first, None where there is none. `farthest_share` is the share of the
    squared distances from the median that the farthest 3 % of them carry, and `weight_order` the rank correlation of
    the loss's class weights with how often each class comes; None where nobody measured them, or there are none.
    `weighted` says that the loss has weights at all. `relation` says by how many standard deviations simple predictors
    guess the labels of samples left out better than chance.
    """

    samples: int
    minimum: float
    maximum: float
    integral: bool
    distinct: int
    constant_loss: float | None = None
    mean: float | None = None
    std: float | None = None
    rarest: float | None = None
    commonest: float | None = None
    non_finite: int = 0
    non_finite_sample: int | None = None
    farthest_share: float | None = None
    weight_order: float | None = None
    weighted: bool = False
    relation: float | None = None


@dataclass(frozen=True, kw_only=True)
class OutputFacts:
    """What the first batches showed of the model's output where it enters the loss.

    `shape` is that of the first batch; `operation` the last operation that is not a view (`Softmax`), with its place;
    `loss_softmax` says that the loss itself applies a log-softmax to it, whatever it is called;
    `row_sum_error` the largest deviation from 1 of a row's sum, where every entry lies in [0, 1], over `batches`
    batches, else None. `calls` are the losses of the library that the loss was seen to call, and last, without a name,
    what it was given itself; () where the loss was not looked at. `loss_error` says why it could not be computed.
    """

    shape: tuple[int, ...]
    operation: str
    where: Location = field(default_factory=Location)
    batches: int = 1
    row_sum_error: float | None = None
    loss_softmax: bool = False
    calls: tuple[LossCall, ...] = ()
    loss_error: str = ""


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """A run's head: what was asked for and what it is fed with. Optional facts are None where nobody measured them."""

    name: str = "run"
    task: Task | None = None
    loss: str = ""  # the catalogue's name, or "" for a function that it does not know
    optimizer: str = ""
    schedule: str = ""
    model: str = ""
    outputs: int | None = None
    parameters: int = 0
    planned_steps: int | None = None
    steps_per_epoch: int | None = None
    metric: str | None = None  # "accuracy" or "rmse"
    settings: Mapping[str, Setting] = field(default_factory=dict)
    recommended_rate: float | None = None
    has_input_norm: bool = False  # the first layer normalises its input
    inputs: InputStats | None = None
    targets: TargetStats | None = None
    output: OutputFacts | None = None
    baselines: Baselines | None = None
    loop: LoopFacts | None = None  # a loop that someone else wrote, as it was watched

    @property
    def constant_loss(self) -> float | None:
        """The loss of the best constant predictor, None where it is not known."""
        return self.targets.constant_loss if self.targets else None

    def where(self, *names: str) -> Location:
        """Return where the user wrote the first of `names` that they wrote, else an empty location."""
        for name in names:
            setting = self.settings.get(name)
            if setting is not None and setting.where is not None:
                return setting.where
        return Location()

    def setting(self, name: str, default: Any = None) -> Any:
        """Return a setting's resolved value."""
        setting = self.settings.get(name)
        return default if setting is None else setting.value


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """What became of every step. The books balance where `problems` is empty.

    `planned` is what the whole run was to make, `attempted` what was begun; each attempt was `performed`, `skipped`
    (float16 overflowed under its scale) or `refused` (not finite). A refused step ends the run, unless it was left out
    for a sample that is no number (`bad_batches`) or the run went back to earlier weights (`repairs`, which a loss that
    has grown may ask for too); `undone` counts the updates that were performed and then taken back. `samples` counts
    what went through the model in training, `planned_samples` what whole epochs hold (None where a run of a given
    number of steps stops within one). `rate_deviation` is the largest relative difference between a rate that was used
    and the schedule's, times the factors of the repairs.
    """

    planned: int
    attempted: int
    performed: int
    skipped: int
    refused: int
    clipped: int
    samples: int
    planned_samples: int | None = None
    rate_deviation: float | None = None
    complete: bool = True  # the run went to its planned end
    bad_batches: int = 0
    repairs: int = 0
    undone: int = 0

    @property
    def problems(self) -> tuple[str, ...]:
        """What does not add up, in plain sentences; empty where the books balance."""
        found = []
        if self.attempted != self.performed + self.skipped + self.refused:
            found.append(
                f"{self.attempted} steps attempted, but {self.performed} performed + {self.skipped} skipped "
                f"+ {self.refused} refused = {self.performed + self.skipped + self.refused}"
            )
        ended = 0 if self.complete else 1
        if self.refused > self.bad_batches + self.repairs + ended:
            found.append(
                f"{self.refused} steps refused, but {self.bad_batches} left out for their batch + {self.repairs} "
                f"repaired + {ended} that ended the run"
            )
        if self.undone > self.performed:
            found.append(f"{self.undone} updates undone, {self.performed} performed")
        if self.complete and self.attempted != self.planned:
            found.append(f"{self.planned} steps planned, {self.attempted} attempted, and yet the run went to its end")
        if self.attempted > self.planned:
            found.append(f"{self.attempted} steps attempted, {self.planned} planned")
        if self.complete and self.planned_samples is not None and self.samples != self.planned_samples:
            found.append(f"{self.planned_samples} samples planned, {self.samples} trained on")
        if self.rate_deviation is not None and self.rate_deviation > 1e-6:
            found.append(f"the rates used deviate from the schedule by up to {self.rate_deviation:.2%}")
        return tuple(found)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run ended. Failure is data: `diverged` is an outcome, not an exception.

    `best` maps "train", "validation" and "test" to the loss and the metric of the model that is returned: "accuracy" as
    a share in [0, 1], "rmse" in the units of the targets. `best_step` and `steps` count updates of the optimizer;
    `seconds` is the time of the whole run, and `ledger` its books: steps attempted, made, skipped and clipped.
    """

    status: Status
    reason: str = ""
    best: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    best_step: int | None = None
    steps: int = 0
    seconds: float = 0.0
    ledger: Ledger | None = None
