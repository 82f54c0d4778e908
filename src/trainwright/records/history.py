"""What a run leaves behind, step by step, and the chart that the doctor reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trainwright.records.findings import Location
from trainwright.records.run import RunInfo


@dataclass(frozen=True, kw_only=True, slots=True)
class StepProbe:
    """The loss on a step's own batch, under its own dropout masks, after moving by a multiple of its update.

    `before` is the loss that the step saw; `tenth`, `same` and `tenfold` are what the same batch gives after 0.1, 1
    and 10 times the update that was made. An overshooting rate shows as `same > before > tenth`; a timid one as
    `before - tenfold` close to ten times `before - same`. So `tenth` need not be measured where the update lowered the
    loss, nor `tenfold` where it did not: None.
    """

    before: float
    same: float
    tenth: float | None = None
    tenfold: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class StepRecord:
    """One optimizer step. `step` and `epoch` count from 0.

    `loss` is the mean over the `samples` of all batches of the step, before the update, and `penalty` what the weights
    themselves add to it (None where they add nothing); `gradient_norm` the global norm before clipping, `clipped_norm`
    after; `skipped` says that float16 overflowed under its scale and no update was made; `update_ratio` the median over
    weight matrices of |update| / |weight| (sampled, else None).
    """

    step: int
    epoch: int
    loss: float
    rate: float
    samples: int
    penalty: float | None = None
    gradient_norm: float | None = None
    clipped_norm: float | None = None
    clipped: bool = False
    skipped: bool = False
    update_ratio: float | None = None
    probe: StepProbe | None = None
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class EvalRecord:
    """One pass over a whole split in evaluation mode, after `step` optimizer steps.

    `loss` is the mean over samples (not over batches); `loss_error` its standard error.
    """

    step: int
    epoch: float
    split: str  # "train", "validation" or "test"
    loss: float
    loss_error: float
    metrics: Mapping[str, float]
    samples: int
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerStats:
    """One layer at one step, measured on the same reference samples each time, in evaluation mode.

    The `fraction`s count units (channels for a convolution): `dead_fraction` those at zero for every reference sample,
    `on_fraction` those above zero for every one, `flat_fraction` those of a sigmoid or tanh that have no slope for
    nearly every one; `zero_fraction` is the share of zero activations, and `flat_share` that of activations without a
    slope, over all units and samples, 0 where nobody measured it. `weight_norm` and `gradient_norm` are None for
    layers without parameters. In a foreign loop the samples are those of some training steps, and `where` is the line
    that calls the layer.
    """

    step: int
    module: str
    kind: str  # class name, "ReLU"
    units: int
    samples: int
    mean: float
    std: float
    zero_fraction: float
    dead_fraction: float
    weight_norm: float | None = None
    gradient_norm: float | None = None
    on_fraction: float = 0.0
    flat_fraction: float = 0.0
    flat_share: float = 0.0
    where: Location = field(default_factory=Location)


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something that happened once: a phase, a finding, a checkpoint."""

    step: int
    name: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Everything the doctor may read, and nothing else: the same chart gives the same findings.

    The columns are read-only sequences in the order in which things happened: `steps` has a record for each update of
    the optimizer, `evals` one for each split of each evaluation, `layers` one for each layer that was measured, and
    `events` what happened once. `info` is what is known of the run beside them. Steps count from 0.
    """

    info: RunInfo
    steps: Sequence[StepRecord] = ()
    evals: Sequence[EvalRecord] = ()
    layers: Sequence[LayerStats] = ()
    events: Sequence[Event] = ()

    def evaluations(self, split: str) -> list[EvalRecord]:
        """Return the evaluations of one split, in order."""
        return [record for record in self.evals if record.split == split]

    @property
    def last_step(self) -> int | None:
        """The newest step of the chart, None where no step was made."""
        return self.steps[-1].step if self.steps else None


def column(records: Sequence[Any], name: str) -> list[Any]:
    """Return one field of all records. Steps that were read as columns give it without a record being made."""
    read = getattr(records, "column", None)
    return [getattr(record, name) for record in records] if read is None else read(name)
