"""Settings against one another, the model and the run."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import cases_configuration as cases
import pytest
import torch
from cases_start import classes, made, mlp, optimized
from torch import nn
from torch.optim import lr_scheduler

from trainwright.checks.configuration import CHECK
from trainwright.checks.run import run_check
from trainwright.checks.subject import Subject
from trainwright.records import Finding
from trainwright.stages.subject import subject_of


def found(build: Callable[[], Subject]) -> dict[str, Finding]:
    return {finding.kind: finding for finding in run_check(made(build)(), CHECK).findings}


def with_optimizer(model: nn.Module, **settings: Any) -> Subject:
    name = settings.pop("name", "AdamW")
    planned = settings.pop("planned", None)
    optimizer = optimized(model, name, **settings)
    return subject_of(model, "cross_entropy", classes(), optimizer=optimizer, planned_steps=planned)


def test_the_usual_decay_of_everything_is_a_note_and_one_that_takes_the_gains_a_warning() -> None:
    short = found(lambda: with_optimizer(cases.with_norm(), lr=1e-3, planned=1000))
    long = found(lambda: with_optimizer(cases.with_norm(), lr=1e-3, weight_decay=0.1, planned=10_000))
    sgd = found(lambda: with_optimizer(cases.with_norm(), name="SGD", lr=0.1, weight_decay=5e-4, planned=100_000))
    severities = [each["weight-decay-on-bias-or-norm"].severity for each in (short, long, sgd)]
    assert severities == ["note", "warning", "note"]


@pytest.mark.parametrize(
    ("settings", "severity"),
    [
        ({"weight_decay": 5e-4}, "note"),
        ({"weight_decay": 0.01}, "warning"),
        ({"weight_decay": 0.01, "decoupled_weight_decay": True}, None),
        ({}, None),
    ],
    ids=["small", "of the size of AdamW's", "decoupled", "none"],
)
def test_decay_inside_adam_is_told_by_torchs_own_switch(settings: dict[str, Any], severity: str | None) -> None:
    finding = found(lambda: with_optimizer(mlp(8, 16, 4), name="Adam", lr=1e-3, **settings)).get("l2-inside-adam")
    assert (None if finding is None else finding.severity) == severity


def test_epsilon_is_rounded_as_the_weights_are() -> None:
    assert found(lambda: cases.rounded(torch.float16))["epsilon-wrong-for-dtype"].severity == "error"
    for dtype in (torch.bfloat16, torch.float32):
        assert "epsilon-wrong-for-dtype" not in found(lambda dtype=dtype: cases.rounded(dtype))


@pytest.mark.parametrize(
    "multiple",
    [
        lambda step: 1.0,
        lambda step: min(1.0, step / 50),
        cases.cosine(1000),
        lambda step: 0.5 * (1 + math.cos(math.pi * (step % 200) / 200)),
        lambda step: 0.5 * (1 + math.cos(math.pi * (step % 20) / 20)),
        lambda step: 1 - abs(step % 100 - 50) / 50,
        lambda step: 0.95 ** (step // 50),
        lambda step: min(1.0, (step + 1) / 300) * max(0.0, 1 - step / 1000),
        lambda step: 1.0 if step < 800 else max(0.0, 1 - (step - 800) / 200),
    ],
    ids=["constant", "warmup", "cosine", "restarts", "short restarts", "triangles", "exponential", "linear", "late"],
)
def test_healthy_schedules_are_silent(multiple: Callable[[int], float]) -> None:
    assert found(lambda: cases.scheduled(multiple)) == {}


def test_a_cosine_that_comes_back_up_with_the_length_of_the_epochs_is_certain() -> None:
    finding = found(lambda: cases.scheduled(cases.cosine(20)))["scheduler-wrong-frequency"]
    assert finding.severity == "error"
    assert any(evidence.value == 20 for evidence in finding.evidence)


def scheduled_by_torch(make: Callable[[torch.optim.Optimizer], Any]) -> Subject:
    model = mlp(8, 16, 4)
    optimizer = optimized(model, "SGD", lr=0.1)
    scheduler = make(optimizer)
    subject = subject_of(model, "cross_entropy", classes(), optimizer=optimizer, schedule=scheduler, planned_steps=1000)
    info = dataclasses.replace(subject.info, steps_per_epoch=50)
    return dataclasses.replace(subject, info=info)


@pytest.mark.parametrize(
    ("make", "severity"),
    [
        (lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, T_max=1000), None),
        (lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, T_max=20), "note"),
        (lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, T_max=100), "warning"),
        (lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, T_max=50_000), "warning"),
        (lambda optimizer: lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=1000), None),
        (lambda optimizer: lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=300), "error"),
        (lambda optimizer: lr_scheduler.StepLR(optimizer, 5), None),
        (lambda optimizer: lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 10), None),
    ],
    ids=["fits", "epochs", "short", "long", "one cycle", "cycle too short", "steps", "restarts"],
)
def test_a_scheduler_of_torch_is_judged_by_its_length(make: Callable[..., Any], severity: str | None) -> None:
    finding = found(lambda: scheduled_by_torch(make)).get("scheduler-wrong-frequency")
    assert (None if finding is None else finding.severity) == severity


def test_a_warmup_silences_the_missing_one_and_so_does_fine_tuning() -> None:
    subject = made(lambda: cases.attentive(0.05))()
    warm = dataclasses.replace(subject, schedule=lambda step: min(1.0, (step + 1) / 100))
    tuned = dataclasses.replace(subject, pretrained=True)
    kinds = [[finding.kind for finding in run_check(each, CHECK).findings] for each in (subject, warm, tuned)]
    assert kinds == [["warmup-missing"], [], []]


def test_clipping_is_no_matter_for_adam() -> None:
    assert "clipping-dominates" not in found(
        lambda: dataclasses.replace(with_optimizer(mlp(8, 16, 4), name="Adam", lr=1e-3), clip_norm=1e-4)
    )


def test_what_was_not_judged_is_named_with_its_reason() -> None:
    result = run_check(made(lambda: subject_of(mlp(8, 16, 4), "cross_entropy", classes()))(), CHECK)
    assert result.status == "passed"
    assert result.measured["judged"] == ["precision"]
    assert result.measured["not_judged"]["schedule"] == "no schedule is given"


def test_dropout_behind_the_last_batch_norm_is_silent_and_before_it_is_named() -> None:
    finding = found(lambda: cases.dropped_then_normed(late=False))["dropout-before-batch-norm"]
    assert finding.where.module == "1"
    assert finding.severity == "note"
