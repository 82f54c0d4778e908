"""Do the settings fit one another, the model and the run? What is exact is judged, what is a matter of taste is noted.

Each topic has its own file: the optimizer, the schedule, and dropout in the model.
"""

from __future__ import annotations

from collections.abc import Callable

from trainwright.checks.check import Answer, Check, Skip
from trainwright.checks.configuration_model import dropout_before_norm, dropout_too_strong
from trainwright.checks.configuration_optimizer import decay_on_all, epsilon_lost, l2_in_adam
from trainwright.checks.configuration_rates import rates_usable, scheduler_bound
from trainwright.checks.configuration_schedule import horizon, no_warmup
from trainwright.checks.configuration_step import accumulation, clipping, precision
from trainwright.checks.subject import Subject
from trainwright.doctor.kinds_loop import (
    ACCUMULATION_BEYOND_EPOCH,
    CLIPPING_DOMINATES,
    EPSILON_WRONG_FOR_DTYPE,
    L2_INSIDE_ADAM,
    PRECISION_AGAINST_HARDWARE,
    WEIGHT_DECAY_ON_BIAS_OR_NORM,
)
from trainwright.doctor.kinds_schedule import (
    INVALID_LEARNING_RATE,
    SCHEDULER_OF_ANOTHER_OPTIMIZER,
    SCHEDULER_WRONG_FREQUENCY,
    WARMUP_MISSING,
)
from trainwright.doctor.kinds_start import DROPOUT_BEFORE_BATCH_NORM, DROPOUT_TOO_STRONG
from trainwright.records import Finding

TOPICS: tuple[tuple[str, Callable[[Subject], Finding | None]], ...] = (
    ("epsilon", epsilon_lost),
    ("decay groups", decay_on_all),
    ("decay form", l2_in_adam),
    ("rates", rates_usable),
    ("scheduler", scheduler_bound),
    ("schedule", horizon),
    ("warmup", no_warmup),
    ("precision", precision),
    ("accumulation", accumulation),
    ("clipping", clipping),
    ("dropout", dropout_too_strong),
    ("dropout order", dropout_before_norm),
)
"""Each raises `Skip` where there is nothing of its topic in this training."""


def examine(subject: Subject) -> Answer:
    """Look at every topic; skipped where the training has none of them."""
    findings, judged, left = [], [], {}
    for topic, look in TOPICS:
        try:
            finding = look(subject)
        except Skip as why:
            left[topic] = str(why)
            continue
        judged.append(topic)
        if finding is not None:
            findings.append(finding)
    if not judged:
        raise Skip("; ".join(dict.fromkeys(left.values())))
    return Answer(
        findings=tuple(findings),
        measured={"judged": judged, "not_judged": left},
        value=f"{len(judged)} of {len(TOPICS)} settings judged: {', '.join(judged)}",
        expected="no contradiction",
    )


CHECK = Check(
    name="configuration",
    question="do the settings fit one another, the model and the run?",
    kinds=(
        WEIGHT_DECAY_ON_BIAS_OR_NORM,
        L2_INSIDE_ADAM,
        EPSILON_WRONG_FOR_DTYPE,
        INVALID_LEARNING_RATE,
        SCHEDULER_OF_ANOTHER_OPTIMIZER,
        SCHEDULER_WRONG_FREQUENCY,
        WARMUP_MISSING,
        PRECISION_AGAINST_HARDWARE,
        ACCUMULATION_BEYOND_EPOCH,
        CLIPPING_DOMINATES,
        DROPOUT_TOO_STRONG,
        DROPOUT_BEFORE_BATCH_NORM,
    ),
    examine=examine,
    quick=True,
    seconds=0.3,
)
