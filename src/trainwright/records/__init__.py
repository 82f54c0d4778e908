"""What everybody speaks: frozen records without behaviour beyond derivation. Nothing here needs torch."""

from trainwright.records.baselines import Baselines
from trainwright.records.findings import (
    CheckResult,
    CheckStatus,
    Evidence,
    Finding,
    Location,
    Remedy,
    Severity,
)
from trainwright.records.history import (
    Chart,
    EvalRecord,
    Event,
    LayerStats,
    StepProbe,
    StepRecord,
)
from trainwright.records.jsonable import from_plain, to_plain
from trainwright.records.run import InputStats, Ledger, Outcome, OutputFacts, RunInfo, Setting, Status, TargetStats
from trainwright.records.specs import (
    AugmentSpec,
    DataShape,
    InitializerSpec,
    LossSpec,
    ModelSpec,
    NormSpec,
    OptimizerSpec,
    Option,
    ScheduleSpec,
    Task,
    Value,
)

__all__ = [
    "AugmentSpec",
    "Baselines",
    "Chart",
    "CheckResult",
    "CheckStatus",
    "DataShape",
    "EvalRecord",
    "Event",
    "Evidence",
    "Finding",
    "InitializerSpec",
    "InputStats",
    "LayerStats",
    "Ledger",
    "Location",
    "LossSpec",
    "ModelSpec",
    "NormSpec",
    "OptimizerSpec",
    "Option",
    "Outcome",
    "OutputFacts",
    "Remedy",
    "RunInfo",
    "ScheduleSpec",
    "Setting",
    "Severity",
    "Status",
    "StepProbe",
    "StepRecord",
    "TargetStats",
    "Task",
    "Value",
    "from_plain",
    "to_plain",
]
