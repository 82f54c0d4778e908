"""The sections of a recipe: which keys there are, what each may hold, and its default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from trainwright import defaults
from trainwright.parts import augment, groups, losses, models, optimizers, penalties, schedules
from trainwright.records import Option

AUTO = "auto"
FIND = "find"
"""What `optimizer.lr` holds where the learning-rate finder is to decide."""


class Section(BaseModel):
    """A section of a recipe: no unknown keys, no silent conversions, no changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DataSection(Section):
    """Where the data come from, and how they are split and scaled.

    The division follows `train.seed`, unless `split_seed` is 0 or more: runs of several seeds then share one division.
    With `streaming` data stay on disk and are read in blocks, in "auto" where they do not fit into memory; `workers`
    threads read ahead, which changes no order.
    """

    source: str = "digits"
    target: str | list[str] = ""
    task: Literal["auto", "classification", "multi-label", "regression"] = AUTO
    normalise: Literal["standard", "none"] = "standard"
    validation: float = Field(default=defaults.VALIDATION_FRACTION.value, ge=0, lt=1)
    test: float = Field(default=defaults.TEST_FRACTION.value, ge=0, lt=1)
    test_source: str = ""
    split_seed: int = Field(default=-1, ge=-1)
    ignore: list[str] = []
    context: int = Field(default=int(defaults.CONTEXT.value), ge=1)
    image_size: int = Field(default=0, ge=0)
    streaming: Literal["auto"] | bool = AUTO
    workers: int = Field(default=1, ge=0, le=64)


class PartSection(Section):
    """An entry of a catalogue by its name, and its options; what is not given keeps the entry's own default."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    name: str = AUTO

    @property
    def options(self) -> dict[str, Any]:
        """The options that were given; "auto" counts as not given."""
        return {key: value for key, value in (self.model_extra or {}).items() if value != AUTO}


class ModelSection(PartSection):
    """The network, and what it starts from: weights that were trained before, named by `start`.

    `start_head = "new"` leaves the head as it was made even where it would fit, and `start_shapes = "any"` whatever
    has another shape.
    """

    start: str = ""
    start_head: Literal["fitting", "new"] = "fitting"
    start_shapes: Literal["same", "any"] = "same"


class OptimizerSection(PartSection):
    """The optimizer. `rates` maps parts of the model ("head", "blocks.*.norm*") to multiples of the rate; 0 freezes.

    `lr = "find"` asks the learning-rate finder before the run.
    """

    rates: dict[str, float] = {}


class AugmentSection(Section):
    """Strengths of the changes that training samples go through; 0 is off."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    @property
    def strengths(self) -> dict[str, float]:
        """Every strength, those that were not given at their defaults."""
        given = self.model_extra or {}
        return {
            name: float(spec.strength.default if given.get(name, AUTO) == AUTO else given[name])  # type: ignore[arg-type]
            for name, spec in augment.CATALOGUE.items()
        }


class TrainSection(Section):
    """How long, how fast, how reproducibly. 0 switches clipping, patience, averaging and the extra evaluations off.

    With `checkpoint_every_steps = 0` the state is kept after evaluations, as often as costs no more than 2 % of the
    time; `keep_last` of those states stay, beside the best and the last weights.

    The order of the samples, which of them are drawn and how they are changed follow `order_seed`, with -1 as all else
    does `seed`: with one `order_seed`, runs of several seeds meet the same batches.

    Sums in another order round differently: a run is the same bit for bit only on the same number of `threads`.
    `freeze` names parts of the model as `optimizer.rates` does, and `unfreeze` maps such names to the fraction of the
    run from which on they learn.
    """

    epochs: Literal["auto"] | int = AUTO
    steps: int = Field(default=0, ge=0)
    batch_size: Literal["auto"] | int = int(defaults.BATCH_SIZE.value)
    accumulate: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0)
    order_seed: int = Field(default=-1, ge=-1)
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    clip_norm: float = Field(default=defaults.CLIP_NORM.value, ge=0)
    clip_value: float = Field(default=0.0, ge=0)
    ema: float = Field(default=0.0, ge=0, lt=1)
    sampler: Literal["shuffled", "balanced"] = "shuffled"
    patience: int = Field(default=0, ge=0)
    evaluate_every_steps: int = Field(default=0, ge=0)
    checkpoint_every_steps: int = Field(default=0, ge=0)
    keep_last: int = Field(default=2, ge=1)
    compile: bool = False
    checkpoint_activations: bool = False
    freeze: list[str] = []
    unfreeze: Literal["gradual"] | dict[str, float] = {}
    cache_features: bool = True
    device: str = AUTO
    threads: Literal["auto"] | int = AUTO
    loggers: list[str] = []
    verify: Literal["off", "quick", "full"] = "quick"

    @property
    def seed_of_order(self) -> int:
        """The seed by which samples are ordered, drawn and changed."""
        return self.seed if self.order_seed < 0 else self.order_seed


class DoctorSection(Section):
    """How closely the run is watched, and what is done about what would end it.

    "suggest" leaves the run as it is and costs nothing, so it is the default; "apply" makes the result depend on it.
    `ignore` names codes or kinds of findings that are not to be told.
    """

    level: Literal["off", "light", "full"] = "light"
    repair: Literal["off", "suggest", "apply"] = "suggest"
    ignore: list[str] = []


class TuneSection(Section):
    """What a search tries: `space` maps settings to ranges, `{"optimizer.lr" = {log_uniform = [1e-5, 1e-1]}}`.

    `trials` counts configurations over all `rounds`, each trained under `repeats` seeds; without `prune` all go to the
    end. `final` is the number of fresh seeds that the best is trained under again, and `seconds` 0 for no limit.
    """

    space: dict[str, Any] = {}
    trials: int = Field(default=54, ge=1, le=100_000)
    rounds: int = Field(default=3, ge=1, le=1_000)
    sampler: Literal["grid", "random", "sobol", "tpe"] = "sobol"
    prune: bool = True
    repeats: int = Field(default=1, ge=1, le=1_000)
    final: int = Field(default=3, ge=0, le=1_000)
    score: Literal["loss", "error", "rmse"] = "loss"
    seconds: float = Field(default=0.0, ge=0, allow_inf_nan=False)


MOST_TRAINED = 1_000
"""Members, and cycles of snapshots, at most: beyond some dozens more of them gain nothing that can be measured."""


class FinishSection(Section):
    """What is done with a run that has ended; nothing where all is off, so that a run costs nothing more.

    `members` counts networks in all, this run's among them, and `snapshots` the cycles of one training; 0 for none.
    `soup` averages the weights of snapshots, and those of members that began from the same weights, as runs of one
    `model.start` do; `shared_start` lets further members begin so, with the weights that this run began with.
    `calibrate` "auto" fits a temperature with whatever else is asked for, "on" by itself too.
    """

    members: int = Field(default=0, ge=0, le=MOST_TRAINED)
    snapshots: int = Field(default=0, ge=0, le=MOST_TRAINED)
    average: list[Literal["ema", "polyak", "swa"]] = []
    soup: bool = False
    shared_start: bool = False
    distil: bool = False
    combine: Literal["probabilities", "logits"] = "probabilities"
    calibrate: Literal["auto", "on", "off"] = AUTO

    @property
    def methods(self) -> tuple[str, ...]:
        """The names of what is to be trained or built."""
        asked = {"seeds": self.members > 1, "snapshots": self.snapshots > 0, **dict.fromkeys(self.average, True)}
        asked |= {"soup": self.soup, "distil": self.distil}
        return tuple(name for name, wanted in asked.items() if wanted)

    @property
    def asks(self) -> bool:
        """Say whether anything is to be done."""
        return bool(self.methods) or self.calibrate == "on"


class DistributedSection(Section):
    """How several processes train one model: "ddp" with a copy of it on each, "fsdp" with a part of it on each.

    "auto" is "ddp". With `sync_batch_norm`, batch normalisation sees the whole batch and not a process's share of it.
    """

    strategy: Literal["auto", "ddp", "fsdp"] = AUTO
    sync_batch_norm: bool = False

    @property
    def sharded(self) -> bool:
        """Whether each process holds a part of the model."""
        return self.strategy == "fsdp"


@dataclass(frozen=True, kw_only=True)
class Choosable:
    """A section that chooses from a catalogue: what its entries are called, and the options that all of them share."""

    what: str
    catalogue: Mapping[str, Any]
    common: Mapping[str, Option] = field(default_factory=dict)

    def options(self, name: str) -> dict[str, Option]:
        """Return the options of an entry, or of all entries where it is not chosen yet."""
        entries = self.catalogue.values() if name == AUTO else [self.catalogue[name]]
        own = {option: record for entry in entries for option, record in entry.options.items()}
        return own | dict(self.common)


CATALOGUES: Mapping[str, Choosable] = {
    "model": Choosable(what="model", catalogue=models.CATALOGUE, common=models.OPTIONS),
    "loss": Choosable(what="loss", catalogue=losses.CATALOGUE, common=penalties.PENALTIES),
    "optimizer": Choosable(what="optimizer", catalogue=optimizers.CATALOGUE, common=groups.OPTIONS),
    "schedule": Choosable(what="schedule", catalogue=schedules.CATALOGUE),
}
"""The sections that choose from a catalogue."""

SECTIONS: Mapping[str, type[Section]] = {
    "data": DataSection,
    "model": ModelSection,
    "loss": PartSection,
    "optimizer": OptimizerSection,
    "schedule": PartSection,
    "augment": AugmentSection,
    "train": TrainSection,
    "doctor": DoctorSection,
    "tune": TuneSection,
    "finish": FinishSection,
    "distributed": DistributedSection,
}

COUNTS: Mapping[str, int] = {"train.epochs": 1_000_000_000, "train.threads": 1_024, "train.batch_size": 1_000_000_000}
"""Settings that are "auto" or a whole number from 1, and the most that they may be."""


def known_keys(section: str) -> list[str]:
    """Return the keys that a section may have."""
    fields = list(SECTIONS[section].model_fields)
    if section == "augment":
        return list(augment.CATALOGUE)
    return [*fields, *CATALOGUES[section].options(AUTO)] if section in CATALOGUES else fields
