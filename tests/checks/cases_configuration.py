"""Settings that contradict one another, the model or the run, each beside its fixed twin."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import torch
from cases_start import classes, made, mlp, optimized
from checks_cases import Case
from torch import nn

from trainwright.checks.subject import Subject
from trainwright.parts.groups import parameter_groups
from trainwright.stages.subject import subject_of


def with_norm() -> nn.Sequential:
    return nn.Sequential(nn.Linear(8, 32), nn.LayerNorm(32), nn.ReLU(), nn.Linear(32, 4))


def decayed(*, groups: bool) -> Subject:
    model = with_norm()
    what = parameter_groups(model, 0.1) if groups else model.parameters()
    return subject_of(model, "cross_entropy", classes(), optimizer=torch.optim.AdamW(what, lr=1e-3, weight_decay=0.1))


def inside(name: str) -> Subject:
    model = mlp(8, 32, 4)
    optimizer = getattr(torch.optim, name)(parameter_groups(model, 0.01), lr=1e-3)
    return subject_of(model, "cross_entropy", classes(), optimizer=optimizer)


def rounded(dtype: torch.dtype) -> Subject:
    """Weights of few bits under an epsilon that float16 cannot hold; they are on the processor as a sketch alone."""
    model = mlp(8, 32, 4)
    subject = subject_of(model, "cross_entropy", classes())
    model.to(dtype)
    return dataclasses.replace(subject, optimizer=optimized(model, "Adam", lr=1e-3))


def scheduled(multiple: Callable[[int], float], *, planned: int = 1000) -> Subject:
    model = mlp(8, 32, 4)
    optimizer = optimized(model, "SGD", lr=0.1)
    subject = subject_of(
        model, "cross_entropy", classes(), optimizer=optimizer, schedule=multiple, planned_steps=planned
    )
    return dataclasses.replace(subject, info=dataclasses.replace(subject.info, steps_per_epoch=50))


def cosine(length: int) -> Callable[[int], float]:
    return lambda step: 0.5 * (1 + math.cos(math.pi * step / length))


def ends(length: int) -> Callable[[int], float]:
    return lambda step: max(0.0, 1 - step / length)


def warmup(length: int) -> Callable[[int], float]:
    return lambda step: min(1.0, (step + 1) / length)


def attentive(rate: float) -> Subject:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter, self.head = nn.Linear(4, 64), nn.Linear(64, 3)
            self.block = nn.TransformerEncoderLayer(64, 4, 64, dropout=0.0, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.block(self.enter(x)).mean(1))

    model = Net()
    batch = (torch.randn(32, 6, 4), torch.arange(32) % 3)
    return subject_of(model, "cross_entropy", batch, optimizer=optimized(model, "Adam", lr=rate))


def with_settings(**settings: Any) -> Subject:
    model = mlp(8, 32, 4)
    subject = subject_of(model, "cross_entropy", classes(), optimizer=optimized(model, "SGD", lr=0.1))
    return dataclasses.replace(subject, **settings)


def dropping(p: float) -> Subject:
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Dropout(p), nn.Linear(32, 4))
    return subject_of(model, "cross_entropy", classes())


def dropped_then_normed(*, late: bool) -> Subject:
    drop, norm = nn.Dropout(0.3), nn.BatchNorm1d(32)
    middle = [norm, nn.ReLU(), drop] if late else [drop, norm, nn.ReLU()]
    return subject_of(nn.Sequential(nn.Linear(8, 32), *middle, nn.Linear(32, 4)), "cross_entropy", classes())


CASES: list[Case] = [
    Case(name=name, check="configuration", kind=kind, sick=made(sick), fixed=made(fixed))
    for name, kind, sick, fixed in (
        (
            "decay on everything",
            "weight-decay-on-bias-or-norm",
            lambda: decayed(groups=False),
            lambda: decayed(groups=True),
        ),
        ("decay in the gradient of Adam", "l2-inside-adam", lambda: inside("Adam"), lambda: inside("AdamW")),
        (
            "epsilon for float32 on float16 weights",
            "epsilon-wrong-for-dtype",
            lambda: rounded(torch.float16),
            lambda: rounded(torch.bfloat16),
        ),
        (
            "cosine over epochs, stepped every batch",
            "scheduler-wrong-frequency",
            lambda: scheduled(cosine(20)),
            lambda: scheduled(cosine(1000)),
        ),
        (
            "schedule that ends early",
            "scheduler-wrong-frequency",
            lambda: scheduled(ends(200)),
            lambda: scheduled(ends(1000)),
        ),
        (
            "warmup longer than the run",
            "scheduler-wrong-frequency",
            lambda: scheduled(warmup(4000)),
            lambda: scheduled(warmup(100)),
        ),
        ("attention at a high rate", "warmup-missing", lambda: attentive(0.05), lambda: attentive(1e-3)),
        (
            "float16 on a processor",
            "precision-against-hardware",
            lambda: with_settings(precision="fp16"),
            lambda: with_settings(precision="bf16"),
        ),
        (
            "more batches than an epoch has",
            "accumulation-beyond-epoch",
            lambda: with_settings(accumulate=64),
            lambda: with_settings(accumulate=2),
        ),
        (
            "clipping to almost nothing",
            "clipping-dominates",
            lambda: with_settings(clip_norm=1e-4),
            lambda: with_settings(clip_norm=1.0),
        ),
        ("dropout of what was to be kept", "dropout-too-strong", lambda: dropping(0.9), lambda: dropping(0.1)),
        (
            "dropout before batch norm",
            "dropout-before-batch-norm",
            lambda: dropped_then_normed(late=False),
            lambda: dropped_then_normed(late=True),
        ),
    )
]
