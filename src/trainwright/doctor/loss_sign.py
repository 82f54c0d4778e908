"""Losses that say the opposite of what they should: the negative of a library's loss, or the same for every answer."""

from __future__ import annotations

from trainwright.doctor.kinds_loss import LOSS_MAXIMISED
from trainwright.doctor.kinds_wiring import LOSS_DETACHED
from trainwright.doctor.loop_model import loss_without_graph
from trainwright.doctor.loop_seen import at, counted, flag, loop_of, number, often, word
from trainwright.doctor.loss_entering import CLASSES, DISTANCES, YES_OR_NO, entering, place_of_call
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Evidence, Finding, Remedy
from trainwright.records.loss_call import LossCall

STEPS = 3
"""Steps that all go up: a scaler may skip the first."""
ALWAYS = 0.9
"""Share of the steps that were looked at; a step of another loss now and then makes no other loop."""
_NAMED = (*CLASSES, *DISTANCES, *YES_OR_NO, "kl_div", "poisson_nll_loss")


def loss_maximised(chart: Chart) -> Finding | None:
    """Exact, by the derivative: the whole loss is a library's loss times a negative number, and nothing else.

    A sum of several losses, one of which is subtracted, is meant; so is a negated loss of one answer for all samples,
    as a generator has it against its judge.
    """
    for call in entering(chart):
        if call.function in _NAMED and call.weight is not None and call.weight < 0 and not _one_answer(call):
            return LOSS_MAXIMISED.finding(
                where=place_of_call(chart, call),
                step=0,
                title=f"the loss is the negative of {call.function}",
                because=f"the less it is, the larger is {call.function}: the best value has the worst model",
                evidence=(
                    Evidence(name=f"the loss, as a multiple of {call.function}", value=call.weight, threshold=0.0),
                ),
                remedies=(Remedy(text=f"drop the minus sign: return what {call.function} gives"),),
            )
    return loss_goes_up(chart)


def loss_goes_up(chart: Chart) -> Finding | None:
    """Exact, by the graph of the loss and the direction of the step; silent where parts are trained against others."""
    loop, sighting = loop_of(chart), often(chart, "loss-maximised", fewest=STEPS, share=ALWAYS)
    if sighting is None or loop.turns:
        return None
    what, weight = word(sighting, "loss", "the loss"), number(sighting, "weight") or 0.0
    evidence = [counted(sighting, "steps that were looked at, and make it worse")]
    likelihood = what == "log-likelihood"
    if flag(sighting, "maximize"):
        title, remedy = f"the optimizer maximises {what}", f"drop maximize=True{at(sighting.where)}"
        evidence.append(Evidence(name=f"{word(sighting, 'optimizer', 'the optimizer')} goes up", value="maximize=True"))
    elif likelihood:
        title = "the log-likelihood is minimised"
        remedy = f"put a minus sign before it: the negative log-likelihood is the loss{at(sighting.where)}"
        evidence.append(Evidence(name="sign of the log-likelihood in what is minimised", value="+"))
    else:
        title = f"the loss is the negative of {what}"
        remedy = f"drop the minus sign{at(sighting.where)}: minimise {what} itself"
        evidence.append(Evidence(name=f"the loss, as a multiple of {what}", value=weight, threshold=0.0))
    return LOSS_MAXIMISED.finding(
        where=sighting.where,
        step=sighting.step,
        title=title,
        because="the steps take the probability of the right answers towards zero, and there is no lower end"
        if likelihood
        else f"the less it is, the larger is {what}: the best value has the worst model",
        evidence=tuple(evidence),
        remedies=(Remedy(text=remedy),),
    )


def _one_answer(call: LossCall) -> bool:
    return call.target is not None and call.target.minimum is not None and call.target.minimum == call.target.maximum


def loss_of_nothing(chart: Chart) -> Finding | None:
    """Exact: the loss has a graph that leads to the output, a gradient of zeros, and one value for all outputs."""
    output = chart.info.output
    for call in output.calls if output is not None else ():
        if call.constant:
            return LOSS_DETACHED.finding(
                where=place_of_call(chart, call),
                step=0,
                title="every gradient is exactly zero: the loss is the same whatever the model answers",
                because="the graph leads from the loss to the weights, but what comes back along it is zero, so no "
                "step changes anything",
                evidence=(
                    Evidence(name="largest gradient of the loss at the model's output", value=0.0, threshold=0.0),
                    Evidence(name="different values of the loss over other outputs", value=1, threshold=2),
                ),
                remedies=(
                    Remedy(text="look in the loss for a factor of 0, a mask that is all zeros, or a value overwritten"),
                ),
            )
    return None


def loss_detached(chart: Chart) -> Finding | None:
    """No way from the loss to a weight: seen at a backward pass, or by what the loss makes of other outputs."""
    return loss_without_graph(chart) or loss_of_nothing(chart)


RULES = (
    Rule(kind=LOSS_MAXIMISED, needs=("graph",), judge=loss_maximised),
    Rule(kind=LOSS_DETACHED, needs=("graph",), judge=loss_detached),
)
