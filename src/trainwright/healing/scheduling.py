"""Schedulers, stepped once a step or once an epoch, whichever their length is counted in."""

from __future__ import annotations

import ast

from trainwright.healing.case import Case, Proposal
from trainwright.healing.code import method, only, receiver, target_of, within
from trainwright.healing.order import last_of_step
from trainwright.healing.source import Loop, Source, Unclear
from trainwright.records import SchedulerFacts

_NEAR = 0.05
"""Relative difference up to which the length of a schedule is a number of epochs, or of steps."""
_SPENT = 1e-3
"""A rate below this share of its highest does next to nothing."""


def move_scheduler(case: Case) -> Proposal:
    """`scheduler.step()`, once an epoch or once a step, whichever its length is counted in."""
    scheduler = only(list(case.loop.schedulers), "scheduler")
    places = [case.at(where) for where in dict.fromkeys(scheduler.call_places)]
    if len(places) == 2:
        return _one_of(case, scheduler, places)
    source, statement = only(places, "line that steps the scheduler")
    step, _ = case.step(source)
    inner = _inner_loop(source, step)
    if not isinstance(statement, ast.Expr) or source.function(statement) is not source.function(step):
        raise Unclear("the scheduler is stepped in another function than the optimizer")
    if "every batch" in case.finding.title or "was over" in case.finding.title:
        if inner not in source.loops(statement) or len(source.loops(inner)) != 1:
            raise Unclear("the loop over epochs is not to be seen around the scheduler's step")
        return Proposal(
            source=source, edits=source.move_after(statement, inner), text="the scheduler is stepped once an epoch"
        )
    if inner in source.loops(statement):
        raise Unclear("the scheduler is stepped beside the optimizer")
    return Proposal(
        source=source, edits=source.move_after(statement, last_of_step(source, step)), text="one call for each step"
    )


def _one_of(case: Case, scheduler: SchedulerFacts, places: list[tuple[Source, ast.stmt]]) -> Proposal:
    """Drop the call that does not go with the length of the schedule."""
    spent = (scheduler.last_rate or 0.0) <= _SPENT * (scheduler.high or 0.0)
    # Nearly all of the calls are those at the steps: with these alone the rate would be as low.
    unit = "epochs" if spent and scheduler.horizon is None else _unit(case, scheduler)
    source, _ = places[0]
    step, _ = case.step(source)
    inner = _inner_loop(source, step)
    inside = [inner in source.loops(statement) for _, statement in places]
    if sorted(inside) != [False, True] or any(one is not source for one, _ in places):
        raise Unclear("which of the two calls is meant does not show")
    statement = places[inside.index(unit == "epochs")][1]
    return Proposal(source=source, edits=(source.delete(statement),), text=f"the scheduler counts {unit} alone")


def step_scheduler(case: Case) -> Proposal:
    """`scheduler.step()` where nobody called it: after the steps, or the epochs, that its length counts."""
    idle = [one for one in case.loop.schedulers if not one.calls]
    scheduler = only(idle, "scheduler that is not stepped")
    made_in, made = case.at(scheduler.where)
    name = target_of(made)
    source = case.source(case.loop.step_where)
    step, _ = case.step(source)
    if made_in is not source or not source.visible(name, made, step):
        raise Unclear(f"{name} is not known where the optimizer is stepped")
    if any(method(call) == "step" and source.text(receiver(call)) == name for call in within(source.tree)):
        raise Unclear("there is a call already, which is never reached")
    unit = _unit(case, scheduler)
    inner = _inner_loop(source, step)
    if unit == "epochs" and len(source.loops(inner)) != 1:
        raise Unclear("the loop over epochs is not to be seen around the step")
    after = inner if unit == "epochs" else last_of_step(source, step)
    return Proposal(
        source=source, edits=(source.insert_after(after, f"{name}.step()"),), text=f"the scheduler counts {unit}"
    )


def scheduler_after_optimizer(case: Case) -> Proposal:
    """The scheduler's step, behind that of the optimizer."""
    source, statement = case.here()
    step, _ = case.step(source)
    block = source.block(statement)
    last = next((one for one in block if one is step or one in list(source.parents(step))), None)
    if not isinstance(statement, ast.Expr) or last is None or last.lineno < statement.lineno:
        raise Unclear("the scheduler is not stepped beside the optimizer")
    after = last_of_step(source, step) if last is step else last
    return Proposal(source=source, edits=source.move_after(statement, after), text="the optimizer steps first")


def _unit(case: Case, scheduler: SchedulerFacts) -> str:
    """Return what the length of a schedule counts."""
    horizon, loop = scheduler.horizon, case.loop
    if horizon and abs(horizon - loop.epochs) <= max(1, _NEAR * loop.epochs) and horizon < loop.steps / 2:
        return "epochs"
    # Shorter than the run has steps and longer than it has epochs: what it counts are steps.
    if horizon and loop.steps >= horizon > 2 * max(loop.epochs, 1):
        return "steps"
    raise Unclear("its length does not tell whether it counts steps or epochs")


def _inner_loop(source: Source, step: ast.stmt) -> Loop:
    loops = source.loops(step)
    if not loops:
        raise Unclear("the optimizer is stepped in no loop of that function")
    return loops[0]


PATCHES = {
    "scheduler-wrong-frequency": move_scheduler,
    "scheduler-never-stepped": step_scheduler,
    "scheduler-before-optimizer": scheduler_after_optimizer,
}
