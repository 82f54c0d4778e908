"""The loss itself: its shapes, its dimension, its sign, its graph."""

from __future__ import annotations

import ast

from trainwright.healing.case import Case, Proposal
from trainwright.healing.code import atom, calls, keyword, method, name_of, names, only, receiver, within
from trainwright.healing.entering import loss_call
from trainwright.healing.source import Edit, Source, Unclear


def classes_along_one(case: Case) -> Proposal:
    """A softmax along dimension 1, not along the samples."""
    source, statement = case.here()
    found = []
    for call in calls(statement):
        if name_of(call.func).split(".")[-1].lower().replace("_", "") in ("softmax", "logsoftmax") or method(call) in (
            "softmax",
            "log_softmax",
        ):
            found += [one for one in (*call.args, keyword(call, "dim")) if isinstance(one, ast.Constant)]
    value = only([one for one in found if one.value == 0 and not isinstance(one.value, bool)], "dim=0 on that line")
    return Proposal(
        source=source, edits=(source.replace(value, "1"),), text="softmax along the classes", loss_factor=None
    )


def same_shape(case: Case) -> Proposal:
    """`.squeeze(-1)` for the one of output and target that has a column too many."""
    source, statement = case.here()
    ours, theirs = case.evidence("shape of what enters"), case.evidence("shape of the targets")
    if ours is None:
        return _same_shape_by_hand(case, source, statement)
    shapes = [tuple(ast.literal_eval(str(one))) for one in (ours, theirs)]
    longer = 0 if len(shapes[0]) > len(shapes[1]) else 1
    if shapes[longer] != (*shapes[1 - longer], 1):
        raise Unclear(f"the shapes are {ours} and {theirs}")
    call = loss_call(case, source, statement)
    names = ("input", "target")
    given = call.args[longer] if longer < len(call.args) else keyword(call, names[longer])
    if given is None or any(isinstance(one, ast.Starred) for one in call.args):
        raise Unclear("what the loss is given is not written there")
    edit = source.replace(given, f"{atom(source, given)}.squeeze(-1)")
    return Proposal(source=source, edits=(edit,), text="both of the same shape", loss_factor=None)


def _same_shape_by_hand(case: Case, source: Source, statement: ast.stmt) -> Proposal:
    if not str(case.evidence("shape of the model's output")).endswith(", 1)"):
        raise Unclear("it is the target that has a column too many")
    model = case.model(source)
    found = []
    for one in source.block(statement):
        for node in ast.walk(one):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
                found += [side for side in (node.left, node.right) if _gives(source, side, model)]
    side = only(found, "difference of output and target")
    edit = source.replace(side, f"{atom(source, side)}.squeeze(-1)")
    return Proposal(source=source, edits=(edit,), text="both of the same shape", loss_factor=None)


def _gives(source: Source, value: ast.expr, model: str) -> bool:
    """Say whether an expression is the model's output: its call, or the name that this is kept under."""
    if isinstance(value, ast.Call):
        return name_of(value.func) == model
    if not isinstance(value, ast.Name):
        return False
    made = [
        node for node in ast.walk(source.function(value)) if isinstance(node, ast.Assign) and value.id in names(node)
    ]
    return len(made) > 0 and all(isinstance(one.value, ast.Call) and name_of(one.value.func) == model for one in made)


def keep_detached(case: Case) -> Proposal:
    """`loss.detach()` where a loss is kept."""
    source = case.source(case.loop.backward_where)
    backward, value = case.loss(source)
    loss = name_of(value)
    if not loss:
        raise Unclear("the loss has no name")
    loops = source.loops(backward)
    kept: list[ast.expr] = []
    for statement in ast.walk(loops[-1] if loops else source.function(backward)):
        match statement:
            case ast.AugAssign(op=ast.Add(), value=ast.Name(id=name) as value) if name == loss:
                kept.append(value)
            case ast.Assign(value=ast.BinOp(op=ast.Add(), left=left, right=right)):
                kept += [
                    side for side in (left, right) if name_of(side) == loss and _same_place(statement, left, right)
                ]
            case ast.Expr(value=ast.Call(args=args) as outer) if method(outer) not in ("backward", "print", "scale"):
                if isinstance(outer.func, ast.Attribute):
                    kept += [value for value in args if name_of(value) == loss]
    value = only(kept, f"line that keeps {loss}")
    edit = source.replace(value, f"{loss}.detach()")
    return Proposal(source=source, edits=(edit,), text="the number is kept, and not the graph behind it")


def _same_place(statement: ast.Assign, left: ast.expr, right: ast.expr) -> bool:
    target = name_of(statement.targets[0])
    return bool(target) and target in (name_of(left), name_of(right))


def keep_graph(case: Case) -> Proposal:
    """The line that makes a new leaf of the loss, left out."""
    source, _ = case.here()
    backward, value = case.loss(source)
    loss, block = name_of(value), source.block(backward)
    found: list[ast.stmt] = []
    for one in block[: block.index(backward)]:
        match one:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as made) if name == loss:
                cut = any(method(inner) in ("item", "detach", "numpy") for inner in within(made))
                own = any(isinstance(node, ast.Name) and node.id == loss for node in ast.walk(made))
                plain = all(
                    name_of(inner.func).split(".")[-1] in ("tensor", "Variable", "item", "detach", "requires_grad_")
                    or method(inner) in ("item", "detach", "requires_grad_")
                    for inner in within(made)
                )
                found += [one] if cut and own and plain else []
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as made) if method(made) == "requires_grad_":
                found += [one] if any(name_of(node) == name for node in ast.walk(made)) else []
    return Proposal(
        source=source,
        edits=(source.delete(only(found, "line that rebuilds the loss")),),
        text="the loss keeps its graph",
    )


def downhill(case: Case) -> Proposal:
    """The minus before the loss, left out; or `maximize=True` of the optimizer."""
    source = case.source(case.loop.backward_where)
    backward, value = case.loss(source)
    name, block = name_of(value), source.block(backward)
    given = [value] if not name else []
    for one in block[: block.index(backward)] if name else []:
        if isinstance(one, ast.Assign) and name in names(one):
            given = [one.value]
    found: list[tuple[ast.expr, str]] = [
        (one, atom(source, one.operand))
        for one in given
        if isinstance(one, ast.UnaryOp) and isinstance(one.op, ast.USub)
    ]
    made_in, _, made = case.optimizer()
    ascent = keyword(made, "maximize")
    if made_in is source and isinstance(ascent, ast.Constant) and ascent.value is True:
        found.append((ascent, "False"))
    node, text = only(found, "minus before the loss")
    edit = source.replace(node, text)
    return Proposal(source=source, edits=(edit,), text="the loss is minimised", loss_factor=None)


def logarithm_of_softmax(case: Case) -> Proposal:
    """`log_softmax(z)` in place of `log(softmax(z))`."""
    source, statement = case.here()
    found = []
    for call in calls(statement):
        inner = call.args[0] if call.args else receiver(call) if method(call) == "log" else None
        last = name_of(call.func).split(".")[-1] or method(call)
        if (
            last == "log"
            and isinstance(inner, ast.Call)
            and (name_of(inner.func).split(".")[-1] or method(inner)) == "softmax"
        ):
            found.append((call, inner))
    call, inner = only(found, "log(softmax()) on that line")
    assert isinstance(inner.func, ast.Attribute | ast.Name)
    start, end = source.span(inner.func)
    last = "softmax"
    begin, finish = source.span(call)
    opening, closing = source.span(inner)
    edits = (
        Edit(start=begin, end=opening, text=b""),
        Edit(start=end - len(last), end=end, text=b"log_softmax"),
        Edit(start=closing, end=finish, text=b""),
    )
    assert start >= opening
    return Proposal(source=source, edits=edits, text="log_softmax, which cannot underflow")


PATCHES = {
    "softmax-wrong-dimension": classes_along_one,
    "loss-shape-broadcast": same_shape,
    "graph-kept-alive": keep_detached,
    "loss-detached": keep_graph,
    "loss-maximised": downhill,
    "non-finite-loss": logarithm_of_softmax,
}
