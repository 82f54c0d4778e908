"""Is the loss before the first step what guessing gives? Sources: G2, chapter 2; G3; the exceptions of the guides.

Guessing is computed with the loss itself: favouring no class (or predicting 0), and the best constant answer to the
labels seen, which is their entropy (or the variance of the targets). An untrained network lies near the first, one
whose last bias holds the class frequencies near the second.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from trainwright.checks.check import Answer, Check, Skip
from trainwright.checks.inputs import count, rows
from trainwright.checks.loss_known import KnownLoss, known_loss
from trainwright.checks.stillness import Snapshot, still
from trainwright.checks.subject import Subject
from trainwright.doctor.kinds_numbers import NON_FINITE_LOSS
from trainwright.doctor.kinds_start import INITIAL_LOSS_TOO_HIGH, INITIAL_LOSS_TOO_LOW
from trainwright.doctor.numbers import phase_of, remedy_of
from trainwright.parts.loss_values import check_output
from trainwright.records import Evidence, Finding, Location, LossSpec, Remedy
from trainwright.vitals.non_finite import locate

TIMES_GUESS, ABOVE_GUESS = 1.5, 0.5
"""Too high for classes: 1.5 times what favouring none gives, and half a nat more."""
LOGIT_SIZE = 2.0
"""And only where the logits are that large, as root mean square within a sample: He-initialised nets stay below 1.5."""
TIMES_TARGETS = 10.0
"""Too high for values: outputs ten times as large as the targets, and ten in themselves; small targets are no fault."""
STANDARD_ERRORS = 4.0
LEAST_GAIN = 0.25
"""Too low: that many standard errors, and that share, below the best constant answer."""
SHUFFLES = 60
"""Copies with shuffled weights: on clustered data a random network can be lucky, and then so are many of these."""
_CHUNKS = 16


def examine(subject: Subject) -> Answer:
    """Compare the loss of the batch with that of guessing; skipped where nobody can know what it should be."""
    if subject.pretrained:
        raise Skip("the weights are pretrained, and may know anything already")
    with still(subject.model), torch.enable_grad():  # a loss with a gradient penalty needs the graph
        output = subject.output()
        value = _number(subject.loss(output, subject.y))
        if not math.isfinite(value):
            return _not_finite(subject, value)
        single = isinstance(output, torch.Tensor) and output.dim() > 0
        known = known_loss(subject, output.detach()) if single else None
        if known is None and subject.spec is not None:
            raise Skip("the model's output is not a single tensor")
        if known is None:
            raise Skip(f"the loss ({value:.4g}) is no known one: what it should be before training is not known")
        output = output.detach()
        check_output(known.spec, output)
        guess = _number(subject.loss(known.neutral(output), subject.y))
    constant = known.constant(subject.loss, subject.y, output)
    constant = guess if constant is None else min(constant, guess)
    size = float(known.strength(output).square().mean().sqrt())
    measured = {"loss": value, "guess": guess, "best_constant": constant, "output_size": size}
    finding = _too_high(subject, known.spec, value, guess, size)
    if finding is None and value < constant:
        finding = _too_low(subject, value, constant, measured)
    return Answer(
        findings=() if finding is None else (finding,),
        measured=measured,
        value=f"{value:.4g}",
        expected=_expected(known, output, guess, constant),
    )


def _number(loss: torch.Tensor) -> float:
    if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
        raise Skip("the loss is not a single number")
    return float(loss)


def _not_finite(subject: Subject, value: float) -> Answer:
    """Name the first weight, or the first operation, that is not finite: a replay of the batch finds it."""
    detail: Mapping[str, Any] = {}
    if isinstance(subject.x, torch.Tensor) and isinstance(subject.y, torch.Tensor):
        detail = locate(subject.model, subject.loss, subject.x, subject.y, step=0, seed=subject.seed).detail
    evidence = [Evidence(name="loss of the untouched model", value=value)]
    if detail.get("phase") == "weights":
        evidence.append(Evidence(name="first weights that are not finite", value=detail["parameter"]))
    elif detail.get("operation"):
        evidence.append(Evidence(name="first seen in", value=phase_of(detail)))
        evidence.append(Evidence(name="first operation with such a result", value=detail["operation"]))
    remedy = (
        "initialise these weights again, or load them from another file"
        if detail.get("phase") == "weights"
        else remedy_of(detail)
        if detail.get("operation")
        else "look for NaN among the inputs, a logarithm or a division by zero, or weights unset"
    )
    finding = NON_FINITE_LOSS.finding(
        title="the loss is not a number before the first step",
        because="no step was made yet: the weights, the inputs or an operation on the way make it so",
        where=Location(**{name: detail.get(name) for name in ("file", "line", "module", "parameter")}),
        evidence=tuple(evidence),
        remedies=(Remedy(text=remedy),),
    )
    return Answer(findings=(finding,), measured={"loss": value}, value=f"{value:g}", expected="a finite number")


def _expected(known: KnownLoss, output: torch.Tensor, guess: float, constant: float) -> str:
    spec = known.spec
    if spec.expects == "values":
        best = f"{constant:.4g} (the best constant) or " if guess > 2 * constant else ""
        return f"about {best}{guess:.4g} ({'a rate of 1' if spec.name == 'poisson_nll' else 'predicting 0'})"
    classes = output.shape[known.classes] if known.classes is not None else 0
    words = f"log {classes}" if spec.target == "class-index" and classes else "undecided"
    if guess - constant > 0.05 * abs(guess):
        return f"{constant:.3f} (the labels' frequencies) to {guess:.3f} ({words})"
    return f"{guess:.3f} ({words})"


def _too_high(subject: Subject, spec: LossSpec, value: float, guess: float, size: float) -> Finding | None:
    if spec.expects == "values":
        targets = float(subject.y.double().square().mean().sqrt()) if isinstance(subject.y, torch.Tensor) else 0.0
        least_size = TIMES_TARGETS * max(targets, 1.0)
        if size < least_size or value < TIMES_TARGETS * guess:
            return None
        what, remedy = (
            "size of the outputs (root mean square)",
            "scale the inputs, and initialise the last layer smaller",
        )
        limit = TIMES_TARGETS * guess
    else:
        least_size, limit = LOGIT_SIZE, TIMES_GUESS * guess + ABOVE_GUESS
        if value < limit or size < least_size:
            return None
        what = "size of the logits (root mean square)"
        remedy = "scale the inputs, and initialise the last layer smaller: small logits favour no class"
    return INITIAL_LOSS_TOO_HIGH.finding(
        where=subject.info.where("model.init", "model.name", "model"),
        evidence=(
            Evidence(name="loss before the first step", value=value, threshold=limit),
            Evidence(name="loss of a guess", value=guess),
            Evidence(name=what, value=size, threshold=least_size),
        ),
        remedies=(Remedy(text=remedy),),
    )


def _too_low(subject: Subject, value: float, constant: float, measured: dict[str, float]) -> Finding | None:
    error = _standard_error(subject)
    gain = constant - value
    if gain < max(STANDARD_ERRORS * error, LEAST_GAIN * abs(constant)):
        return None
    shuffled = _shuffled_losses(subject)
    lucky = sum(constant - other >= LEAST_GAIN * abs(constant) for other in shuffled) / len(shuffled)
    as_good = sum(other <= value for other in shuffled)
    measured |= {"shuffled_as_good": as_good, "standard_error": error}
    leaks = lucky >= 0.9  # luck alone gives at most about half of them
    if as_good and not leaks:
        return None
    evidence = (
        Evidence(name="loss before the first step", value=value, threshold=constant - STANDARD_ERRORS * error),
        Evidence(name="loss of the best constant answer", value=constant),
        Evidence(name=f"of {SHUFFLES} copies with shuffled weights, as good as this one", value=as_good),
    )
    if leaks:
        why = "with shuffled weights it is as low, so the network can read the answer from its input"
        return INITIAL_LOSS_TOO_LOW.finding(evidence=evidence, because=why, remedies=(_leak(),))
    return INITIAL_LOSS_TOO_LOW.finding(
        severity="warning" if subject.pretrained is False else "note",
        title="the weights know the labels before the first step",
        because="copies with the same weights in another order do not come near it, so these weights have been trained",
        evidence=evidence,
        remedies=(
            Remedy(text="if the weights are pretrained, all is well; if not, a run before this one was not undone"),
        ),
    )


def _leak() -> Remedy:
    return Remedy(text="look for the target among the inputs: a column, a token that is not shifted, an open mask")


def _standard_error(subject: Subject) -> float:
    """Return the standard error of the batch's loss, from the losses of its parts."""
    samples = count(subject.x)
    parts = torch.arange(samples).chunk(min(_CHUNKS, samples // 2) or 1)
    with still(subject.model), torch.no_grad():
        losses = [float(subject.value(rows(subject.x, part), rows(subject.y, part))) for part in parts]
    spread = torch.tensor(losses, dtype=torch.float64)
    return float(spread.std() / len(losses) ** 0.5) if len(losses) > 1 else math.inf


def _shuffled_losses(subject: Subject) -> list[float]:
    """Return the losses of copies in which the numbers of each parameter are in another, random order."""
    kept, losses = Snapshot(subject.model), []
    with still(subject.model), torch.no_grad():
        for _ in range(SHUFFLES):
            for parameter in subject.model.parameters():
                order = torch.randperm(parameter.numel(), device=parameter.device)
                parameter.copy_(parameter.reshape(-1)[order].view_as(parameter))
            losses.append(float(subject.value()))
            kept.restore()
    return losses


CHECK = Check(
    name="initial-loss",
    question="is the loss before the first step what guessing gives?",
    kinds=(INITIAL_LOSS_TOO_HIGH, INITIAL_LOSS_TOO_LOW, NON_FINITE_LOSS),
    examine=examine,
    quick=True,
    seconds=0.5,
)
