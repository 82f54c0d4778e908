"""Calls of the loop in their right order: zeroing, backward pass, step."""

from __future__ import annotations

import ast

from trainwright.healing.case import Case, Proposal
from trainwright.healing.code import calls, keyword, method, name_of, only, receiver, target_of, within
from trainwright.healing.source import Source, Unclear


def zero_before_backward(case: Case) -> Proposal:
    """`optimizer.zero_grad()` before the first backward pass of a step, or behind the step where that is elsewhere."""
    source, _ = case.here()
    backward, _ = case.backward(source)
    step, optimizer = case.step(source)
    line, block = f"{optimizer}.zero_grad()", source.block(backward)
    function = source.function(step)
    nested = function is not source.function(backward) and function in source.parents(backward)
    if step in block or nested:  # a closure is called again and again within one step
        first = next(one for one in block if any(method(call) == "backward" for call in calls(one)))
        edits, text = (source.insert_before(first, line),), f"{line} before the backward pass"
    else:
        edits, text = (source.insert_after(last_of_step(source, step), line),), f"{line} after each step"
    return Proposal(source=source, edits=edits, text=text)


def zero_after_step(case: Case) -> Proposal:
    """The zeroing, moved behind the step that it came before."""
    source, statement = case.here()
    step, _ = case.step(source)
    if statement is step:
        statement = _between(source, case.backward(source)[0], step)
    if not isinstance(statement, ast.Expr) or not _zeroes(statement):
        raise Unclear("the line that erases the gradients does something else besides")
    if source.function(statement) is not source.function(step):
        raise Unclear("the gradients are erased in another function than the step is made in")
    if any(loop not in source.loops(step) for loop in source.loops(statement)):
        raise Unclear("the gradients are erased in a loop of its own")
    again = [one for one in source.block(step) if one.lineno > step.lineno and _same(source, one, statement)]
    if again:  # the right one is there already
        return Proposal(source=source, edits=(source.delete(statement),), text="one zeroing, after the step")
    return Proposal(source=source, edits=source.move_after(statement, step), text="the zeroing goes behind the step")


def _between(source: Source, backward: ast.stmt, step: ast.stmt) -> ast.stmt:
    """Return the only statement between backward pass and step: what erased the gradients by hand is in it."""
    block = source.block(step)
    if backward not in block:
        raise Unclear("backward pass and step do not stand in one block")
    between = block[block.index(backward) + 1 : block.index(step)]
    return only([one for one in between if not _touches(one)], "statement that may erase the gradients")


def _touches(statement: ast.stmt) -> bool:
    """Say whether a statement clips or divides gradients, and so does not erase them."""
    return any("clip_grad" in name_of(call.func) or method(call) == "unscale_" for call in calls(statement))


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


def backward_before_step(case: Case) -> Proposal:
    """`loss.backward()` before the step, where the loss has a name beside it."""
    source = case.source(case.loop.step_where)
    step, _ = case.step(source)
    where = case.loop.loss_where
    if where.file != source.path:
        raise Unclear("the loss is computed in another file")
    made = source.statement(where.line)
    if made not in source.block(step) or made.lineno >= step.lineno:
        raise Unclear("the loss is not computed beside the step")
    if any(method(call) == "backward" for call in within(source.tree)):
        raise Unclear("there is a call of backward() already, which is not reached")
    line = f"{target_of(made)}.backward()"
    return Proposal(source=source, edits=(source.insert_before(step, line),), text=f"{line} before the step")


def average_accumulation(case: Case) -> Proposal:
    """The loss, divided by the number of batches that make a step."""
    source, _ = case.here()
    _, loss = case.loss(source)
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
    if isinstance(loss, ast.Call) and method(loss) == "scale" and len(loss.args) == 1:
        edit = source.replace(loss.args[0], f"{source.text(loss.args[0])} / {divisor}")
    else:
        edit = source.replace(loss, f"({source.text(loss)} / {divisor})")
    return Proposal(source=source, edits=(edit,), text=f"the loss is divided by {divisor}", loss_factor=1 / batches)


def last_of_step(source: Source, step: ast.stmt) -> ast.stmt:
    """Return the step, or the update of the scaler that follows it."""
    block = source.block(step)
    after = block[block.index(step) + 1 : block.index(step) + 2]
    return after[0] if after and any(method(call) == "update" and not call.args for call in calls(after[0])) else step


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
    "missing-backward": backward_before_step,
    "accumulation-not-averaged": average_accumulation,
}
