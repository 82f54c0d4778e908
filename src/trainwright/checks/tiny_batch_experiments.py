"""Experiments on a handful of samples that will not be memorised: change one thing, and see whether they then are."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from trainwright.checks.guessing import answer_for_each, least
from trainwright.checks.inputs import count, mapped, tensors
from trainwright.checks.stillness import BATCH_NORMS, weights
from trainwright.checks.subject import Subject
from trainwright.records import Evidence, Location, Remedy, Severity
from trainwright.vitals.signal import output_activation

EXPERIMENT_STEPS = 300
"""Steps of an experiment: what it changes should let the samples be memorised about as fast as usual."""
LARGE_INPUT, LARGE_TARGET = 20.0, 20.0
"""Inputs or targets that large, with a spread of 1 expected, are worth the experiment of scaling them."""
NARROW = 2
"""Units of a hidden layer that can hold next to nothing."""


@dataclass(frozen=True, kw_only=True)
class Cause:
    """What an experiment showed."""

    name: str
    because: str
    remedies: tuple[Remedy, ...]
    evidence: tuple[Evidence, ...] = ()
    where: Location = field(default_factory=Location)
    severity: Severity = "error"
    title: str = ""
    confidence: float = 1.0


def reaches(
    value: Callable[[], torch.Tensor],
    parameters: list[nn.Parameter],
    goal: float,
    rate: float,
    steps: int = EXPERIMENT_STEPS,
) -> bool:
    """Say whether Adam brings `value` below the goal within the steps of an experiment."""
    optimizer = torch.optim.Adam(parameters, lr=rate)
    for _ in range(steps):
        optimizer.zero_grad()
        with torch.enable_grad():
            loss = value()
        if float(loss) <= goal:
            return True
        if not math.isfinite(float(loss)):
            return False
        loss.backward()
        optimizer.step()
    return False


def output_activation_blocks(subject: Subject, x: Any, y: Any, goal: float) -> Cause | None:
    """Let free outputs go through the model's last activation: if they cannot reach the targets, nothing can."""
    found = output_activation(lambda: subject.output(x))
    if found is None:
        return None
    name, activation = found
    with torch.no_grad():
        output = subject.output(x)
    groups = torch.arange(count(x), device=output.device)
    # ReLU has no gradient below zero: begin above it.
    table = answer_for_each(output, None, groups, None) + 0.5
    lowest = least(subject.loss, y, output, table, groups, through=activation)
    if lowest is None or lowest <= goal:
        return None
    return Cause(
        name="output activation",
        because=f"behind {name} no output can bring the loss of these samples below {lowest:.4g}, whatever the weights",
        evidence=(Evidence(name=f"least loss behind {name}", value=lowest, threshold=goal),),
        remedies=(Remedy(text=f"drop {name} from the end of the model, or scale the targets into its range"),),
    )


def scaled_targets(subject: Subject, x: Any, y: Any) -> Cause | None:
    """Scale targets of a regression to mean 0 and spread 1: a rate that is sensible there cannot cross thousands."""
    if not isinstance(y, torch.Tensor) or not y.is_floating_point() or len(y) < 2:
        return None
    mean, spread = y.mean(0), y.std(0).clamp_min(1e-12)
    if float(y.abs().max()) < LARGE_TARGET:
        return None
    scaled = (y - mean) / spread

    def value() -> torch.Tensor:
        return subject.value(x, scaled)

    with torch.no_grad():
        start = float(value())
        zero = float(subject.loss(torch.zeros_like(subject.output(x)), scaled))
    if not reaches(value, weights(subject.model), 0.1 * min(start, zero), 3e-3):
        return None
    largest = float(y.abs().max())
    return Cause(
        name="targets not scaled",
        severity="note",
        title="a handful of samples is memorised only with scaled targets",
        because=f"targets up to {largest:.3g} are further away than {EXPERIMENT_STEPS} steps of Adam can go",
        evidence=(Evidence(name="largest target", value=largest, threshold=LARGE_TARGET),),
        remedies=(
            Remedy(text="train on (y - mean) / std and undo it when you predict; or begin the bias at the mean"),
        ),
    )


def scaled_inputs(subject: Subject, x: Any, y: Any, goal: float) -> Cause | None:
    """Scale inputs that are large or hardly vary to mean 0 and spread 1."""
    parts = [part for part in tensors(x) if part.is_floating_point()]
    size = max((float(part.abs().max()) for part in parts), default=1.0)
    spread = max((float(part.std()) for part in parts), default=1.0)
    if not parts or (size < LARGE_INPUT and spread > 1 / LARGE_INPUT):
        return None

    def scale(part: torch.Tensor) -> torch.Tensor:
        return (part - part.mean()) / part.std().clamp_min(1e-12) if part.is_floating_point() else part

    scaled = mapped(x, scale)
    if not reaches(lambda: subject.value(scaled, y), weights(subject.model), goal, 3e-3):
        return None
    return Cause(
        name="inputs not scaled",
        because="with inputs of mean 0 and spread 1 the same network memorises the same samples",
        evidence=(Evidence(name="largest input", value=size), Evidence(name="spread of the inputs", value=spread)),
        remedies=(Remedy(text="subtract the mean and divide by the standard deviation of each feature"),),
    )


def batch_norm(subject: Subject, x: Any, y: Any, goal: float) -> Cause | None:
    """Let batch norms use their running statistics instead of those of the handful."""
    norms = [(path, m) for path, m in subject.model.named_modules() if isinstance(m, BATCH_NORMS) and m.training]
    if not norms:
        return None
    for _, norm in norms:
        norm.training = False
    try:
        better = reaches(lambda: subject.value(x, y), weights(subject.model), goal, 3e-3)
    finally:
        for _, norm in norms:
            norm.training = True
    if not better:
        return None
    return Cause(
        name="batch normalisation",
        where=Location(module=norms[-1][0]),
        because="with batch normalisation by fixed statistics the same network memorises them: the statistics of the "
        "batch take away what it must keep",
        evidence=(Evidence(name="batch normalisations", value=len(norms)),),
        remedies=(
            Remedy(text="none at the output, and none where a batch leaves a single value per channel; or GroupNorm"),
        ),
    )


def capacity(subject: Subject, x: Any, y: Any, goal: float) -> Cause | None:
    """Let a small network that is known to work have the same samples."""
    parts = [part.reshape(len(part), -1).float() for part in tensors(x)]
    with torch.no_grad():
        output = subject.output(x)
    if not isinstance(output, torch.Tensor) or not parts:
        return None
    flat = torch.cat(parts, 1)
    flat = (flat - flat.mean(0)) / (flat.std(0) + 1e-3)
    layers = [nn.Linear(flat.shape[1], 64), nn.ReLU(), nn.Linear(64, output[0].numel())]
    judge = nn.Sequential(*layers).to(flat.device)
    logs = subject.spec is not None and subject.spec.expects == "log-probabilities"

    def value() -> torch.Tensor:
        answers = judge(flat).reshape(output.shape)
        return subject.loss(answers.log_softmax(1) if logs else answers, y)

    if not reaches(value, list(judge.parameters()), goal, 1e-2):
        return Cause(
            name="samples hard to tell apart",
            because="a plain network of 64 units does not memorise them either: the inputs hardly differ",
            evidence=(Evidence(name="a plain network memorises them", value="no"),),
            remedies=(Remedy(text="look at the inputs themselves: are the samples different, and scaled?"),),
            confidence=0.7,
        )
    numbers = sum(parameter.numel() for parameter in weights(subject.model))
    narrow = min(
        ((len(p), name) for name, p in list(subject.model.named_parameters())[:-2] if p.dim() > 1), default=(0, "")
    )
    small = numbers < output.numel() or 0 < narrow[0] <= NARROW
    if not small:
        return None
    return Cause(
        name="capacity",
        where=Location(parameter=narrow[1] or None),
        because=f"a plain network of 64 units memorises them, and this one has {numbers} trainable numbers, "
        f"{narrow[0]} units at its narrowest",
        evidence=(
            Evidence(name="trainable numbers", value=numbers, threshold=output.numel()),
            Evidence(name="units of its narrowest layer", value=narrow[0]),
        ),
        remedies=(Remedy(text="make it wider, or unfreeze more of it"),),
        confidence=0.8,
    )
