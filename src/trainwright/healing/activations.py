"""Activations before a loss that has its own, or that they keep from its targets."""

from __future__ import annotations

import ast

from trainwright.healing.case import Case, Proposal
from trainwright.healing.code import atom, keyword, method, name_of, names, only, receiver, within
from trainwright.healing.entering import (
    ACTIVATIONS,
    MODULES,
    applications,
    applied,
    entering,
    is_module,
    loss_call,
    loss_calls,
    without_layer,
)
from trainwright.healing.origin import origin
from trainwright.healing.source import Edit, Source, Unclear
from trainwright.records.loss_call import LossCall

_READS = "what reads probabilities from the model reads logits now"


def drop_softmax(case: Case) -> Proposal:
    """The softmax (or a second one) before the loss, left out."""
    call = entering(case, ("Softmax", "LogSoftmax"))
    name = "Softmax" if call.input.operation == "Softmax" else "LogSoftmax"
    return _without(case, call, name, f"the {ACTIVATIONS[name][0]} is left out: {_READS}")


def drop_sigmoid(case: Case) -> Proposal:
    """A sigmoid of the training step is left out; where it is the model's own, the loss takes probabilities."""
    call = entering(case, ("Sigmoid", "Softmax"))
    if call.input.operation == "Softmax" or call.function == "binary_cross_entropy":
        return _without(case, call, call.input.operation, f"one {ACTIVATIONS[call.input.operation][0]} is left out")
    source, statement = applied(case, call)
    same = case.source(call.where) is source
    if same and source.function(statement) is source.function(source.statement(call.where.line)):
        return _without(case, call, "Sigmoid", "the sigmoid is left out")
    return _other_loss(case, call, "binary_cross_entropy", ("pos_weight",))


def drop_last_activation(case: Case) -> Proposal:
    """The activation at the end of the model, which keeps it from its targets."""
    call = entering(case, ("Relu", "Sigmoid", "Tanh"))
    name = call.input.operation
    return _without(case, call, name, f"the model no longer ends in {ACTIVATIONS[name][0]}")


def drop_lone_softmax(case: Case) -> Proposal:
    """The softmax over a single unit, where the loss is one of values."""
    call = entering(case, ("Softmax",))
    if call.function in ("nll_loss", "cross_entropy", ""):
        raise Unclear("a single unit needs another loss too")
    return _without(case, call, "Softmax", "the softmax over one unit is left out")


def logits_to_nll(case: Case) -> Proposal:
    """`cross_entropy` in place of `nll_loss`; after a softmax, a log-softmax in its place."""
    call = next((one for one in loss_calls(case) if one.function == "nll_loss"), None)
    if call is None:
        raise Unclear("the call of nll_loss was not seen")
    if call.input.operation == "Softmax":
        return _logarithm(case, call)
    if call.input.operation in ACTIVATIONS:
        raise Unclear(f"a {call.input.operation} stands before it")
    return _other_loss(case, call, "cross_entropy", ())


def logarithm_to_kl(case: Case) -> Proposal:
    """A log-softmax in place of the softmax before `kl_div`."""
    call = next(
        (one for one in loss_calls(case) if one.function == "kl_div" and one.input.operation == "Softmax"), None
    )
    if call is None:
        raise Unclear("what goes into kl_div is no softmax")
    return _logarithm(case, call)


def _without(case: Case, call: LossCall, operation: str, text: str) -> Proposal:
    """Return the proposal that leaves out an activation."""
    source, statement = applied(case, call)
    function, module = ACTIVATIONS[operation]
    found = list(applications(case, source, statement, function, module))
    if found:
        node, kept = only(found, f"{function} on line {statement.lineno}")
        if source.span(node) == source.span(statement) or _gives_itself(statement, node, kept):
            return Proposal(source=source, edits=(source.delete(statement),), text=text)
        return Proposal(source=source, edits=(source.replace(node, atom(source, kept)),), text=text)
    return Proposal(source=source, edits=(without_layer(source, module),), text=text)


def _gives_itself(statement: ast.stmt, node: ast.expr, kept: ast.expr) -> bool:
    """Say whether `x = softmax(x)` is all that a statement does."""
    if not isinstance(statement, ast.Assign) or statement.value is not node or len(statement.targets) != 1:
        return False
    return bool(name_of(kept)) and name_of(statement.targets[0]) == name_of(kept)


def _logarithm(case: Case, call: LossCall) -> Proposal:
    """Return the proposal that writes log_softmax for the softmax before a loss."""
    source, statement = applied(case, call)
    found = list(applications(case, source, statement, "softmax", "Softmax"))
    direct = [one for one, _ in found if (name_of(one.func).split(".")[-1] or method(one)) == "softmax"]
    if direct:
        end = source.span(only(direct, f"softmax on line {statement.lineno}").func)[1]
    else:
        made = only([one for one in within(source.tree) if is_module(one, "Softmax")], "softmax layer")
        end = source.span(made.func)[1]
        edit = Edit(start=end - len("Softmax"), end=end, text=b"LogSoftmax")
        return Proposal(source=source, edits=(edit,), text="log_softmax for softmax", loss_factor=None)
    edit = Edit(start=end - len("softmax"), end=end, text=b"log_softmax")
    return Proposal(source=source, edits=(edit,), text="log_softmax for softmax", loss_factor=None)


def _other_loss(case: Case, call: LossCall, wanted: str, refused: tuple[str, ...]) -> Proposal:
    """Return the proposal that takes another loss, with the same arguments."""
    source, statement = case.at(call.where)
    made = loss_call(case, source, statement)
    if name_of(made.func).split(".")[-1] != call.function:
        chosen = origin(source, made.func)
        name = name_of(chosen.func if isinstance(chosen, ast.Call) else chosen).split(".")[-1]
        model = made.args[0] if made.args else made
        given = [one.args[0] for one in within(source.tree) if name_of(one.func) == name_of(made.func) and one.args]
        if any(_maker(source, one) != _maker(source, model) for one in given):
            raise Unclear("the loss is used in other places, and may be given logits there")
        if isinstance(chosen, ast.Call) and name == MODULES[call.function]:
            return _renamed(source, chosen, chosen.func, name, MODULES[wanted], refused)
        raise Unclear("the loss is chosen in some other way")
    return _renamed(source, made, made.func, call.function, wanted, refused)


def _maker(source: Source, value: ast.expr) -> str:
    """Return what was called to make a value: the name of a model, as a rule."""
    if isinstance(value, ast.Call):
        inner = (
            receiver(value)
            if isinstance(value.func, ast.Attribute) and isinstance(value.func.value, ast.Call)
            else None
        )
        return name_of(value.func) if inner is None else _maker(source, inner)
    if isinstance(value, ast.Name):
        nodes = [node for node in ast.walk(source.function(value)) if isinstance(node, ast.Assign)]
        made = {
            _maker(source, node.value) for node in nodes if value.id in names(node) and isinstance(node.value, ast.Call)
        }
        return made.pop() if len(made) == 1 else ""
    return ""


def _renamed(
    source: Source, call: ast.Call, function: ast.expr, old: str, new: str, refused: tuple[str, ...]
) -> Proposal:
    if any(keyword(call, name) for name in refused):
        raise Unclear(f"{new} knows no {' or '.join(refused)}")
    if not isinstance(function, ast.Attribute):
        raise Unclear(f"{new} would have to be imported")
    end = source.span(function)[1]
    edit = Edit(start=end - len(old), end=end, text=new.encode())
    return Proposal(source=source, edits=(edit,), text=f"{new} in place of {old}", loss_factor=None)


PATCHES = {
    "softmax-before-cross-entropy": drop_softmax,
    "sigmoid-before-bce-with-logits": drop_sigmoid,
    "relu-on-output": drop_last_activation,
    "softmax-over-one-unit": drop_lone_softmax,
    "nll-without-log-softmax": logits_to_nll,
    "kl-div-input-not-log": logarithm_to_kl,
}
