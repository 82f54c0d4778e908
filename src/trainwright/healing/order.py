"""Calls of the loop in another order: zeroing, stepping, clipping, scheduling."""

from __future__ import annotations

import ast

from trainwright.healing.case import Case, Proposal, calls, keyword, method, name_of, only, receiver, within
from trainwright.healing.source import Loop, Source, Unclear
from trainwright.records import SchedulerFacts

_NEAR = 0.05
"""Relative difference up to which the length of a schedule is a number of epochs, or of steps."""


def zero_before_backward(case: Case) -> Proposal:
    """`optimizer.zero_grad()` before the first backward pass of a step; behind the step where it is made now and then."""
    source, _ = case.here()
    backward, _ = case.backward(source)
    step, optimizer = case.step(source)
    if not source.visible(optimizer, step, backward):
        raise Unclear(f"{optimizer} is not known where the backward pass is")
    line, block = f"{optimizer}.zero_grad()", source.block(backward)
    if step in block or source.function(step) is not source.function(backward):
        first = next(one for one in block if any(method(call) == "backward" for call in calls(one)))
        return Proposal(source=source, edits=(source.insert_before(first, line),), text=f"{line} before the backward pass")
    if not any(outer in block for outer in source.parents(step)):
        raise Unclear("the step is not made where the backward pass is")
    return Proposal(source=source, edits=(source.insert_after(step, line),), text=f"{line} after each step")


def zero_after_step(case: Case) -> Proposal:
    """The zeroing, moved behind the step that it came before."""
    source, statement = case.here()
    step, _ = case.step(source)
    if not isinstance(statement, ast.Expr) or not _zeroes(statement):
        raise Unclear("the line that erases the gradients does something else besides")
    if source.function(statement) is not source.function(step):
        raise Unclear("the gradients are erased in another function than the step is made in")
    if any(loop not in source.loops(step) for loop in source.loops(statement)):
        raise Unclear("the gradients are erased in a loop of its own")
    again = [one for one in source.block(step) if one.lineno > step.lineno and _same(source, one, statement)]
    if again:  # the right one is there already
        return Proposal(source=source, edits=(source.delete(statement),), text="one zeroing, after the step")
    if statement is step:
        raise Unclear("the gradients are erased on the line of the step")
    return Proposal(source=source, edits=source.move_after(statement, step), text="the zeroing goes behind the step")


def step_after_backward(case: Case) -> Proposal:
    """`optimizer.step()` behind the backward pass, and behind the clipping."""
    source, _ = case.here()
    backward, _ = case.backward(source)
    made = [call for call in within(source.tree) if method(call) == "step"]
    names = {source.text(receiver(call)) for call in within(source.tree) if method(call) == "zero_grad"}
    optimizer = only(sorted(names), "name by which gradients are zeroed")
    if any(source.text(receiver(call)) == optimizer or call.args for call in made):
        raise Unclear("there is a call of step() already, which is never reached")
    zeroing = next(call for call in within(source.tree) if method(call) == "zero_grad")
    if not source.visible(optimizer, zeroing, backward):
        raise Unclear(f"{optimizer} is not known where the backward pass is")
    block = source.block(backward)
    last = backward
    for one in block[block.index(backward) + 1 :]:
        last = one if any("clip_grad" in name_of(call.func) for call in calls(one)) else last
    line = f"{optimizer}.step()"
    return Proposal(source=source, edits=(source.insert_after(last, line),), text=f"{line} after the backward pass")


def clip_before_step(case: Case) -> Proposal:
    """The clipping, moved to right before the step; or, where it is given a spent generator, a list."""
    source, statement = case.here()
    if case.finding.title == "the gradients of no parameter are clipped":
        return _list_for_generator(case, source, statement)
    if not isinstance(statement, ast.Expr):
        raise Unclear("the norm that the clipping returns is used")
    step, _ = case.step(source)
    if source.function(statement) is not source.function(step) or statement is step:
        raise Unclear("the clipping is in another function than the step")
    if source.loops(statement) != source.loops(step):
        raise Unclear("the clipping is in another loop than the step")
    return Proposal(source=source, edits=source.move_before(statement, step), text="the clipping goes before the step")


def _list_for_generator(case: Case, source: Source, statement: ast.stmt) -> Proposal:
    clipping = only([call for call in calls(statement) if "clip_grad" in name_of(call.func)], "clipping on the line")
    value = case.constant(source, clipping.args[0]) if clipping.args else None
    match value:
        case ast.GeneratorExp():
            text = source.text(value)
            if text.startswith("("):
                text = text[1:-1]
            edit = source.replace(value, f"[{text}]")
        case ast.Call(func=ast.Attribute(attr="parameters")):
            edit = source.replace(value, f"list({source.text(value)})")
        case _:
            raise Unclear("what the clipping is given was made in some other way")
    return Proposal(source=source, edits=(edit,), text="a list, which can be read again and again")


def unscale_before_clip(case: Case) -> Proposal:
    """`scaler.unscale_(optimizer)` before the clipping."""
    source, statement = case.here()
    step, optimizer = case.step(source)
    call = next(call for call in calls(step) if method(call) == "step")
    scaler = source.text(receiver(call))
    if not call.args or not source.visible(scaler, step, statement):
        raise Unclear("the scaler's step is not on a line of its own")
    line = f"{scaler}.unscale_({optimizer})"
    return Proposal(source=source, edits=(source.insert_before(statement, line),), text=f"{line} before the clipping")


def average_accumulation(case: Case) -> Proposal:
    """The loss, divided by the number of batches that make a step."""
    source, _ = case.here()
    _, call = case.backward(source)
    batches = case.number("backward passes a step")
    if batches != int(batches) or batches < 2:
        raise Unclear("the number of batches in a step is not always the same")
    divisor = str(int(batches))
    step, _ = case.step(source)
    for outer in source.parents(step):
        if isinstance(outer, ast.If):
            rests = [one for one in ast.walk(outer.test) if isinstance(one, ast.BinOp) and isinstance(one.op, ast.Mod)]
            if len(rests) == 1 and name_of(rests[0].right):
                divisor = source.text(rests[0].right)
    loss = receiver(call)
    if isinstance(loss, ast.Call) and method(loss) == "scale" and len(loss.args) == 1:
        edit = source.replace(loss.args[0], f"{source.text(loss.args[0])} / {divisor}")
    else:
        edit = source.replace(loss, f"({source.text(loss)} / {divisor})")
    return Proposal(
        source=source, edits=(edit,), text=f"the loss is divided by {divisor}", loss_factor=1 / batches
    )


def clip_gradients(case: Case) -> Proposal:
    """Clipping to norm 1 before the step."""
    from trainwright.healing.case import imported

    source = case.source(case.loop.step_where)
    step, _ = case.step(source)
    made_in, _, made = case.optimizer()
    clipped = [call for call in within(source.tree) if "clip_grad" in name_of(call.func)]
    match made.args:
        case [ast.Call(func=ast.Attribute(attr="parameters")) as given, *_] if made_in is source and not clipped:
            weights = source.text(given)
        case _:
            raise Unclear("the gradients are clipped already" if clipped else "the weights have no name of their own")
    call = next(call for call in calls(step) if method(call) == "step")
    if call.args or not source.visible(weights, made, step):
        raise Unclear("the step is made with a scaler or a closure")
    line = f"{imported(source, 'torch.nn')}.utils.clip_grad_norm_({weights}, 1.0)"
    return Proposal(source=source, edits=(source.insert_before(step, line),), text="the gradients are clipped")


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
        source=source, edits=source.move_after(statement, _last_of_step(source, step)), text="one call for each step"
    )


def _one_of(case: Case, scheduler: SchedulerFacts, places: list[tuple[Source, ast.stmt]]) -> Proposal:
    """Drop the call that does not go with the length of the schedule."""
    unit = _unit(case, scheduler)
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
    name = _target(made_in, made)
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
    after = inner if unit == "epochs" else _last_of_step(source, step)
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
    after = _last_of_step(source, step) if last is step else last
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


def _last_of_step(source: Source, step: ast.stmt) -> ast.stmt:
    """Return the step, or the update of the scaler that follows it."""
    block = source.block(step)
    after = block[block.index(step) + 1 : block.index(step) + 2]
    return after[0] if after and any(method(call) == "update" and not call.args for call in calls(after[0])) else step


def _target(source: Source, statement: ast.stmt) -> str:
    match statement:
        case ast.Assign(targets=[(ast.Name() | ast.Attribute()) as target]) if name_of(target):
            return name_of(target)
        case _:
            raise Unclear(f"what line {statement.lineno} makes has no name")


def _zeroes(statement: ast.stmt) -> bool:
    found = list(calls(statement))
    outer = found[0] if found else None
    return outer is not None and keyword(outer, "closure") is None and method(outer) not in ("step", "backward")


def _same(source: Source, one: ast.stmt, other: ast.stmt) -> bool:
    return isinstance(one, ast.Expr) and source.text(one) == source.text(other)


PATCHES = {
    "missing-zero-grad": zero_before_backward,
    "gradients-erased-before-step": zero_after_step,
    "zero-grad-inside-accumulation": zero_after_step,
    "missing-optimizer-step": step_after_backward,
    "clipping-without-effect": clip_before_step,
    "clip-before-unscale": unscale_before_clip,
    "accumulation-not-averaged": average_accumulation,
    "exploding-gradients": clip_gradients,
    "scheduler-wrong-frequency": move_scheduler,
    "scheduler-never-stepped": step_scheduler,
    "scheduler-before-optimizer": scheduler_after_optimizer,
}
