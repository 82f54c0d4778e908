"""The calls around a step. Exact: what the watcher saw happen to the very gradients that a step used.

A mistake in the loop is made at every turn of it, so all rules ask for two sightings and for half of the chances.
"""

from __future__ import annotations

import math

from trainwright.doctor.kinds_calls import (
    ACCUMULATION_NOT_AVERAGED,
    CLIP_BEFORE_UNSCALE,
    CLIPPING_WITHOUT_EFFECT,
    GRADIENTS_ERASED_BEFORE_STEP,
    GRAPH_KEPT_ALIVE,
    MISSING_BACKWARD,
    MISSING_OPTIMIZER_STEP,
    MISSING_ZERO_GRAD,
    ZERO_GRAD_INSIDE_ACCUMULATION,
)
from trainwright.doctor.kinds_loop import CLIPPING_DOMINATES
from trainwright.doctor.loop_seen import at, counted, flag, loop_of, number, often, place, word
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Evidence, Finding, Location, OptimizerFacts, Remedy, Sighting

ENOUGH_BACKWARDS = 10
"""Backward passes without a step before it is said that none will come."""
LONGEST_ACCUMULATION = 200
"""More backward passes than anybody gathers for one step."""
KEPT_STEPS = 10
"""Steps that a graph must have outlived: shorter histories may be truncated backpropagation, or a short queue."""
WHOSE_STEPS = 3
"""Steps after which it is known which parameters have gradients, and which of them an optimizer holds."""
WALKED_AGAIN = 2
"""Backward passes that walked the graphs of several others: once may be a history that was kept on purpose."""
CUT_TO, CUT_OFTEN = 0.05, 0.95
"""Clipping to less than a twentieth, at nearly every step, is a rate of its own and no protection."""


def missing_zero_grad(chart: Chart) -> Finding | None:
    """Exact: the same gradient tensors, used by a step, were added to by the next backward pass and used again."""
    sighting = often(chart, "gradients-carried-over")
    if sighting is None:
        return None
    where = place(sighting.where, loop_of(chart).backward_where)
    return MISSING_ZERO_GRAD.finding(
        where=where,
        step=sighting.step,
        evidence=(counted(sighting, "steps that used again the gradients which an earlier step had used"),),
        remedies=(Remedy(text=f"call optimizer.zero_grad() before the backward pass{at(where)}"),),
    )


def gradients_erased_before_step(chart: Chart) -> Finding | None:
    """Exact: zeroed after the backward pass, and nothing was added before the step."""
    sighting = often(chart, "gradients-erased")
    if sighting is None:
        return first_loss_erased(chart)
    loop = loop_of(chart)
    where = place(sighting.where, loop.step_where)
    return GRADIENTS_ERASED_BEFORE_STEP.finding(
        where=where,
        step=sighting.step,
        evidence=(counted(sighting, "steps that found all gradients erased"), *_passes(chart)),
        remedies=(
            Remedy(text=f"move the zeroing{at(where)} before the backward pass{_differs(loop.backward_where, where)}"),
        ),
    )


def first_loss_erased(chart: Chart) -> Finding | None:
    """Exact: two losses of one forward pass have a backward pass each, and the first one's gradients are zeroed."""
    sighting = often(chart, "gradients-of-first-loss-erased", fewest=ENOUGH_BACKWARDS)
    if sighting is None or loop_of(chart).closures:
        return None
    where = place(sighting.where, loop_of(chart).step_where)
    return GRADIENTS_ERASED_BEFORE_STEP.finding(
        where=where,
        step=sighting.step,
        title="the gradients of the first of two losses are erased before the step",
        because="the step then follows the second loss alone, and nothing is learnt from the first",
        evidence=(counted(sighting, "steps that lost the gradients of the first loss"), *_passes(chart)),
        remedies=(Remedy(text=f"zero the gradients once for each step, before the first backward pass{at(where)}"),),
    )


def zero_grad_inside_accumulation(chart: Chart) -> Finding | None:
    """Exact: backward, zero, backward from the same line, and only then a step."""
    sighting = often(chart, "gradients-erased-while-accumulating")
    if sighting is None or loop_of(chart).closures:
        return None
    where = place(sighting.where, loop_of(chart).backward_where)
    return ZERO_GRAD_INSIDE_ACCUMULATION.finding(
        where=where,
        step=sighting.step,
        evidence=(counted(sighting, "steps that lost what was accumulated before a zeroing"), *_passes(chart)),
        remedies=(Remedy(text=f"zero the gradients right after optimizer.step(), and nowhere else{at(where)}"),),
    )


def missing_backward(chart: Chart) -> Finding | None:
    """Exact: steps, and no new gradient since the step before."""
    loop, sighting = loop_of(chart), often(chart, "step-without-backward")
    if sighting is None:
        return None
    # Backward passes that reach other parameters than the optimizer's are known as such after the second step.
    elsewhere = any(loop.seen(name) is not None for name in ("parameters-not-in-model", "parameters-unowned"))
    if loop.backwards >= loop.steps and (elsewhere or (loop.steps < WHOSE_STEPS and not loop.finished)):
        return None
    where = place(sighting.where, loop_of(chart).step_where)
    return MISSING_BACKWARD.finding(
        where=where,
        step=sighting.step,
        evidence=(counted(sighting, "steps without a backward pass since the step before"), *_passes(chart)),
        remedies=(Remedy(text=f"call loss.backward() before optimizer.step(){at(where)}"),),
    )


def missing_optimizer_step(chart: Chart) -> Finding | None:
    """Exact, once no step can be meant to come: gradients are thrown away, or an epoch or the run is over."""
    loop, sighting = loop_of(chart), often(chart, "backward-without-step", fewest=ENOUGH_BACKWARDS, share=0.0)
    if sighting is None or loop.steps:
        return optimizer_never_stepped(chart)
    thrown_away = number(sighting, "zeroed") or 0
    over = loop.finished or loop.epochs >= 1 or thrown_away >= 2 or sighting.count >= LONGEST_ACCUMULATION
    if not over:
        return None
    where = place(sighting.where, loop.backward_where)
    made = next(iter(loop.optimizers), OptimizerFacts(name="the optimizer"))
    evidence = [
        Evidence(name="backward passes", value=sighting.count, threshold=ENOUGH_BACKWARDS),
        Evidence(name="steps of the optimizer", value=0),
    ]
    if thrown_away:
        evidence.append(Evidence(name="times that the gradients were zeroed all the same", value=thrown_away))
    return MISSING_OPTIMIZER_STEP.finding(
        where=where,
        step=0,
        evidence=tuple(evidence),
        remedies=(Remedy(text=f"call step() of {made.name}{at(made.where)} after the backward pass{at(where)}"),),
    )


def optimizer_never_stepped(chart: Chart) -> Finding | None:
    """Exact, once the run is over: an optimizer's gradients are zeroed in each step, and it makes none."""
    loop = loop_of(chart)
    sighting = often(chart, "optimizer-never-stepped", fewest=ENOUGH_BACKWARDS, share=0.0)
    if sighting is None or not loop.finished:
        return None
    name, made = word(sighting, "optimizer", "the optimizer"), word(sighting, "made")
    made = f" of line {made}" if made else ""
    where = place(sighting.where, loop.backward_where)
    return MISSING_OPTIMIZER_STEP.finding(
        where=where,
        step=sighting.step,
        title="one of the optimizers is never stepped",
        evidence=(
            Evidence(name="times that its gradients were computed, and zeroed", value=sighting.count),
            Evidence(name="steps of it", value=0, threshold=1),
        ),
        remedies=(Remedy(text=f"call step() of the {name}{made} beside that of the other{at(where)}"),),
    )


def clipping_without_effect(chart: Chart) -> Finding | None:
    """Exact: clipped before there are gradients, or after they were used."""
    early, late = (often(chart, name) for name in ("clipping-without-gradients", "clipping-after-step"))
    sighting = early or late
    if sighting is None or _only_measures(sighting):
        return None
    if flag(sighting, "empty"):
        return CLIPPING_WITHOUT_EFFECT.finding(
            title="the gradients of no parameter are clipped",
            where=sighting.where,
            step=sighting.step,
            evidence=(counted(sighting, "clippings of no parameter at all"),),
            because="a generator such as model.parameters() can be read once; kept in a variable, it is empty from the "
            "second call on",
            remedies=(
                Remedy(text=f"pass model.parameters() anew, or a list of it, to each clipping{at(sighting.where)}"),
            ),
        )
    when = "before the backward pass" if early else "after the step"
    return CLIPPING_WITHOUT_EFFECT.finding(
        title=f"the gradients are clipped {when}",
        where=sighting.where,
        step=sighting.step,
        evidence=(counted(sighting, f"clippings {when}"),),
        remedies=(Remedy(text=f"move the clipping{at(sighting.where)} between loss.backward() and optimizer.step()"),),
    )


def clip_before_unscale(chart: Chart) -> Finding | None:
    """Exact: the scaler had not divided the gradients when they were clipped."""
    sighting = often(chart, "clipping-scaled-gradients")
    if sighting is None or _only_measures(sighting):
        return None
    evidence = [counted(sighting, "clippings of gradients that were still scaled")]
    scale = number(sighting, "scale")
    if scale is not None:
        evidence.append(Evidence(name="their scale", value=scale))
    return CLIP_BEFORE_UNSCALE.finding(
        where=sighting.where,
        step=sighting.step,
        evidence=tuple(evidence),
        remedies=(Remedy(text=f"call scaler.unscale_(optimizer) right before the clipping{at(sighting.where)}"),),
    )


def clipping_dominates(chart: Chart) -> Finding | None:
    """Nearly every step is cut to a small part of itself; optimizers that rescale gradients do not mind."""
    loop, sighting = loop_of(chart), often(chart, "clipping-nearly-all", fewest=1)
    if sighting is None or (loop.optimizers and all(optimizer.adaptive for optimizer in loop.optimizers)):
        return None
    share, coefficient = number(sighting, "share"), number(sighting, "coefficient")
    if share is None or coefficient is None or share < CUT_OFTEN or coefficient > CUT_TO:
        return None
    return CLIPPING_DOMINATES.finding(
        where=sighting.where,
        step=sighting.step,
        evidence=(
            Evidence(name="share of the steps that are clipped", value=share, threshold=CUT_OFTEN),
            Evidence(name="what is left of the gradient's norm, median", value=coefficient, threshold=CUT_TO),
        ),
        remedies=(Remedy(text=f"raise the limit of the clipping{at(sighting.where)} above the usual norm"),),
    )


def accumulation_not_averaged(chart: Chart) -> Finding | None:
    """Exact: several passes of the same line go into a step, and the backward loss is the criterion's own mean."""
    sighting = often(chart, "accumulation-not-averaged")
    if sighting is None or loop_of(chart).turns:
        return None
    batches = number(sighting, "batches")
    if batches is not None and batches < 2:
        return None
    where = place(sighting.where, loop_of(chart).backward_where)
    evidence = [counted(sighting, "steps over a sum of mean losses")]
    if batches is not None:
        evidence.append(Evidence(name="backward passes a step", value=batches, threshold=1))
    divisor = "their number" if batches is None else f"{batches:g}"
    return ACCUMULATION_NOT_AVERAGED.finding(
        where=where,
        step=sighting.step,
        evidence=tuple(evidence),
        remedies=(Remedy(text=f"divide the loss by {divisor} before the backward pass{at(where)}"),),
    )


def graph_kept_alive(chart: Chart) -> Finding | None:
    """Exact: a loss of many steps back is still there with its graph, or graphs that were walked are walked again."""
    sighting = often(chart, "graph-kept", fewest=1, share=0.0)
    if sighting is None:
        return _walked_again(chart)
    steps = number(sighting, "steps")
    if (sighting.count if steps is None else steps) < KEPT_STEPS:
        return None
    where = place(sighting.where, loop_of(chart).loss_where)
    evidence = [Evidence(name="losses that were found alive with their graphs", value=sighting.count)]
    if steps is not None:
        evidence.append(Evidence(name="steps that the oldest has outlived", value=steps, threshold=KEPT_STEPS))
    return GRAPH_KEPT_ALIVE.finding(
        where=where,
        step=sighting.step,
        evidence=tuple(evidence),
        remedies=(Remedy(text=f"keep loss.item() or loss.detach() instead of the loss{at(where)}"),),
    )


def _walked_again(chart: Chart) -> Finding | None:
    sighting = often(chart, "graph-walked-again", fewest=1, share=0.0)
    if sighting is None or not (flag(sighting, "refused") or sighting.count >= WALKED_AGAIN):
        return None
    refused, passes = flag(sighting, "refused"), number(sighting, "passes") or 0
    where = place(sighting.where, loop_of(chart).backward_where)
    if refused and not flag(sighting, "fresh"):
        title = "backward is called a second time on the same graph"
        because = "the first backward pass lets go of what the graph has stored, and there is no new forward pass"
        remedy = f"compute the loss anew before each backward pass{at(where)}, or add the losses up and call it once"
    else:
        title = "each backward pass goes through the graphs of those before it"
        because = "something that a step hands on to the next, a state or a running value, still has its graph"
        remedy = "detach what is handed on: hidden = hidden.detach(), or .item() for a number"
        remedy += "" if refused else f"; then retain_graph=True is not needed{at(where)}"
    evidence = [Evidence(name="earlier backward passes whose graphs it goes through", value=passes)]
    if refused:
        evidence.append(Evidence(name="torch refused to go through them again", value=True))
    return GRAPH_KEPT_ALIVE.finding(
        where=where,
        step=sighting.step,
        title=title,
        because=because,
        evidence=tuple(evidence),
        remedies=(Remedy(text=remedy),),
    )


def _passes(chart: Chart) -> tuple[Evidence, ...]:
    loop = loop_of(chart)
    return (Evidence(name="backward passes and steps", value=f"{loop.backwards} and {loop.steps}"),)


def _differs(where: Location, other: Location) -> str:
    return at(where) if where != other else ""


def _only_measures(sighting: Sighting) -> bool:
    """Say whether the limit is infinite: such a call is made for the norm that it returns."""
    return number(sighting, "limit") == math.inf


RULES = (
    Rule(kind=ZERO_GRAD_INSIDE_ACCUMULATION, needs=("loop",), judge=zero_grad_inside_accumulation),
    Rule(kind=GRADIENTS_ERASED_BEFORE_STEP, needs=("loop",), judge=gradients_erased_before_step),
    Rule(kind=MISSING_OPTIMIZER_STEP, needs=("loop",), judge=missing_optimizer_step),
    Rule(kind=MISSING_BACKWARD, needs=("loop",), judge=missing_backward),
    Rule(kind=MISSING_ZERO_GRAD, needs=("loop",), judge=missing_zero_grad),
    Rule(kind=CLIP_BEFORE_UNSCALE, needs=("loop",), judge=clip_before_unscale),
    Rule(kind=CLIPPING_WITHOUT_EFFECT, needs=("loop",), judge=clipping_without_effect),
    Rule(kind=CLIPPING_DOMINATES, needs=("loop",), judge=clipping_dominates),
    Rule(kind=ACCUMULATION_NOT_AVERAGED, needs=("loop",), judge=accumulation_not_averaged),
    Rule(kind=GRAPH_KEPT_ALIVE, needs=("loop",), judge=graph_kept_alive),
)
