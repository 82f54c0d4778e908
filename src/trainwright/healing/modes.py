"""Training and evaluation mode, and dropout that does not ask for it."""

from __future__ import annotations

import ast

from trainwright.healing.case import Case, Proposal
from trainwright.healing.code import argument_added, calls, keyword, method, name_of, only, within
from trainwright.healing.source import Source, Unclear


def train_before_batches(case: Case) -> Proposal:
    """`model.train()` before the loop over batches; at its top where it evaluates in between."""
    source = case.source(case.loop.backward_where)
    backward, _ = case.backward(source)
    model = _named(case, source, backward)
    loops = source.loops(backward)
    if not loops:
        raise Unclear("the loop over batches is in another function than the backward pass")
    inner, line = loops[0], f"{model}.train()"
    if _evaluates(source, inner):
        edit = source.insert_before(inner.body[0], line)
        return Proposal(source=source, edits=(edit,), text=f"{line} at the top of the loop", loss_factor=None)
    edit = source.insert_before(inner, line)
    # With dropout and the statistics of batches at work the loss is not what it was.
    return Proposal(source=source, edits=(edit,), text=f"{line} before the loop over batches", loss_factor=None)


def _named(case: Case, source: Source, place: ast.stmt) -> str:
    """Return how the model is written at a place. Raises `Unclear` where it has no name there."""
    model = case.model(source)
    inside = source.function(place)
    if not isinstance(inside, ast.Module) and not any(name_of(call.func) == model for call in within(inside)):
        raise Unclear(f"{model} is not called in the function of the training loop")
    return model


def _evaluates(source: Source, loop: ast.stmt) -> bool:
    """Say whether something in the loop puts a model into evaluation mode, itself or through a function of the file."""
    setting = {
        node.name
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef) and any(method(call) == "eval" for call in within(node))
    }
    return any(method(call) == "eval" or name_of(call.func).split(".")[-1] in setting for call in within(loop))


def eval_around_evaluation(case: Case) -> Proposal:
    """`model.eval()` before the block without gradients, and `model.train()` behind it."""
    source, statement = case.here()
    outer = [node for node in (statement, *source.parents(statement)) if isinstance(node, ast.With)]
    blocks = [node for node in outer if any(_without_gradients(item.context_expr) for item in node.items)]
    if not blocks:
        raise Unclear("the evaluation is in no `with torch.no_grad():` of its own function")
    block = blocks[-1]
    if any(isinstance(node, ast.Return | ast.Break | ast.Continue | ast.Yield) for node in ast.walk(block)):
        raise Unclear("the evaluation is left from inside of its block")
    model = case.model(source)
    if not any(name_of(call.func) == model for call in within(block)):
        raise Unclear(f"{model} is not called in the block")
    edits = (source.insert_before(block, f"{model}.eval()"), source.insert_after(block, f"{model}.train()"))
    return Proposal(source=source, edits=edits, text="evaluation mode for the evaluation")


def _without_gradients(value: ast.expr) -> bool:
    name = name_of(value.func if isinstance(value, ast.Call) else value)
    return name.split(".")[-1] in ("no_grad", "inference_mode")


def dropout_in_training_alone(case: Case) -> Proposal:
    """`training=self.training` for a functional dropout; `dropout_p` of attention only while training."""
    source, statement = case.here()
    found = [call for call in calls(statement) if "dropout" in name_of(call.func) or keyword(call, "dropout_p")]
    call = only(found, "dropout on that line")
    if "self" not in [one.arg for one in _arguments(source, statement)]:
        raise Unclear("it is not in a method, so there is no self.training")
    if probability := keyword(call, "dropout_p"):
        edit = source.replace(probability, f"{source.text(probability)} if self.training else 0.0")
    elif keyword(call, "training") is not None or len(call.args) > 2:
        raise Unclear("it is told whether to train already")
    else:
        edit = argument_added(source, call, "training=self.training")
    return Proposal(source=source, edits=(edit,), text="dropout in training mode alone")


def _arguments(source: Source, statement: ast.stmt) -> list[ast.arg]:
    function = source.function(statement)
    return function.args.args if isinstance(function, ast.FunctionDef) else []


PATCHES = {
    "training-in-eval-mode": train_before_batches,
    "evaluating-in-train-mode": eval_around_evaluation,
    "dropout-always-on": dropout_in_training_alone,
}
