"""What finishing writes down: the members, what each method gained or lost and at what cost, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from trainwright.records.run import Task

Verdict = Literal["baseline", "gained", "lost", "told"]
"""`told` is for what is there to compare with, and cannot be chosen: the mean over the members."""
Averaging = Literal["probabilities", "logits"]
Lane = Literal["stacked", "loop"]


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What predictions come to on `samples` samples; None where a measure does not apply.

    `nll` is in nats for each target; of a regression that of a normal distribution, in the targets' own units. `ece` is
    the expected calibration error and `brier` the squared distance of the probabilities from the truth, summed over the
    classes. `rmse` is in the targets' own units.
    """

    samples: int
    accuracy: float | None = None
    nll: float | None = None
    ece: float | None = None
    brier: float | None = None
    rmse: float | None = None


@dataclass(frozen=True, kw_only=True)
class Bin:
    """The predictions whose confidence lies in (low, high]: how many, their mean confidence, the share of right ones.

    `confidence` and `accuracy` are None in an empty bin.
    """

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True, kw_only=True)
class Gain:
    """By how much a method is better than the best single network, and the interval that holds 95 % of resamples."""

    value: float
    low: float
    high: float

    @property
    def is_beyond_noise(self) -> bool:
        """Say whether the whole interval lies on the side of a gain."""
        return self.low > 0


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a method's networks cost: the steps that they were trained for, the time to predict, the memory to hold.

    `training_steps` is None where nobody knows; `seconds` are for 1,000 samples, `size` is in bytes of weights.
    """

    networks: int
    training_steps: int | None
    seconds: float
    size: int


@dataclass(frozen=True, kw_only=True)
class MethodRow:
    """One method. Both kinds of scores come from samples that nothing was fitted on, see `Gains.folds`.

    `scores` are those of the predictions as they are, `scaled` those after one temperature of the method's own. `gain`
    is in the criterion (`Gains.criterion`), `accuracy_gain` in accuracy; both after a temperature, on either side,
    where one is fitted (the row of the temperature itself alone is compared with the predictions as they are). `test`,
    `test_scaled` and `test_gain`, in the same ways, are there for what was chosen and for the best single network
    alone; the temperatures are those of validation.
    """

    method: str
    cost: Cost
    scores: Scores
    scaled: Scores | None = None
    gain: Gain | None = None
    accuracy_gain: Gain | None = None
    verdict: Verdict = "told"
    note: str = ""
    test: Scores | None = None
    test_gain: Gain | None = None
    test_scaled: Scores | None = None

    @property
    def compared(self) -> Scores:
        """Return the scores that the method is compared by."""
        return self.scaled or self.scores

    @property
    def test_compared(self) -> Scores | None:
        """Return those on test."""
        return self.test_scaled or self.test


@dataclass(frozen=True, kw_only=True)
class Gains:
    """The table: every method on validation, and on test what was chosen and the best single network.

    `criterion` is "nll" or "rmse", lower being better. What a method fits (which members, a temperature) it fits on all
    but one of `folds` parts of the validation data, and is measured on that part. `validation_samples` and
    `test_samples` count samples, `baseline` and `chosen` name rows.
    """

    rows: tuple[MethodRow, ...]
    criterion: Literal["nll", "rmse"]
    baseline: str
    chosen: str
    folds: int
    validation_samples: int
    test_samples: int | None = None

    def row(self, method: str) -> MethodRow:
        """Return the row of a method; raises `KeyError` where there is none."""
        return next(iter(row for row in self.rows if row.method == method), None) or _missing(method)

    @property
    def lost(self) -> tuple[str, ...]:
        """Return the methods that were tried and did not gain."""
        return tuple(row.method for row in self.rows if row.verdict == "lost")


@dataclass(frozen=True, kw_only=True)
class MemberFacts:
    """One network of the final model: where it is from, its share in the prediction, and its steps of training."""

    name: str
    share: float
    steps: int | None = None
    folder: str | None = None


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """From which probability of class 1 on to decide for it, where mistakes cost differently.

    `costs` are those of a false alarm (0 taken for 1) and of a miss (1 taken for 0). `exact` is the threshold that
    follows from them if the probabilities are right, `value` the one that cost least on validation; `at_exact`,
    `expected` and `halved` are the mean costs of a validation sample at `exact`, at `value` and at one half.
    """

    costs: tuple[float, float]
    exact: float
    value: float
    expected: float
    halved: float
    at_exact: float = 0.0


@dataclass(frozen=True, kw_only=True)
class EnsembleInfo:
    """A finished model as it stands: everything that a report needs.

    `temperature` divides the log-probabilities, None where none is used; `noise` is the standard deviation of what a
    regression cannot explain. `bins` are the reliability of the final model on validation, `bins_before` those without
    its temperature. `lane` says whether the members are computed as one program.
    """

    name: str
    task: Task
    average: Averaging
    members: tuple[MemberFacts, ...]
    gains: Gains
    temperature: float | None = None
    noise: tuple[float, ...] = ()
    bins: tuple[Bin, ...] = ()
    bins_before: tuple[Bin, ...] = ()
    threshold: Threshold | None = None
    classes: tuple[str, ...] = ()
    lane: Lane = "loop"
    notes: tuple[str, ...] = field(default=())


def _missing(method: str) -> MethodRow:
    raise KeyError(method)
