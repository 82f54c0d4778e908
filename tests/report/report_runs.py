"""Made-up runs that look like real ones: a healthy one, a diverged one and an overfitting one."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

from trainwright.records import (
    Chart,
    CheckResult,
    EvalRecord,
    Evidence,
    Finding,
    LayerStats,
    Location,
    Outcome,
    Remedy,
    RunInfo,
    Setting,
    StepRecord,
    TargetStats,
)

RECIPE = """\
[data]
source = "digits"  # 1,797 handwritten digits

[optimizer]
name = "adamw"
lr = 0.003

[train]
epochs = 30
batch_size = 64
"""
FACTS = {"trainwright": "0.1.0", "torch": "2.10.0", "python": "3.11.7", "device": "cpu, 8 threads", "seed": "7"}


@dataclass(frozen=True, kw_only=True)
class MadeRun:
    """All that a report is made of."""

    info: RunInfo
    outcome: Outcome | None
    chart: Chart
    findings: list[Finding] = field(default_factory=list)
    checks: list[CheckResult] = field(default_factory=list)


def info(name: str, steps: int) -> RunInfo:
    recipe = "recipe.toml"
    return RunInfo(
        name=name,
        task="classification",
        loss="cross_entropy",
        optimizer="adamw",
        schedule="cosine",
        model="mlp",
        outputs=10,
        parameters=12_810,
        planned_steps=steps,
        steps_per_epoch=23,
        metric="accuracy",
        settings={
            "data.source": Setting(value="digits", where=Location(file=recipe, line=2)),
            "optimizer.name": Setting(value="adamw", where=Location(file=recipe, line=5)),
            "optimizer.lr": Setting(value=0.003, where=Location(file=recipe, line=6)),
            "optimizer.weight_decay": Setting(value=0.01),
            "optimizer.betas": Setting(value=(0.9, 0.999)),
            "schedule.name": Setting(value="cosine"),
            "schedule.warmup": Setting(value=0.05),
            "train.batch_size": Setting(value=64, where=Location(file=recipe, line=10)),
            "train.clip_norm": Setting(value=None),
            "train.seed": Setting(value=7),
        },
        targets=TargetStats(samples=1437, minimum=0, maximum=9, integral=True, distinct=10, constant_loss=2.3025),
    )


def layers(step: int, seed: int = 0) -> list[LayerStats]:
    noise = random.Random(seed)
    kinds = [("layers.0", "Linear", 64), ("layers.1", "ReLU", 64), ("layers.2", "Linear", 64), ("layers.3", "ReLU", 64)]
    return [
        LayerStats(
            step=step,
            module=module,
            kind=kind,
            units=units,
            samples=256,
            mean=noise.gauss(0.1, 0.2),
            std=noise.uniform(0.5, 1.5),
            zero_fraction=noise.uniform(0.4, 0.6) if kind == "ReLU" else 0.0,
            dead_fraction=noise.uniform(0.0, 0.1) if kind == "ReLU" else 0.0,
            weight_norm=6.1 if kind == "Linear" else None,
            gradient_norm=noise.uniform(0.01, 0.3) if kind == "Linear" else None,
        )
        for module, kind, units in [*kinds, ("layers.4", "Linear", 10)]
    ]


def _rate(step: int, steps: int, peak: float) -> float:
    warmup = 0.05 * steps
    if step < warmup:
        return peak * step / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))


def _evaluation(step: int, split: str, loss: float, accuracy: float) -> EvalRecord:
    metrics = {"accuracy": accuracy}
    return EvalRecord(step=step, epoch=step / 23, split=split, loss=loss, loss_error=0.01, metrics=metrics, samples=360)


def healthy(steps: int = 690) -> MadeRun:
    noise = random.Random(1)
    records = []
    for step in range(steps):
        level = 2.25 * math.exp(-9 * step / steps) + 0.012
        records.append(
            StepRecord(
                step=step,
                epoch=step // 23,
                loss=level * math.exp(noise.gauss(0, 0.22)),
                rate=_rate(step, steps, 0.003),
                samples=64,
                gradient_norm=1.4 * math.sqrt(level) * math.exp(noise.gauss(0, 0.3)),
                update_ratio=2e-3 * math.exp(noise.gauss(0, 0.15)) if step % 10 == 0 else None,
                seconds=0.006,
            )
        )
    evals = []
    for step in range(0, steps + 1, max(1, steps // 30)):
        level = 2.25 * math.exp(-8 * step / steps)
        evals.append(_evaluation(step, "validation", level + 0.095, 0.972 - 0.87 * math.exp(-14 * step / steps)))
        evals.append(_evaluation(step, "train", level + 0.02, 0.998 - 0.9 * math.exp(-12 * step / steps)))
    evals.append(_evaluation(steps, "test", 0.118, 0.966))
    best = {
        "train": {"loss": 0.0121, "accuracy": 0.998},
        "validation": {"loss": 0.0957, "accuracy": 0.972},
        "test": {"loss": 0.118, "accuracy": 0.966},
    }
    head = info("digits-mlp", steps)
    return MadeRun(
        info=head,
        outcome=Outcome(status="finished", best=best, best_step=steps - 23, steps=steps, seconds=4.21),
        chart=Chart(info=head, steps=records, evals=evals, layers=layers(0) + layers(steps - 1, seed=2)),
        checks=[
            CheckResult(check="gradient check", status="passed", seconds=0.8),
            CheckResult(check="tiny batch memorised", status="passed", seconds=1.9),
            CheckResult(check="validation overlap", status="skipped", reason="no validation data was given"),
        ],
    )


def diverged(steps: int = 140) -> MadeRun:
    noise = random.Random(2)
    records = []
    for step in range(steps):
        climb = 2.2 * math.exp(max(0, step - 30) / 4.5) * math.exp(noise.gauss(0, 0.3))
        loss = climb if step < 112 else math.inf if step < 115 else math.nan
        records.append(
            StepRecord(
                step=step,
                epoch=step // 23,
                loss=loss,
                rate=30.0,
                samples=64,
                gradient_norm=3 * climb**1.1 if step < 112 else math.nan,
                update_ratio=None if step % 5 else 0.4 * math.exp(noise.gauss(0, 0.2)) if step < 112 else math.nan,
                seconds=0.006,
            )
        )
    evals = [_evaluation(step, "validation", 2.4 * math.exp(step / 9), 0.1) for step in range(23, 112, 23)]
    head = info("digits-hot", 690)
    findings = [
        Finding(
            code="TW601",
            kind="learning-rate-too-high",
            severity="error",
            title="the learning rate is too high",
            where=Location(file="recipe.toml", line=6),
            step=36,
            evidence=(
                Evidence(name="same-batch loss rises after the update, share of probes", value=0.94, threshold=0.5),
                Evidence(name="loss", value=8.3123, threshold=6.9, step=40),
                Evidence(name="learning rate", value=30.0, threshold=0.0031, unit="per step"),
            ),
            because="each update leaps over the valley to a higher point on its far side, so the loss grows from step "
            "to step until it overflows",
            remedies=(
                Remedy(text="lower the learning rate to what the finder suggests", change={"optimizer.lr": 0.0031}),
                Remedy(text="let the finder choose", change={"optimizer.lr": "find"}),
            ),
        ),
        Finding(
            code="TW803",
            kind="non-finite-loss",
            severity="error",
            title="the loss is no longer a number",
            where=Location(module="layers.4"),
            step=112,
            evidence=(
                Evidence(name="loss", value=math.inf, step=112),
                Evidence(name="first operation that gave a value that is not finite", value="addmm", step=112),
            ),
            because="the outputs of layers.4 overflowed; from then on every gradient and every weight is NaN",
            remedies=(Remedy(text="see learning-rate-too-high, which came before it"),),
        ),
        Finding(
            code="TW802",
            kind="exploding-gradients",
            severity="warning",
            title="the gradients explode",
            step=44,
            evidence=(Evidence(name="gradient norm", value=5.2e4, threshold=100, step=44),),
            because="a gradient of this size moves the weights further than the loss surface is known to be smooth",
            remedies=(Remedy(text="clip the gradient norm", change={"train.clip_norm": 1.0}),),
            confidence=0.8,
        ),
    ]
    return MadeRun(
        info=head,
        outcome=Outcome(status="diverged", reason="the loss is infinite", steps=steps, seconds=0.9),
        chart=Chart(info=head, steps=records, evals=evals, layers=layers(100)),
        findings=findings,
    )


def overfitting(steps: int = 4600) -> MadeRun:
    noise = random.Random(3)
    records = [
        StepRecord(
            step=step,
            epoch=step // 23,
            loss=(0.7 * math.exp(-step / 900) + 0.02) * math.exp(noise.gauss(0, 0.18)),
            rate=0.001,
            samples=64,
            gradient_norm=0.8 * math.exp(noise.gauss(0, 0.25)),
            clipped=step % 7 == 0,
            seconds=0.05,
        )
        for step in range(steps)
    ]
    evals = []
    for step in range(0, steps + 1, 230):
        gain, loss = 1 - math.exp(-step / 500), 0.42 + 0.28 * math.exp(-step / 300) + 0.5 * (step / steps) ** 1.6
        evals.append(_evaluation(step, "train", 0.7 * math.exp(-step / 900) + 0.01, 0.55 + 0.45 * gain))
        evals.append(_evaluation(step, "validation", loss, 0.55 + 0.28 * gain - 0.03 * step / steps))
    head = info("reviews-transformer", steps)
    findings = [
        Finding(
            code="TW901",
            kind="overfitting",
            severity="warning",
            title="the network memorises the training data",
            step=1610,
            evidence=(
                Evidence(name="validation loss above its best", value=0.31, threshold=0.05, step=1610),
                Evidence(name="gap between training and validation loss", value=0.72, threshold=0.2, unit="nats"),
            ),
            because="the training loss still falls while the validation loss rises: what is learned no longer carries "
            "over to new samples",
            remedies=(
                Remedy(text="stop early and keep the best checkpoint"),
                Remedy(text="add dropout", change={"model.dropout": 0.3}),
            ),
            confidence=0.92,
        ),
        Finding(
            code="TW903",
            kind="best-checkpoint-passed",
            severity="note",
            title="the best model was passed long ago",
            step=1650,
            evidence=(Evidence(name="best validation loss at step", value=690),),
        ),
        Finding(
            code="TW204",
            kind="labels-unrelated-to-inputs",
            severity="note",
            title="some labels contradict their inputs",
            where=Location(file="train.py", line=12),
        ),
    ]
    return MadeRun(
        info=head,
        outcome=Outcome(status="stopped", reason="no progress for 10 evaluations", steps=steps, seconds=8012),
        chart=Chart(info=head, steps=records, evals=evals, layers=layers(steps - 1, seed=5)),
        findings=findings,
    )
