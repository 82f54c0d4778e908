"""Why a model cannot memorise a handful of samples: one small experiment for each suspect, the surest first."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from trainwright.checks.guessing import answer_for_each, least
from trainwright.checks.inputs import count, mapped, tensors
from trainwright.checks.stillness import BATCH_NORMS, Snapshot, weights
from trainwright.checks.subject import Subject
from trainwright.records import Evidence, Location, Remedy, Severity
from trainwright.vitals.signal import layer_signals, output_activation

EXPERIMENT_STEPS = 300
"""Steps of an experiment: what it changes should let the samples be memorised about as fast as usual."""
SAME = 1e-5
"""Outputs that differ by less than this share of their size are the same for every sample."""
DEAD = 0.9
VANISHED = 1e-6
"""Gradient of the first layer over that of the last, from which even Adam's rounding takes over."""
LARGE_INPUT, LARGE_TARGET = 20.0, 20.0
"""Inputs or targets that large, with a spread of 1 expected, are worth the experiment of scaling them."""


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


def find_cause(subject: Subject, x: Any, y: Any, goal: float, contradiction: float, kept: Snapshot) -> Cause:
    """Return the likely cause for which samples `x`, `y` do not come down to the loss `goal`.

    The weights are put back to `kept` between the experiments.
    """
    if contradiction >= 0.5:
        return _contradiction(contradiction)
    suspects: tuple[Callable[[], Cause | None], ...] = (
        lambda: _no_gradient(subject, x, y),
        lambda: _output_activation(subject, x, y, goal),
        lambda: _same_units(subject, x, y),
        lambda: _dead_units(subject, x, y),
        lambda: _ignores_input(subject, x),
        lambda: _scaled_targets(subject, x, y),
        lambda: _scaled_inputs(subject, x, y, goal),
        lambda: _batch_norm(subject, x, y, goal),
        lambda: _vanishing(subject, x, y),
        lambda: _capacity(subject, x, y, goal),
    )
    for suspect in suspects:
        kept.restore()
        cause = suspect()
        if cause is not None:
            return cause
    return Cause(
        name="not found",
        because="none of the usual causes shows: gradients arrive, units live, and the samples can be told apart",
        remedies=(
            Remedy(text="take the network apart: train its last layer alone, then add one layer after the other"),
        ),
        confidence=0.5,
    )


def _reaches(
    subject: Subject, value: Callable[[], torch.Tensor], parameters: list[nn.Parameter], goal: float, rate: float
) -> bool:
    """Say whether Adam brings `value` below the goal within the steps of an experiment."""
    optimizer = torch.optim.Adam(parameters, lr=rate)
    for _ in range(EXPERIMENT_STEPS):
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


def _contradiction(share: float) -> Cause:
    return Cause(
        name="contradicting labels",
        because="samples with exactly the same input have different targets, so no function can give them all",
        evidence=(
            Evidence(name="share of what there is to learn that contradicts itself", value=share, threshold=0.5),
        ),
        remedies=(Remedy(text="look at how the inputs are read: the same file for every sample, a constant, a mask"),),
    )


def _no_gradient(subject: Subject, x: Any, y: Any) -> Cause | None:
    """Find parameters that no gradient reaches, at the start and after a step as well (a last layer may begin at 0)."""
    names = {id(parameter): name for name, parameter in subject.model.named_parameters()}
    trained = weights(subject.model)
    reached: set[int] = set()
    norms = {
        id(parameter)
        for module in subject.model.modules()
        if isinstance(module, BATCH_NORMS)
        for parameter in module.parameters()
    }
    for _ in range(3):
        with torch.enable_grad():
            loss = subject.value(x, y)
        if not loss.requires_grad:
            break
        found = torch.autograd.grad(loss, trained, allow_unused=True)
        with torch.no_grad():
            for parameter, gradient in zip(trained, found, strict=True):
                if gradient is not None and bool((gradient != 0).any()):
                    reached.add(id(parameter))
                    parameter -= 1e-3 * gradient / gradient.norm().clamp_min(1e-12)
    missing = [parameter for parameter in trained if id(parameter) not in reached and id(parameter) not in norms]
    matrices = [parameter for parameter in missing if parameter.dim() > 1] or missing
    share = sum(p.numel() for p in missing) / sum(p.numel() for p in trained)
    if share < 0.25 or not matrices:
        return None
    name = names[id(matrices[0])]
    none = "no parameter has one" if not reached else f"{name} and {len(missing) - 1} other parameters get none"
    return Cause(
        name="no gradient",
        where=Location(parameter=name),
        because=f"the gradient does not arrive: {none}",
        evidence=(Evidence(name="share of the trainable numbers without gradient", value=share, threshold=0.25),),
        remedies=(
            Remedy(text="look for detach(), .data, no_grad, argmax or a round trip over numpy between it and the loss"),
            Remedy(text="where its units are all zero, initialise it at random"),
        ),
    )


def _output_activation(subject: Subject, x: Any, y: Any, goal: float) -> Cause | None:
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


def _same_units(subject: Subject, x: Any, y: Any) -> Cause | None:
    for name, parameter in subject.model.named_parameters():
        if not parameter.requires_grad or parameter.dim() < 2 or len(parameter) < 2:
            continue
        if bool((parameter == parameter[:1]).all()) and bool((parameter != 0).any()):
            return Cause(
                name="symmetric weights",
                where=Location(parameter=name),
                because=f"all rows of {name} are the same, so its units get the same gradient and stay the same",
                evidence=(Evidence(name="rows that differ from the first", value=0),),
                remedies=(Remedy(text="initialise it at random"),),
            )
    return None


def _dead_units(subject: Subject, x: Any, y: Any) -> Cause | None:
    signals = layer_signals(subject.model, lambda: subject.value(x, y))
    worst = max(signals, key=lambda signal: signal.dead_fraction, default=None)
    if worst is None or worst.dead_fraction < DEAD:
        return None
    return Cause(
        name="dead units",
        where=Location(module=worst.module),
        because=f"{worst.dead_fraction:.0%} of the units of {worst.module} are zero for all samples: no gradient passes",
        evidence=(Evidence(name=f"dead units of {worst.module}", value=worst.dead_fraction, threshold=DEAD),),
        remedies=(
            Remedy(text="initialise biases with zero and weights after He; scale the inputs; or use a leaky ReLU"),
        ),
    )


def _ignores_input(subject: Subject, x: Any) -> Cause | None:
    with torch.no_grad():
        output = subject.output(x)
    if not isinstance(output, torch.Tensor) or len(output) < 2:
        return None
    difference = float((output - output[:1]).abs().max())
    size = float(output.abs().max())
    distinct = any(bool((part != part[:1]).any()) for part in tensors(x))
    if not distinct or difference > SAME * max(size, 1e-12) or size == 0:
        return None
    return Cause(
        name="output ignores the input",
        because="the model gives the same output for every sample, so it can learn one answer for all and no more",
        evidence=(Evidence(name="largest difference between outputs", value=difference, threshold=SAME * size),),
        remedies=(
            Remedy(
                text="look for a path that is cut, a softmax over the batch, or units that are all saturated or dead"
            ),
        ),
    )


def _scaled_targets(subject: Subject, x: Any, y: Any) -> Cause | None:
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
    if not _reaches(subject, value, weights(subject.model), 0.1 * min(start, zero), 3e-3):
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


def _scaled_inputs(subject: Subject, x: Any, y: Any, goal: float) -> Cause | None:
    parts = [part for part in tensors(x) if part.is_floating_point()]
    size = max((float(part.abs().max()) for part in parts), default=1.0)
    spread = max((float(part.std()) for part in parts), default=1.0)
    if not parts or (size < LARGE_INPUT and spread > 1 / LARGE_INPUT):
        return None

    def scale(part: torch.Tensor) -> torch.Tensor:
        return (part - part.mean()) / part.std().clamp_min(1e-12) if part.is_floating_point() else part

    scaled = mapped(x, scale)
    if not _reaches(subject, lambda: subject.value(scaled, y), weights(subject.model), goal, 3e-3):
        return None
    return Cause(
        name="inputs not scaled",
        because="with inputs of mean 0 and spread 1 the same network memorises the same samples",
        evidence=(Evidence(name="largest input", value=size), Evidence(name="spread of the inputs", value=spread)),
        remedies=(Remedy(text="subtract the mean and divide by the standard deviation of each feature"),),
    )


def _batch_norm(subject: Subject, x: Any, y: Any, goal: float) -> Cause | None:
    norms = [(path, m) for path, m in subject.model.named_modules() if isinstance(m, BATCH_NORMS) and m.training]
    if not norms:
        return None
    for _, norm in norms:
        norm.training = False
    try:
        better = _reaches(subject, lambda: subject.value(x, y), weights(subject.model), goal, 3e-3)
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


def _vanishing(subject: Subject, x: Any, y: Any) -> Cause | None:
    signals = [s for s in layer_signals(subject.model, lambda: subject.value(x, y)) if s.weighted and s.gradient]
    if len(signals) < 3 or signals[0].gradient is None or signals[-1].gradient is None:
        return None
    ratio = signals[0].gradient / signals[-1].gradient
    if ratio > VANISHED:
        return None
    return Cause(
        name="vanishing gradient",
        where=Location(module=signals[0].module),
        because=f"at {signals[0].module} the gradient is {ratio:.1e} of that at {signals[-1].module}",
        evidence=(Evidence(name="gradient of the first layer over the last", value=ratio, threshold=VANISHED),),
        remedies=(Remedy(text="ReLU instead of sigmoid or tanh, residual connections, normalisation"),),
    )


def _capacity(subject: Subject, x: Any, y: Any, goal: float) -> Cause | None:
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

    if not _reaches(subject, value, list(judge.parameters()), goal, 1e-2):
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
    small = numbers < output.numel() or 0 < narrow[0] <= 2
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
