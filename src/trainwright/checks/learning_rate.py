"""Do ten steps of the given optimizer at the planned rate move the loss of a fixed batch down?

The full rate is tried, without a warmup; dropout is off, so that the same batch has the same loss. Where the loss
rises, the same steps at lower rates say whether it is the rate at all, and which one would do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from trainwright.checks.check import Answer, Check, Skip
from trainwright.checks.direction import goes_up
from trainwright.checks.inputs import count, rows
from trainwright.checks.planned import base_rate, peak_of, rises_first
from trainwright.checks.stillness import Snapshot, still
from trainwright.checks.subject import Subject
from trainwright.doctor.kinds_loss import LOSS_MAXIMISED
from trainwright.doctor.kinds_rate import LEARNING_RATE_TOO_HIGH, LEARNING_RATE_TOO_LOW
from trainwright.records import Evidence, Finding, Remedy, Severity

STEPS = 10
RISE = 1.2
"""The loss has risen clearly where the middle one of the last three is a fifth above the start."""
DIVERGED = 10.0
"""And it has diverged where it was ever ten times above the start: an error, as is NaN."""
STILL = 1e-4
"""Relative movement of the loss below which ten steps have done nothing to speak of."""
LOWER = (0.3, 0.1, 0.01, 1e-3, 1e-5, 1e-8, 1e-12)
_MOST_SAMPLES, _FEW_SAMPLES = 128, 32
_SMALL = 200_000  # trainable numbers up to which many samples cost little
_LONGER = 10.0  # the rate of the probe that tells a rate too low from a gradient that does not arrive
_PROPORTIONAL = 3.0  # a tenfold rate must move the loss this many times as far, for the rate to be what is missing
HIGHER = (10.0, 1e3, 1e5, 1e7, 1e9, 1e11)
"""Multiples of a rate at which the loss does not move by a digit, to find one at which it does ..."""
_ANYONES = 1.0  # ... up to a rate that somebody might set: beyond, it is the gradient that is missing
_RESOLVED = 1e-6  # relative movement above the rounding of a loss in float32
_HOPELESS = 0.1  # of the loss, over all planned steps at this pace
_ENDLESS_STEPS = 1_000_000  # more than nearly any run has: what does not get there in so many is a warning


@dataclass(frozen=True)
class Trial:
    """The losses before each step, and after the last one, at a multiple of the planned rate."""

    factor: float
    losses: tuple[float, ...]

    @property
    def finite(self) -> bool:
        """Whether no loss became NaN or infinite."""
        return all(math.isfinite(loss) for loss in self.losses)

    @property
    def end(self) -> float:
        """The middle one of the last three losses."""
        return sorted(self.losses[-3:])[1] if self.finite else math.inf

    @property
    def rises(self) -> bool:
        """Whether the loss ended clearly above its start and was above it in the whole second half, or flew off."""
        start, scale = self.losses[0], abs(self.losses[0])
        if not self.finite or max(self.losses) > start + DIVERGED * scale:
            return True  # a handful of samples may come back from there by luck, a whole data set will not
        return self.end - start > (RISE - 1) * scale and min(self.losses[STEPS // 2 :]) > start


def examine(subject: Subject) -> Answer:
    """Make ten steps with the given optimizer at its own rate, and more at others only where these do not help."""
    optimizer = subject.optimizer
    if optimizer is None:
        raise Skip("no optimizer is given")
    if isinstance(optimizer, torch.optim.LBFGS) or getattr(optimizer, "line_search", False):
        raise Skip("this optimizer searches for the length of its steps itself")
    rates = [base_rate(group) * peak_of(subject) for group in optimizer.param_groups]
    kept = Snapshot(subject.model)
    if not any(rates):
        return _zero(subject)
    with still(subject.model):
        trial = _try(subject, rates, 1.0, kept)
        if not math.isfinite(trial.losses[0]):
            raise Skip(f"the loss is {trial.losses[0]} before the first step")
        findings: list[Finding] = []
        if trial.end > trial.losses[0] and (upwards := goes_up(subject, kept)) is not None:
            findings = [upwards]
        elif trial.rises:
            lower = next((t for f in LOWER if not (t := _try(subject, rates, f, kept)).rises and _falls(t)), None)
            if lower is None:
                raise Skip("the loss rises at every rate that was tried, so it is not a matter of the rate")
            findings = [_too_high(subject, trial, lower, max(rates))]
        elif abs(trial.end - trial.losses[0]) < STILL * abs(trial.losses[0]) and not subject.pretrained:
            findings = _slow(subject, trial, rates, kept)
    start, end = trial.losses[0], trial.losses[-1]
    return Answer(
        findings=tuple(findings),
        measured={"losses": list(trial.losses), "rate": max(rates)},
        value=f"{start:.4g} to {end:.4g} in {STEPS} steps at {max(rates):.3g}",
        expected=f"below {start:.4g}",
    )


def _try(subject: Subject, rates: list[float], factor: float, kept: Snapshot) -> Trial:
    """Make the steps from the untouched weights and a fresh state of the optimizer."""
    optimizer = subject.optimizer
    assert optimizer is not None
    kept.restore()
    optimizer.state.clear()
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = torch.as_tensor(rate * factor) if isinstance(group["lr"], torch.Tensor) else rate * factor
    numbers = sum(parameter.numel() for parameter in subject.model.parameters())
    samples = min(count(subject.x), _MOST_SAMPLES if numbers <= _SMALL else _FEW_SAMPLES)
    x, y = rows(subject.x, slice(0, samples)), rows(subject.y, slice(0, samples))
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    losses = []
    for step in range(STEPS + 1):
        optimizer.zero_grad()
        with torch.enable_grad():
            loss = subject.value(x, y)
            if subject.penalty is not None:
                loss = loss + subject.penalty()
        losses.append(float(loss))
        if step == STEPS or not math.isfinite(losses[-1]):
            break
        if not loss.requires_grad:
            raise Skip("no gradient comes back from the loss")
        loss.backward()
        if subject.clip_norm:
            torch.nn.utils.clip_grad_norm_(parameters, subject.clip_norm)
        _step(optimizer)
    kept.restore()
    return Trial(factor, tuple(losses))


def _step(optimizer: torch.optim.Optimizer) -> None:
    try:
        optimizer.step()
    except (TypeError, ValueError, AssertionError):
        raise Skip("this optimizer evaluates the loss itself, by a closure") from None


def _falls(trial: Trial) -> bool:
    return trial.finite and trial.end < trial.losses[0]


def _moved(trial: Trial) -> float:
    return abs(trial.losses[-1] - trial.losses[0])


def _slow(subject: Subject, trial: Trial, rates: list[float], kept: Snapshot) -> list[Finding]:
    """Return a finding where a higher rate moves the loss further in proportion, and this one does not in time."""
    start, resolved = abs(trial.losses[0]), _RESOLVED * abs(trial.losses[0])
    if _moved(trial) >= resolved:
        longer = _try(subject, rates, _LONGER, kept)
        if _moved(longer) < _PROPORTIONAL * _moved(trial):
            raise Skip("a tenfold rate hardly moves the loss further, so it is not a matter of the rate")
        pace = _moved(trial) / STEPS
    else:  # below the last digits of the loss: the first higher rate that can be seen tells the pace of this one
        probes = [factor for factor in HIGHER if factor * max(rates) <= _ANYONES] or [_LONGER]
        seen = next((t for f in probes if _moved(t := _try(subject, rates, f, kept)) >= resolved), None)
        if seen is None:
            raise Skip("the loss does not move at far higher rates either, so it is not a matter of the rate")
        pace = _moved(seen) / STEPS / seen.factor if seen.finite else math.inf
    planned = subject.info.planned_steps
    if planned is not None and pace * planned >= _HOPELESS * start:
        return []
    hopeless = pace * max(planned or 0, _ENDLESS_STEPS) < _HOPELESS * start
    return [_too_low(subject, pace / start, max(rates), "warning" if hopeless else "note")]


def _too_high(subject: Subject, trial: Trial, lower: Trial, rate: float) -> Finding:
    start, end = trial.losses[0], trial.losses[-1]
    diverged = not trial.finite or max(trial.losses) > DIVERGED * max(abs(start), 1e-12)
    better = f"{lower.factor * rate:.2g}"
    warm = rises_first(subject)
    remedies = [Remedy(text=f"at {better} the loss of this batch falls", change={"optimizer.lr": float(better)})]
    if not warm:
        remedies.append(Remedy(text="a warmup over the first 5 % of the run lets many networks bear more"))
    # A warmup that is planned may well lead around what the full rate does to untrained weights.
    severity = "note" if warm and not diverged else "error" if diverged and not warm else "warning"
    return LEARNING_RATE_TOO_HIGH.finding(
        severity=severity,
        title="the learning rate is too high for the first steps",
        where=subject.info.where("optimizer.lr"),
        evidence=(
            Evidence(name="loss of the batch before", value=start),
            Evidence(name=f"loss of the same batch after {len(trial.losses) - 1} steps", value=end, threshold=start),
            Evidence(name="the highest in between", value=max(trial.losses)),
            Evidence(name=f"after {STEPS} steps at {better}", value=lower.losses[-1]),
            Evidence(name="learning rate", value=rate),
        ),
        remedies=tuple(remedies),
    )


def _too_low(subject: Subject, pace: float, rate: float, severity: Severity) -> Finding:
    return LEARNING_RATE_TOO_LOW.finding(
        severity=severity,
        title="ten steps at the planned rate hardly move the loss",
        where=subject.info.where("optimizer.lr"),
        because="ten times the rate moves the loss about ten times as far: the steps are short, and all else works",
        evidence=(
            Evidence(name=f"relative change of the loss in {STEPS} steps", value=pace * STEPS, threshold=STILL),
            Evidence(name="steps at this pace to a tenth of the loss", value=_HOPELESS / pace if pace else math.inf),
            Evidence(name="learning rate", value=rate),
        ),
        remedies=(Remedy(text="multiply the rate by 10 or 100 and look again"),),
    )


def _zero(subject: Subject) -> Answer:
    finding = LEARNING_RATE_TOO_LOW.finding(
        title="the learning rate is zero",
        where=subject.info.where("optimizer.lr"),
        because="no step can change anything",
        evidence=(Evidence(name="learning rate of every group", value=0.0),),
        remedies=(Remedy(text="set a rate; 3e-4 is a start for Adam"),),
    )
    return Answer(findings=(finding,), value="the rate is 0", expected="above 0")


CHECK = Check(
    name="learning-rate",
    question="do ten steps at the planned rate bring the loss of a batch down?",
    kinds=(LEARNING_RATE_TOO_HIGH, LEARNING_RATE_TOO_LOW, LOSS_MAXIMISED),
    examine=examine,
    quick=True,
    seconds=0.5,
)
