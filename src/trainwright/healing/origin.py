"""Where a value that is used somewhere was written down."""

from __future__ import annotations

import ast

from trainwright.healing.code import keyword, name_of, only, within
from trainwright.healing.source import Source, Unclear, bound, parameters

_DEEPEST = 6


def origin(source: Source, value: ast.expr, depth: int = _DEEPEST) -> ast.expr:
    """Return the expression in which a value has its origin: a literal, or what is computed there.

    Follows names that are assigned once, attributes that one class or one statement sets, and parameters of
    functions that are called once. Raises `Unclear` where the way forks.
    """
    if depth == 0:
        raise Unclear("the value comes a long way")
    match value:
        case ast.Name(id=name):
            function = source.function(value)
            if isinstance(function, ast.FunctionDef) and name in parameters(function):
                return origin(source, _argument(source, function, name), depth - 1)
            return origin(source, _assigned(source, name), depth - 1)
        case ast.Attribute(attr=name):
            return origin(source, _attribute(source, name), depth - 1)
        case _:
            return value


def _assigned(source: Source, name: str) -> ast.expr:
    values: list[ast.expr] = []
    for node in ast.walk(source.tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                values.append(value)
            case ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value) if target == name:
                values.append(value)
            case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=parts)):
                values += [part for one, part in zip(targets, parts, strict=False) if name_of(one) == name]
            case ast.Name(id=target, ctx=ast.Store()) if target == name:
                values += [] if _is_assignment(source, node) else [node, node]
            case _:
                continue
    return only(values, f"assignment of {name}" if not values else f"assignments of {name}")


def _is_assignment(source: Source, node: ast.AST) -> bool:
    holder = source.holder(node)
    return isinstance(holder, ast.Assign | ast.AnnAssign)


def _attribute(source: Source, name: str) -> ast.expr:
    """Return what an attribute is set to: in a class's body, in a method, or as an option of the command line."""
    values: list[ast.expr] = []
    for node in ast.walk(source.tree):
        match node:
            case ast.ClassDef(body=body):
                for statement in body:
                    match statement:
                        case ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value) if target == name:
                            values.append(value)
                        case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                            values.append(value)
            case ast.Assign(targets=[ast.Attribute(attr=target)], value=value) if target == name:
                values.append(value)
            case ast.Call(func=ast.Attribute(attr="add_argument")) if _option(node) == name:
                default = keyword(node, "default")
                values += [] if default is None else [default]
            case ast.keyword(arg=target, value=value) if target == name and isinstance(value, ast.Constant):
                call = next(source.parents(node))
                if isinstance(call, ast.Call) and any(name in bound(one) for one in ast.walk(source.tree)):
                    values.append(value)
    return only(values, f"place where {name} is set" if not values else f"places where {name} is set")


def _option(call: ast.Call) -> str:
    """Return the name under which `add_argument` keeps its value."""
    names = [one.value for one in call.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    long = next((name for name in names if name.startswith("--")), names[0] if names else "")
    return long.lstrip("-").replace("-", "_")


def _argument(source: Source, function: ast.FunctionDef, name: str) -> ast.expr:
    """Return what a parameter is given: by the only call of the function, or by its default."""
    made = [call for call in within(source.tree) if name_of(call.func).split(".")[-1] == function.name]
    call = only(made, f"call of {function.name}()" if not made else f"calls of {function.name}()")
    given = keyword(call, name)
    if given is not None:
        return given
    names = parameters(function)
    place = names.index(name) - (1 if names[0] == "self" else 0)
    if place < len(call.args):
        return call.args[place]
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = dict(zip([one.arg for one in reversed(positional)], reversed(arguments.defaults), strict=False))
    defaults |= {
        one.arg: value for one, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if value
    }
    if name not in defaults:
        raise Unclear(f"{function.name}() is not given {name}")
    return defaults[name]
