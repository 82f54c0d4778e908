"""The optimizer: what it holds, what it moves, how long it lives. All of it exact: identities of tensors."""

from __future__ import annotations

from trainwright.doctor.kinds_stepping import OPTIMIZER_RECREATED, OPTIMIZER_STATE_LOST, PARAMETER_REBOUND
from trainwright.doctor.kinds_wiring import PARAMETERS_NOT_IN_OPTIMIZER, WEIGHTS_NEVER_UPDATED
from trainwright.doctor.loop_seen import at, counted, flag, loop_of, named, number, often, place, word
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Evidence, Finding, Location, OptimizerFacts, Remedy, Sighting

MINORITY = 0.5
"""Share of trainable parameters below which those without an optimizer were forgotten; a backbone is left out whole."""
BUILT_AGAIN = 3
"""New optimizers over the same parameters before it is no matter of two or three stages."""
SHORT_LIFE = 100
"""Steps: momentum of 0.9 to 0.99 remembers ten to a hundred of them, so a shorter life never knows its own past."""
NO_RATE = 1e-7
"""At rates below it float32 rounds updates away: that is the foot of a warmup, or no rate at all."""
ZERO_STEPS = 20
"""Steps that a schedule may begin at, or near, zero."""
MOVED_STEPS = 3
"""Steps without any effect at a rate that is not zero."""


def weights_never_updated(chart: Chart) -> Finding | None:
    """Exact: steps with gradients that are not zero, after which every weight is what it was."""
    sighting = often(chart, "weights-unchanged", fewest=MOVED_STEPS)
    if sighting is None:
        return None
    rate = number(sighting, "rate")
    no_rate = rate is not None and abs(rate) < NO_RATE
    if no_rate and (loop_of(chart).steps < ZERO_STEPS or any(record.rate > NO_RATE for record in chart.steps)):
        return None  # it warms up, or has arrived at the end of its schedule
    evidence = [counted(sighting, "steps, or backward passes, that changed no weight")]
    if rate is not None:
        evidence.append(Evidence(name="learning rate", value=rate))
    if no_rate:
        where = place(chart.info.where("optimizer.lr", "optimizer.name"), sighting.where)
        title, because = "the learning rate is zero", "a step of length zero leaves every weight where it is"
        remedy = f"give the optimizer a rate above zero{at(where)}"
    elif flag(sighting, "by_hand"):
        if loop_of(chart).steps:
            return None
        where, title = sighting.where, WEIGHTS_NEVER_UPDATED.title
        because = (
            "gradients are computed and thrown away, and nothing writes into the weights: `w = w - lr * w.grad` makes "
            "a new tensor, and leaves the model's own as it is"
        )
        remedy = f"write into the weights, `w -= lr * w.grad` under no_grad, or step an optimizer of them{at(where)}"
    else:
        where, title, because = sighting.where, WEIGHTS_NEVER_UPDATED.title, WEIGHTS_NEVER_UPDATED.because
        optimizer = word(sighting, "optimizer", "the optimizer")
        remedy = f"see whether {optimizer} holds these weights themselves, or copies that were made of them{at(where)}"
    return WEIGHTS_NEVER_UPDATED.finding(
        title=title,
        because=because,
        where=place(where, loop_of(chart).step_where),
        step=sighting.step,
        evidence=tuple(evidence),
        remedies=(Remedy(text=remedy),),
    )


def parameters_not_in_optimizer(chart: Chart) -> Finding | None:
    """Exact: no optimizer holds parameters that have gradients, or it holds some that the model no longer has."""
    stale = often(chart, "parameters-not-in-model", fewest=1, share=0.0)
    forgotten = often(chart, "parameters-unowned", fewest=1)
    if stale is not None:
        return _stale(chart, stale, forgotten)
    if forgotten is None:
        return None
    share = number(forgotten, "share")
    on_purpose = share is not None and share >= MINORITY and not flag(forgotten, "output_layer")
    evidence = [counted(forgotten, "steps at which they had gradients that nobody used"), *named(forgotten)]
    if share is not None:
        evidence.append(Evidence(name="share of the trainable parameters", value=share, threshold=MINORITY))
    where = place(_construction(chart), forgotten.where)
    return PARAMETERS_NOT_IN_OPTIMIZER.finding(
        severity="note" if on_purpose else "error",
        title="most parameters are in no optimizer, and have gradients" if on_purpose else _forgotten(forgotten),
        where=Location(file=where.file, line=where.line, module=forgotten.where.module),
        step=forgotten.step,
        evidence=tuple(evidence),
        remedies=(
            Remedy(
                text="if that is meant, set requires_grad_(False) on them: it saves their gradients"
                if on_purpose
                else f"hand them to the optimizer: model.parameters(), after the model is complete{at(where)}"
            ),
        ),
    )


def _forgotten(sighting: Sighting) -> str:
    output_layer = flag(sighting, "output_layer")
    return "the output layer is in no optimizer" if output_layer else PARAMETERS_NOT_IN_OPTIMIZER.title


def _stale(chart: Chart, stale: Sighting, forgotten: Sighting | None) -> Finding:
    where = place(_construction(chart), stale.where)
    evidence = [*named(stale)] or [Evidence(name="steps over parameters that are not the model's", value=stale.count)]
    if forgotten is not None:
        count = number(forgotten, "count")
        if count is not None:
            evidence.append(Evidence(name="parameters of the model that no optimizer holds", value=count))
    return PARAMETERS_NOT_IN_OPTIMIZER.finding(
        title="the optimizer holds parameters that the model no longer has",
        because="the model got new parameters after the optimizer was built, which steps over the old ones",
        where=where,
        step=stale.step,
        evidence=tuple(evidence),
        remedies=(Remedy(text=f"build the optimizer{at(where)} after the model is complete and on its device"),),
    )


def _construction(chart: Chart) -> Location:
    """Return the line that made the optimizer, where there is no doubt which one."""
    made = {optimizer.where for optimizer in loop_of(chart).optimizers}
    return made.pop() if len(made) == 1 else chart.info.where("optimizer.name")


def optimizer_recreated(chart: Chart) -> Finding | None:
    """Exact: new optimizers over the same parameters after steps, with a state to lose."""
    loop, sighting = loop_of(chart), often(chart, "optimizer-recreated", fewest=BUILT_AGAIN, share=0.0)
    if sighting is None or (loop.optimizers and not any(_remembers(optimizer) for optimizer in loop.optimizers)):
        return None
    life = loop.steps / (sighting.count + 1)
    return OPTIMIZER_RECREATED.finding(
        severity="error" if life <= SHORT_LIFE else "warning",
        where=sighting.where,
        step=sighting.step,
        evidence=(
            Evidence(name="optimizers built over the same parameters", value=sighting.count + 1, threshold=BUILT_AGAIN),
            Evidence(name="steps that each of them made, on average", value=round(life, 1), threshold=SHORT_LIFE),
        ),
        remedies=(Remedy(text=f"move the construction of the optimizer{at(sighting.where)} out of the loop"),),
    )


def _remembers(optimizer: OptimizerFacts) -> bool:
    """Say whether an optimizer has a state: SGD without momentum has none."""
    return optimizer.name != "SGD" or any(group.momentum for group in optimizer.groups)


def optimizer_state_lost(chart: Chart) -> Finding | None:
    """Exact: the optimizer that a state was loaded into is not the one that steps."""
    sighting = often(chart, "optimizer-state-lost", fewest=1, share=0.0)
    if sighting is None:
        return _resumed_alone(chart)
    where = place(sighting.where, _construction(chart))
    return OPTIMIZER_STATE_LOST.finding(
        where=where,
        step=sighting.step,
        evidence=(Evidence(name="states loaded into an optimizer that is not stepped", value=sighting.count),),
        remedies=(Remedy(text=f"load the state after the optimizer{at(where)} was built for the last time"),),
    )


def _resumed_alone(chart: Chart) -> Finding | None:
    """Exact: what was loaded is, bit by bit, what an optimizer had come to; a new one with no state goes on, often."""
    sighting = often(chart, "weights-resumed-alone", fewest=BUILT_AGAIN, share=0.0)
    if sighting is None:
        return None
    life = loop_of(chart).steps / (sighting.count + 1)
    if life > SHORT_LIFE:
        return None
    optimizer = word(sighting, "optimizer", "the optimizer")
    return OPTIMIZER_STATE_LOST.finding(
        title="the weights are resumed again and again, and the state of their optimizer is not",
        because=f"a new {optimizer} knows nothing of the steps before: its averages begin at zero each time",
        where=sighting.where,
        step=sighting.step,
        evidence=(
            Evidence(name="times that weights were loaded and learnt on", value=sighting.count, threshold=BUILT_AGAIN),
            Evidence(name="steps of each optimizer, on average", value=round(life, 1), threshold=SHORT_LIFE),
        ),
        remedies=(Remedy(text=f"save optimizer.state_dict() with the weights, and load both{at(sighting.where)}"),),
    )


def parameter_rebound(chart: Chart) -> Finding | None:
    """Exact: the source rebinds a name by its own gradient, and no step has moved a weight."""
    sighting = often(chart, "parameters-rebound", fewest=1, share=0.0)
    if sighting is None:
        return None
    name = word(sighting, "name", "a parameter's")
    return PARAMETER_REBOUND.finding(
        where=sighting.where,
        step=sighting.step,
        evidence=(Evidence(name="name that is bound anew, by its own gradient", value=name),),
        remedies=(
            Remedy(text=f"change the weights in place under torch.no_grad(): p -= rate * p.grad{at(sighting.where)}"),
        ),
    )


RULES = (
    Rule(kind=PARAMETER_REBOUND, needs=("loop",), judge=parameter_rebound),
    Rule(kind=OPTIMIZER_STATE_LOST, needs=("loop",), judge=optimizer_state_lost),
    Rule(kind=OPTIMIZER_RECREATED, needs=("loop",), judge=optimizer_recreated),
    Rule(kind=PARAMETERS_NOT_IN_OPTIMIZER, needs=("loop",), judge=parameters_not_in_optimizer),
    Rule(kind=WEIGHTS_NEVER_UPDATED, needs=("loop",), judge=weights_never_updated),
)
