"""What the model and the optimizer hold."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from itertools import pairwise

from trainwright.healing.case import Case, Proposal
from trainwright.healing.code import argument_added, calls, imported, name_of, only
from trainwright.healing.origin import origin
from trainwright.healing.source import Edit, Source, Unclear, bound


def all_parameters(case: Case) -> Proposal:
    """`model.parameters()` for what the optimizer was given."""
    source, statement, call = case.optimizer()
    if "no longer" in case.finding.title or case.finding.severity == "note":
        raise Unclear("the optimizer was made for other weights")
    if not call.args or isinstance(call.args[0], ast.List | ast.ListComp | ast.Starred):
        raise Unclear("the optimizer has groups of its own")
    model = case.model(source)
    if any(isinstance(one, ast.FunctionDef) for one in [source.function(statement)]) and not _known(
        source, statement, model
    ):
        raise Unclear(f"{model} is not known where the optimizer is made")
    given = call.args[0]
    if isinstance(given, ast.Name) and isinstance(origin(source, given), ast.List):
        raise Unclear("the optimizer has groups of its own")
    edit = source.replace(given, f"{model}.parameters()")
    return Proposal(source=source, edits=(edit,), text=f"the optimizer gets all parameters of {model}")


def _known(source: Source, statement: ast.stmt, name: str) -> bool:
    function = source.function(statement)
    return any(isinstance(node, ast.Name) and node.id == name.split(".")[0] for node in ast.walk(function))


def registered(case: Case) -> Proposal:
    """`nn.ModuleList` or `nn.ModuleDict` around layers that were kept in a plain list or dict."""
    attribute = str(case.evidence("held in") or "").split(".")[-1]
    source = case.source(case.finding.where)
    found = []
    for node in ast.walk(source.tree):
        match node:
            case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"), attr=name)], value=value) if (
                name == attribute
            ):
                found.append(value)
            case ast.AnnAssign(
                target=ast.Attribute(value=ast.Name(id="self"), attr=name), value=ast.expr() as value
            ) if name == attribute:
                found.append(value)
    value = only(found, f"place where self.{attribute or '?'} is set")
    match value:
        case ast.List() | ast.ListComp():
            wanted = "ModuleList"
        case ast.Dict(keys=keys) if all(isinstance(key, ast.Constant) and isinstance(key.value, str) for key in keys):
            wanted = "ModuleDict"
        case ast.DictComp():
            wanted = "ModuleDict"
        case _:
            raise Unclear("it is neither a list nor a dict with names")
    start, end = source.span(value)
    before = f"{imported(source, 'torch.nn')}.{wanted}("
    edits = (Edit(start=start, end=start, text=before.encode()), Edit(start=end, end=end, text=b")"))
    return Proposal(source=source, edits=edits, text=f"the layers are registered, in an nn.{wanted}")


def once(case: Case) -> Proposal:
    """The line that makes the optimizer, moved before the loop."""
    source, statement = case.here()
    loops = source.loops(statement)
    if not loops or not isinstance(statement, ast.Assign):
        raise Unclear("the optimizer is made in a function of its own")
    outer = loops[-1]
    inside = {name for node in ast.walk(outer) for name in bound(node)}
    wanted = {node.id for node in ast.walk(statement.value) if isinstance(node, ast.Name)}
    if inside & wanted:
        raise Unclear(f"it needs {', '.join(sorted(inside & wanted))}, which the loop sets")
    return Proposal(source=source, edits=source.move_before(statement, outer), text="one optimizer for the whole run")


def graph_through(case: Case) -> Proposal:
    """`torch.enable_grad()` for the `torch.no_grad()` that cuts the model in two."""
    source, statement = case.here()
    if not isinstance(statement, ast.With):
        around = [node for node in source.parents(statement) if isinstance(node, ast.With)]
        statement = only(around, "`with torch.no_grad():` around that line")
    found = [call for call in calls(statement) if name_of(call.func).split(".")[-1] in ("no_grad", "inference_mode")]
    call = only(found, "torch.no_grad() on that line")
    if not isinstance(call.func, ast.Attribute):
        raise Unclear("enable_grad would have to be imported")
    edit = source.replace(call.func, f"{source.text(call.func.value)}.enable_grad")
    return Proposal(source=source, edits=(edit,), text="gradients flow through this part too")


def random_weights(case: Case) -> Proposal:
    """`xavier_uniform_` where a weight was set to a constant."""
    source, statement = case.here()
    found = [call for call in _within(statement) if _constant(call)]
    call = only(found, "line that sets a weight to a constant")
    function = call.func
    assert isinstance(function, ast.Attribute)
    edit = source.replace(call, f"{source.text(function.value)}.xavier_uniform_({source.text(call.args[0])})")
    return Proposal(source=source, edits=(edit,), text="the weights begin at random")


def _within(statement: ast.stmt) -> Iterable[ast.Call]:
    return calls(statement)


def _constant(call: ast.Call) -> bool:
    name = name_of(call.func).split(".")
    weight = bool(call.args) and name_of(call.args[0]).endswith("weight")
    return len(name) > 1 and name[-1] in ("zeros_", "ones_", "constant_") and weight


def norm_before_dropout(case: Case) -> Proposal:
    """Batch norm and the dropout right before it, swapped."""
    source = case.source(case.finding.where)
    edits: list[Edit] = []
    for node in ast.walk(source.tree):
        parts = node.args if isinstance(node, ast.Call) else node.elts if isinstance(node, ast.List | ast.Tuple) else []
        for one, other in pairwise(parts):
            if _module(one).startswith("Dropout") and _module(other).startswith("BatchNorm"):
                edits += [source.replace(one, source.text(other)), source.replace(other, source.text(one))]
    if not edits:
        raise Unclear("no dropout stands right before a batch norm in a list of layers")
    return Proposal(source=source, edits=tuple(edits), text="dropout behind the batch norm", loss_factor=None)


def _module(node: ast.AST) -> str:
    return name_of(node.func).split(".")[-1] if isinstance(node, ast.Call) else ""


def shuffled(case: Case) -> Proposal:
    """`shuffle=True` for the loader of the training data."""
    source, statement = case.here()
    names = {node.id for part in _head(statement) for node in ast.walk(part) if isinstance(node, ast.Name)}
    found = []
    for node in ast.walk(source.tree):
        match node:
            case ast.Call() if name_of(node.func).split(".")[-1] == "DataLoader":
                holder = source.holder(node)
                made = (
                    {name for one in ast.walk(holder) for name in bound(one)}
                    if isinstance(holder, ast.Assign)
                    else set()
                )
                if holder is statement or made & names:
                    found.append(node)
    if not found:
        return _drawn(source, statement)
    call = only(found, "DataLoader on that line")
    given = {one.arg: one.value for one in call.keywords}
    if {"sampler", "batch_sampler"} & set(given) or len(call.args) > 2:
        raise Unclear("the loader has a sampler of its own")
    if "shuffle" in given:
        value = given["shuffle"]
        if not isinstance(value, ast.Constant) or value.value is not False:
            raise Unclear("whether it shuffles is decided elsewhere")
        edit = source.replace(value, "True")
    else:
        edit = argument_added(source, call, "shuffle=True")
    return Proposal(source=source, edits=(edit,), text="the training data are shuffled", loss_factor=None)


def _drawn(source: Source, statement: ast.stmt) -> Proposal:
    """`torch.randperm(n)` for the `torch.arange(n)` of a generator of batches that this file defines."""
    names = {name_of(call.func) for part in _head(statement) for call in ast.walk(part) if isinstance(call, ast.Call)}
    functions = [node for node in ast.walk(source.tree) if isinstance(node, ast.FunctionDef) and node.name in names]
    found = []
    for function in functions:
        for node in ast.walk(function):
            match node:
                case ast.Assign(value=ast.Call(func=ast.Attribute(attr="arange"), args=[_]) as call):
                    found.append(call)
    call = only(found, "DataLoader, and no torch.arange(n) in a generator of batches")
    assert isinstance(call.func, ast.Attribute)
    edit = source.replace(call.func, f"{source.text(call.func.value)}.randperm")
    return Proposal(source=source, edits=(edit,), text="the batches are drawn at random", loss_factor=None)


def _head(statement: ast.stmt) -> list[ast.AST]:
    """Return a statement without its body."""
    return [statement.iter] if isinstance(statement, ast.For) else [statement]


PATCHES = {
    "parameters-not-in-optimizer": all_parameters,
    "parameters-frozen": all_parameters,
    "unregistered-submodule": registered,
    "optimizer-recreated": once,
    "parameters-without-gradient": graph_through,
    "symmetric-initialisation": random_weights,
    "dropout-before-batch-norm": norm_before_dropout,
    "data-not-shuffled": shuffled,
}
