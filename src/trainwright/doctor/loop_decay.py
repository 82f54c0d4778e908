"""Weight decay and epsilon, from the groups of the optimizers that were watched."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from trainwright.doctor.kinds_loop import EPSILON_WRONG_FOR_DTYPE, L2_INSIDE_ADAM, WEIGHT_DECAY_ON_BIAS_OR_NORM
from trainwright.doctor.kinds_stepping import WEIGHT_DECAY_TOO_STRONG
from trainwright.doctor.loop_seen import at, loop_of, place
from trainwright.doctor.rule import Rule
from trainwright.doctor.series import level, tail
from trainwright.records import Chart, Evidence, Finding, GroupFacts, Location, OptimizerFacts, Remedy

SHRINKS, STRONG = 0.3, 0.1
"""Share of a gain that a decoupled decay takes over the run, or the decay itself, from which it is more than a note:
language models decay by a tenth, with groups."""
ADAMW_AS_IT_COMES, NOTICEABLE = ("AdamW", 0.01), 0.1
"""Torch's default decay, and the share of the gains from which it is worth a note."""
L2_STRONG = 1e-2
"""Weight decay of AdamW's size: inside Adam it is a hundred times what recipes with L2 use (graph networks: 5e-4)."""
SMALLEST_HALF = 2.0**-25
"""float16 has nothing between zero and 2^-24; half of that is rounded to zero."""
OUTWEIGHS = 10.0
"""|decay x weight| over |gradient|, median over weight matrices, from which the loss has no say."""
HALVED_IN = 100
"""Steps: a decoupled decay that halves the weights within so few keeps them far below their initialisation."""
STILL_HIGH = 0.5
"""A training loss above this share of a constant guess's, or of its own start: below it, the decay does no harm."""
FEWEST_STEPS = 100
"""Steps before a loss is called high."""


def _groups(chart: Chart) -> Iterator[tuple[OptimizerFacts, GroupFacts]]:
    for optimizer in loop_of(chart).optimizers:
        for group in optimizer.groups:
            yield optimizer, group


def weight_decay_on_bias_or_norm(chart: Chart) -> Finding | None:
    """Exact: what the decaying groups hold. A warning where a decoupled decay takes a good share of it."""
    hit = [(optimizer, group) for optimizer, group in _groups(chart) if group.decay > 0 and group.undecayable > 0]
    if not hit:
        return None
    optimizer, group = max(hit, key=lambda pair: pair[1].decay)
    steps = max(chart.info.planned_steps or 0, optimizer.steps)
    lost = 1 - (1 - min(1.0, max(0.0, group.rate * group.decay))) ** steps
    known = chart.info.planned_steps is not None or loop_of(chart).finished
    harms = optimizer.adaptive and group.decoupled and (group.decay >= STRONG or (known and lost >= SHRINKS))
    if not harms and (optimizer.name, group.decay) == ADAMW_AS_IT_COMES and lost < NOTICEABLE:
        return None  # nobody chose it, and in a usual run it takes a thousandth of them
    evidence = [
        Evidence(name="biases and normalisation parameters that decay", value=sum(g.undecayable for _, g in hit)),
        Evidence(name="weight decay", value=group.decay),
    ]
    if known and group.decoupled:
        evidence.append(Evidence(name="what it takes of them over the run", value=lost, threshold=SHRINKS))
    return WEIGHT_DECAY_ON_BIAS_OR_NORM.finding(
        severity="warning" if harms else "note",
        where=_place(chart, optimizer, group, weights=False),
        step=0,
        evidence=tuple(evidence),
        remedies=(Remedy(text="two groups: weights with the decay, biases and normalisations with weight_decay=0"),),
    )


def l2_inside_adam(chart: Chart) -> Finding | None:
    """Exact: an optimizer of Adam's family adds its weight decay to the gradient."""
    hit = [pair for pair in _groups(chart) if pair[0].adaptive and not pair[1].decoupled and pair[1].decay > 0]
    if not hit:
        return None
    optimizer, group = max(hit, key=lambda pair: pair[1].decay)
    return L2_INSIDE_ADAM.finding(
        severity="warning" if group.decay >= L2_STRONG else "note",
        where=_place(chart, optimizer, group),
        step=0,
        evidence=(
            Evidence(name="optimizer", value=optimizer.name),
            Evidence(name="weight decay inside the gradient", value=group.decay, threshold=L2_STRONG),
        ),
        remedies=(Remedy(text=f"use torch.optim.AdamW in place of {optimizer.name}{at(optimizer.where)}"),),
    )


def epsilon_wrong_for_dtype(chart: Chart) -> Finding | None:
    """Exact: epsilon is zero, or is zero once it has the type of the weights."""
    for optimizer, group in _groups(chart):
        if group.epsilon is None or not optimizer.adaptive or group.epsilon > SMALLEST_HALF:
            continue
        zero = group.epsilon == 0
        if not zero and group.dtype != "float16":
            continue
        return EPSILON_WRONG_FOR_DTYPE.finding(
            severity="warning" if zero else "error",
            title="the optimizer's epsilon is zero" if zero else EPSILON_WRONG_FOR_DTYPE.title,
            because="a weight whose gradient is zero gives 0 / 0" if zero else EPSILON_WRONG_FOR_DTYPE.because,
            where=_place(chart, optimizer, group),
            step=0,
            evidence=(
                Evidence(name="epsilon", value=group.epsilon),
                Evidence(name=f"epsilon in {group.dtype}", value=0.0),
            ),
            remedies=(
                Remedy(text="keep the weights in float32 and compute in autocast; or eps=1e-4 for float16 weights"),
            ),
        )
    return None


def weight_decay_too_strong(chart: Chart) -> Finding | None:
    """The decay outweighs the gradient, or halves the weights in no time, while the loss stays high."""
    steps = chart.steps
    if len(steps) < FEWEST_STEPS or loop_of(chart).turns:
        return None
    start = level(steps[:20])
    reference = chart.info.constant_loss or start
    now = level(tail(steps, 0.1, 20))
    if not (reference > 0 and now > STILL_HIGH * reference):
        return None
    for optimizer, group in _groups(chart):
        shrinks = group.rate * group.decay
        halved = math.log(2) / shrinks if group.decoupled and shrinks > 0 else math.inf
        # Adam rescales the gradient before a decoupled decay: their sizes cannot be compared there.
        comparable = not (optimizer.adaptive and group.decoupled)
        ratio = group.decay_to_gradient if comparable and group.decay > 0 else None
        outweighed = ratio is not None and ratio > OUTWEIGHS
        if not outweighed and halved > HALVED_IN:
            continue
        evidence = [Evidence(name="weight decay", value=group.decay)]
        if outweighed and ratio is not None:
            name = "decay over gradient, median over the weight matrices"
            evidence.append(Evidence(name=name, value=ratio, threshold=OUTWEIGHS))
        if halved <= HALVED_IN:
            name = "steps in which the decay alone halves a weight"
            evidence.append(Evidence(name=name, value=round(halved, 1), threshold=HALVED_IN))
        evidence.append(Evidence(name="recent training loss", value=now, threshold=STILL_HIGH * reference))
        where = place(chart.info.where("optimizer.weight_decay"), _place(chart, optimizer, group))
        lower = float(f"{group.decay / 10:.2g}")
        return WEIGHT_DECAY_TOO_STRONG.finding(
            where=where,
            step=steps[-1].step,
            evidence=tuple(evidence),
            remedies=(Remedy(text=f"lower weight_decay to {lower:g}{at(where)}"),),
            confidence=0.8,
        )
    return None


def _place(chart: Chart, optimizer: OptimizerFacts, group: GroupFacts, *, weights: bool = True) -> Location:
    """Return the line that made the optimizer; with a parameter of the group where that says more than all of them."""
    where = place(optimizer.where, chart.info.where("optimizer.name"))
    return where if weights or not group.names else replace(where, parameter=group.names[0])


RULES = (
    Rule(kind=EPSILON_WRONG_FOR_DTYPE, needs=("loop",), judge=epsilon_wrong_for_dtype),
    Rule(kind=WEIGHT_DECAY_TOO_STRONG, needs=("loop", "steps"), judge=weight_decay_too_strong),
    Rule(kind=L2_INSIDE_ADAM, needs=("loop",), judge=l2_inside_adam),
    Rule(kind=WEIGHT_DECAY_ON_BIAS_OR_NORM, needs=("loop",), judge=weight_decay_on_bias_or_norm),
)
