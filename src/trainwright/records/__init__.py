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
    column,
)
from trainwright.records.jsonable import from_plain, to_brief, to_plain
from trainwright.records.learning_rate import LearningRate, RatePoint
from trainwright.records.loop import GroupFacts, LoopFacts, OptimizerFacts, SchedulerFacts, Sighting, SightingName
from trainwright.records.run import InputStats, Ledger, Outcome, OutputFacts, RunInfo, Setting, Status, TargetStats
from trainwright.records.space import Axis
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
from trainwright.records.study import Edge, Importance, Move, Plan, Round, StudyInfo, Trial
from trainwright.records.study_final import FinalRun

__all__ = [
    "AugmentSpec",
    "Axis",
    "Baselines",
    "Chart",
    "CheckResult",
    "CheckStatus",
    "DataShape",
    "Edge",
    "EvalRecord",
    "Event",
    "Evidence",
    "FinalRun",
    "Finding",
    "GroupFacts",
    "Importance",
    "InitializerSpec",
    "InputStats",
    "LayerStats",
    "LearningRate",
    "Ledger",
    "Location",
    "LoopFacts",
    "LossSpec",
    "ModelSpec",
    "Move",
    "NormSpec",
    "OptimizerFacts",
    "OptimizerSpec",
    "Option",
    "Outcome",
    "OutputFacts",
    "Plan",
    "RatePoint",
    "Remedy",
    "Round",
    "RunInfo",
    "ScheduleSpec",
    "SchedulerFacts",
    "Setting",
    "Severity",
    "Sighting",
    "SightingName",
    "Status",
    "StepProbe",
    "StepRecord",
    "StudyInfo",
    "TargetStats",
    "Task",
    "Trial",
    "Value",
    "column",
    "from_plain",
    "to_brief",
    "to_plain",
]
