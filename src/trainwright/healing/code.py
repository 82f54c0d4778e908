"""Readings of a syntax tree that patches share."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from trainwright.healing.source import Edit, Source, Unclear, bound


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    """Yield all calls in a tree; of a compound statement those of its head, as its body has statements of its own."""
    if isinstance(tree, ast.stmt) and hasattr(tree, "body"):
        for name, value in ast.iter_fields(tree):
            if name not in ("body", "orelse", "finalbody", "handlers"):
                for part in value if isinstance(value, list) else [value]:
                    if isinstance(part, ast.AST):
                        yield from calls(part)
        return
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def within(tree: ast.AST) -> Iterator[ast.Call]:
    """Yield all calls in a tree, those of the body of a compound statement among them."""
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def method(call: ast.Call) -> str:
    """Return the name of the method that is called, "" where a function is."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def receiver(call: ast.Call) -> ast.expr:
    """Return the object whose method is called."""
    assert isinstance(call.func, ast.Attribute)
    return call.func.value


def name_of(node: ast.AST) -> str:
    """Return a dotted name as it is written, "" for what is none."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            outer = name_of(value)
            return f"{outer}.{attr}" if outer else ""
        case _:
            return ""


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """Return the value of a keyword, None where it is not given."""
    return next((one.value for one in call.keywords if one.arg == name), None)


def only(items: list, what: str):  # type: ignore[no-untyped-def]
    """Return the one item of a list. Raises `Unclear` where there are none, or several."""
    if len(items) != 1:
        raise Unclear(f"there {'are several' if items else 'is no'} {what}")
    return items[0]


def imported(source: Source, module: str) -> str:
    """Return by which name a module such as `torch.nn` can be reached in a file."""
    for node in ast.walk(source.tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    if alias.name == module and (alias.asname or "." not in module):
                        return alias.asname or module
            case ast.ImportFrom(module=outer, names=names) if outer:
                for alias in names:
                    if f"{outer}.{alias.name}" == module:
                        return alias.asname or alias.name
    if "." in module:
        outer, _, inner = module.rpartition(".")
        return f"{imported(source, outer)}.{inner}"
    raise Unclear(f"{module} is not imported")


def target_of(statement: ast.stmt) -> str:
    """Return the name that a statement gives to what it makes."""
    match statement:
        case ast.Assign(targets=[(ast.Name() | ast.Attribute()) as target]) if name_of(target):
            return name_of(target)
        case _:
            raise Unclear(f"what line {statement.lineno} makes has no name")


def names(statement: ast.Assign) -> set[str]:
    """Return the names that an assignment binds."""
    return set().union(*(bound(node) for target in statement.targets for node in ast.walk(target)))


def atom(source: Source, node: ast.expr) -> str:
    """Return an expression such that a method can be called on it, or it can stand where a call stood."""
    text = source.text(node)
    return text if isinstance(node, ast.Name | ast.Call | ast.Attribute | ast.Subscript) else f"({text})"


def argument_added(source: Source, call: ast.Call, text: str) -> Edit:
    """Return the edit that gives a call one more argument, as its last."""
    parts = [*call.args, *(one.value for one in call.keywords)]
    if not parts:
        end = source.span(call)[1] - 1
        return Edit(start=end, end=end, text=text.encode())
    end = max(source.span(part)[1] for part in parts)
    rest = source.content[end : source.span(call)[1]]
    if b"#" in rest or rest.count(b")") != 1:
        raise Unclear("the call is written in an unusual way")
    return Edit(start=end, end=end, text=f", {text}".encode())
