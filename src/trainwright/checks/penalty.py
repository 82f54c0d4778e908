"""Is the regularisation alive? A penalty by its value and its gradient, a weight decay by what it does to a weight.

The guides look for both in the loss; a decay that the optimizer applies never shows there (G2, chapter 2). So
the optimizer makes one step with gradients of zero: what then moves a weight is its decay alone.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from trainwright.checks.check import Answer, Check, Skip
from trainwright.checks.planned import base_rate
from trainwright.checks.stillness import weights
from trainwright.checks.subject import Subject
from trainwright.doctor.kinds_start import PENALTY_INERT
from trainwright.parts.groups import decay_table
from trainwright.records import Evidence, Finding, Location, Remedy

ALIKE = 0.05
"""Decoupled decay shrinks all entries by the same share, rate times decay: its spread stays within rounding of it."""
_RESOLVED = 16  # times the last bit of a number: below, rounding hides how far it moved


def examine(subject: Subject) -> Answer:
    """Look at the planned penalty, at one inside the loss, and at the optimizer's weight decay."""
    findings: list[Finding] = []
    measured: dict[str, Any] = {}
    said: list[str] = []
    if subject.penalty is not None:
        findings += _penalty(subject, measured, said)
    elif _inside_the_loss(subject, measured):
        said.append("the loss reaches the weights beside the output")
    groups = [] if subject.optimizer is None else subject.optimizer.param_groups
    if any(float(group.get("weight_decay") or 0) > 0 for group in groups):
        findings += _decay(subject, measured, said)
    if not said:
        raise Skip(
            "no weight decay is planned, and no penalty beside the loss: what a loss adds inside itself does not show"
        )
    return Answer(
        findings=tuple(findings), measured=measured, value="; ".join(said), expected="a pull on the weights, above 0"
    )


def _penalty(subject: Subject, measured: dict[str, Any], said: list[str]) -> list[Finding]:
    assert subject.penalty is not None
    with torch.enable_grad():
        value = torch.as_tensor(subject.penalty())
        reached = _norm(value, weights(subject.model))
    amount = float(value)
    measured |= {"penalty": amount, "penalty_gradient": reached}
    said.append(f"adds {amount:.3g} to the loss, gradient {reached:.3g}")
    if amount != 0 and math.isfinite(amount) and reached > 0:
        return []
    why = "its gradient reaches no weight" if amount != 0 else "its value is 0"
    return [
        PENALTY_INERT.finding(
            title="the penalty on the weights does nothing",
            where=subject.info.where("loss.l2", "loss.l1"),
            because=f"{why}, so the weights are trained as if it were not there",
            evidence=(
                Evidence(name="what it adds to the loss", value=amount),
                Evidence(name="norm of its gradient over the trainable weights", value=reached, threshold=0.0),
            ),
            remedies=(
                Remedy(text="compute it from the parameters themselves, without .data, .item() or detach()"),
                Remedy(text="check that the weights that it holds down are trainable"),
            ),
        )
    ]


def _norm(value: torch.Tensor, parameters: list[torch.nn.Parameter]) -> float:
    if not value.requires_grad or not parameters:
        return 0.0
    found = torch.autograd.grad(value, parameters, allow_unused=True)
    return float(sum(float(g.double().square().sum()) for g in found if g is not None)) ** 0.5


def _inside_the_loss(subject: Subject, measured: dict[str, Any]) -> bool:
    """Say whether the loss has a way of its own to the weights, which is not through the output."""
    with torch.no_grad():
        output = subject.output()
    if not isinstance(output, torch.Tensor):
        return False
    with torch.enable_grad():
        value = subject.loss(output.detach(), subject.y)
        reached = _norm(value, weights(subject.model)) if isinstance(value, torch.Tensor) else 0.0
    measured["penalty_gradient"] = reached
    return reached > 0


def _decay(subject: Subject, measured: dict[str, Any], said: list[str]) -> list[Finding]:
    """Step the optimizer with zero gradients, and see what became of the weights that should decay."""
    optimizer = subject.optimizer
    assert optimizer is not None
    if isinstance(optimizer, torch.optim.LBFGS):
        raise Skip("an optimizer that searches along a line makes no step without gradient")
    names = {id(parameter): name for name, parameter in subject.model.named_parameters()}
    matrices = {row.name for row in decay_table(subject.model) if row.decays}
    decaying = []
    for group in optimizer.param_groups:
        group["lr"] = base_rate(group) or 1e-3  # a warmup may begin at 0
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
            if float(group.get("weight_decay") or 0) > 0 and parameter.requires_grad and bool((parameter != 0).any()):
                decaying.append((parameter, parameter.detach().clone(), float(group["lr"] * group["weight_decay"])))
    if not decaying:
        return []
    optimizer.state.clear()  # a momentum from earlier steps would move the weights as well
    try:
        optimizer.step()
    except (TypeError, ValueError, AssertionError):
        raise Skip("this optimizer evaluates the loss itself, and makes no step without gradient") from None
    # Biases decay too where nobody sorted them out; the largest weight matrix tells what the decay does.
    decaying.sort(key=lambda entry: (names.get(id(entry[0]), "") in matrices, entry[0].numel()))
    parameter, before, share = decaying[-1]
    after = parameter.detach()
    moved = (before - after).double()
    shrunk = float((moved * before.double().sign()).sum() / before.double().abs().sum())
    name = names.get(id(parameter), "")
    measured |= {"decay_share": shrunk, "rate_times_decay": share, "decayed_parameter": name}
    if not bool((moved != 0).any()):
        said.append("weight decay moves no weight")
        return [_still(subject, name, share, torch.finfo(before.dtype).eps, str(before.dtype).removeprefix("torch."))]
    clear = share > _RESOLVED * torch.finfo(before.dtype).eps
    even = abs(shrunk - share) < ALIKE * share and _spread(before, after) < ALIKE
    form = "decoupled" if even and clear else "by the gradient" if clear else "at the edge of rounding"
    measured["decay_form"] = form
    said.append(f"one step shrinks {name or 'a weight'} by {shrunk:.2g} of itself ({form})")
    if shrunk <= 0:
        return [_grows(subject, name, shrunk)]
    return []


def _spread(before: torch.Tensor, after: torch.Tensor) -> float:
    """Return how differently large and small entries shrink: the coefficient of variation of their shares."""
    old, new = before.double().reshape(-1), after.double().reshape(-1)
    large = old.abs() >= old.abs().median()
    shares = (old - new)[large] / old[large]
    return float(shares.std(correction=0) / shares.mean().abs().clamp_min(1e-300))


def _still(subject: Subject, name: str, share: float, resolution: float, dtype: str) -> Finding:
    too_small = share < resolution
    because = (
        f"rate times decay is {share:.1e}, and {dtype} cannot tell a number from itself less that share"
        if too_small
        else "a step of this optimizer without gradient leaves the weight exactly where it is"
    )
    # In float32 so small a decay would do nothing visible anyway; in bfloat16 ordinary ones are lost.
    mild = too_small and resolution < 1e-6
    return PENALTY_INERT.finding(
        title="the weight decay does nothing",
        severity="note" if mild else "error",
        where=Location(parameter=name or None),
        because=because,
        evidence=(
            Evidence(name="change of the weight after a step without gradient", value=0.0),
            Evidence(name="rate times weight decay", value=share, threshold=resolution),
        ),
        remedies=(
            Remedy(text="keep the weights in float32, or raise the decay")
            if too_small
            else Remedy(text="torch.optim.AdamW or SGD apply weight_decay; check that this optimizer reads it"),
        ),
    )


def _grows(subject: Subject, name: str, shrunk: float) -> Finding:
    return PENALTY_INERT.finding(
        title="the weight decay does not shrink the weights",
        where=Location(parameter=name or None),
        because="a step without gradient should bring every weight nearer to zero",
        evidence=(Evidence(name="share by which the weight shrank", value=shrunk, threshold=0.0),),
        remedies=(Remedy(text="check the sign of the decay in the optimizer"),),
    )


CHECK = Check(
    name="penalty",
    question="does the regularisation act on the weights?",
    kinds=(PENALTY_INERT,),
    examine=examine,
    quick=True,
    seconds=0.3,
)
