"""What enters the loss: the statement that applies an activation, and the program without it."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from trainwright.healing.case import Case
from trainwright.healing.code import calls, method, name_of, names, only, receiver, within
from trainwright.healing.origin import origin
from trainwright.healing.source import Edit, Source, Unclear, bound
from trainwright.records.loss_call import LossCall

MODULES = {
    "nll_loss": "NLLLoss",
    "cross_entropy": "CrossEntropyLoss",
    "binary_cross_entropy": "BCELoss",
    "binary_cross_entropy_with_logits": "BCEWithLogitsLoss",
    "mse_loss": "MSELoss",
    "l1_loss": "L1Loss",
    "smooth_l1_loss": "SmoothL1Loss",
    "huber_loss": "HuberLoss",
    "kl_div": "KLDivLoss",
}
"""Losses as functions, and as modules."""
ACTIVATIONS = {
    "Softmax": ("softmax", "Softmax"),
    "LogSoftmax": ("log_softmax", "LogSoftmax"),
    "Sigmoid": ("sigmoid", "Sigmoid"),
    "Tanh": ("tanh", "Tanh"),
    "Relu": ("relu", "ReLU"),
}
"""Operations of the graph, and how they are written."""


def loss_calls(case: Case) -> tuple[LossCall, ...]:
    """Return the losses that were seen to be called."""
    output = case.chart.info.output
    return output.calls if output is not None else ()


def entering(case: Case, operations: tuple[str, ...]) -> LossCall:
    """Return the first call of a loss that one of these operations goes into; of the finding's line where it is one."""
    found = [call for call in loss_calls(case) if call.input.operation in operations]
    here = [call for call in found if case.finding.where in (call.where, call.input.where)]
    line = case.finding.where.line
    nearer = [call for call in found if line is not None and line in (call.where.line, call.input.where.line)]
    for call in (*here, *nearer, *found):
        return call
    raise Unclear("the operation before the loss was not seen")


def applied(case: Case, call: LossCall) -> tuple[Source, ast.stmt]:
    """Return the statement that applies the operation before a loss."""
    if call.input.where.file is not None:
        return case.at(call.input.where)
    source, statement = case.at(call.where)
    made = loss_call(case, source, statement)
    if made.args and isinstance(made.args[0], ast.Name):
        name = made.args[0].id
        block = source.block(statement)
        given = [one for one in block if isinstance(one, ast.Assign) and name in names(one)]
        return source, only(given, f"line beside the loss that makes {name}")
    return source, statement


def loss_call(case: Case, source: Source, statement: ast.stmt) -> ast.Call:
    """Return the call of the loss in a statement: the outermost with an output and a target."""
    found = [call for call in calls(statement) if len(call.args) + len(call.keywords) >= 2]
    known = [call for call in found if name_of(call.func).split(".")[-1] in MODULES]
    outer = [call for call in found if not any(one is not call and one in found for one in source.parents(call))]
    return only(known or outer, "call of a loss on that line")


def applications(
    case: Case, source: Source, statement: ast.stmt, function: str, module: str
) -> Iterable[tuple[ast.Call, ast.expr]]:
    """Yield each call in a statement that applies an activation, and what it is applied to."""
    modules = {
        name for node in ast.walk(source.tree) if isinstance(node, ast.Import | ast.ImportFrom) for name in bound(node)
    }
    for call in calls(statement):
        name = name_of(call.func)
        if name.split(".")[-1] == function and name.split(".")[0] in modules and call.args:
            yield call, call.args[0]
        elif method(call) == function and name.split(".")[0] not in modules:
            yield call, receiver(call)
        elif name and len(call.args) == 1 and method(call) != function:
            try:
                made = origin(source, call.func)
            except Unclear:
                continue
            if isinstance(made, ast.Call) and name_of(made.func).split(".")[-1] == module:
                yield call, call.args[0]


def without_layer(source: Source, module: str) -> Edit:
    """Return the edit that takes the last layer out of the only Sequential that ends in such a module."""
    several = [call for call in within(source.tree) if is_module(call, "Sequential") and len(call.args) > 1]
    ends = [call for call in several if is_module(call.args[-1], module)]
    if not ends:
        return _popped(source, module)
    call = only(ends, f"Sequential that ends in {module}")
    start, end = source.span(call.args[-2])[1], source.span(call.args[-1])[1]
    if b"#" in source.content[start:end]:
        raise Unclear("there is a comment beside the layer")
    return Edit(start=start, end=end, text=b"")


def _popped(source: Source, module: str) -> Edit:
    """Return the edit that takes such a layer off the end of the list that the only Sequential is made of."""
    made = [call for call in within(source.tree) if is_module(call, "Sequential")]
    lists = [call for call in made if [type(one) for one in call.args] == [ast.Starred]]
    call = only(lists, f"Sequential that ends in {module}")
    starred = call.args[0]
    name = name_of(starred.value) if isinstance(starred, ast.Starred) else ""
    last: ast.expr | None = None
    for node in ast.walk(source.function(call)):
        match node:
            case ast.AugAssign(target=ast.Name(id=target), value=ast.List(elts=[*_, part])) if target == name:
                newest = part
            case ast.Call(func=ast.Attribute(value=ast.Name(id=target), attr="append"), args=[part]) if target == name:
                newest = part
            case _:
                continue
        if node.lineno < call.lineno and (last is None or newest.lineno >= last.lineno):
            last = newest
    if last is None or not is_module(last, module):
        raise Unclear(f"the list of layers does not end in {module}")
    return source.insert_before(source.holder(call), f"{name}.pop()")


def is_module(node: ast.AST, module: str) -> bool:
    """Say whether an expression makes a module of this class."""
    return isinstance(node, ast.Call) and name_of(node.func).split(".")[-1] == module
