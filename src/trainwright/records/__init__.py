"""What everybody speaks: frozen records without behaviour beyond derivation. Nothing here needs torch."""

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
from trainwright.records.run import InputStats, Outcome, OutputFacts, RunInfo, Setting, Status, TargetStats
from trainwright.records.specs import (
    DataShape,
    LossSpec,
    ModelSpec,
    OptimizerSpec,
    Option,
    ScheduleSpec,
    Task,
)

__all__ = [
    "Chart",
    "CheckResult",
    "CheckStatus",
    "DataShape",
    "EvalRecord",
    "Event",
    "Evidence",
    "Finding",
    "InputStats",
    "LayerStats",
    "Location",
    "LossSpec",
    "ModelSpec",
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
    "from_plain",
    "to_plain",
]
