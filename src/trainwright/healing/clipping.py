"""Clipping of gradients, at the place where it has an effect."""

from __future__ import annotations

import ast

from trainwright.healing.case import Case, Proposal
from trainwright.healing.code import calls, imported, method, name_of, only, receiver, within
from trainwright.healing.origin import origin
from trainwright.healing.source import Source, Unclear


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
    value = origin(source, clipping.args[0]) if clipping.args else None
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


def clip_gradients(case: Case) -> Proposal:
    """Clipping to norm 1 before the step."""
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


PATCHES = {
    "clipping-without-effect": clip_before_step,
    "clip-before-unscale": unscale_before_clip,
    "exploding-gradients": clip_gradients,
}
