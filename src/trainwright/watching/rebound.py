"""A step by hand that makes a new tensor: `w = w - rate * w.grad`, as the source says it."""

from __future__ import annotations

import ast
import re

from trainwright.watching.places import Place
from trainwright.watching.syntax import scope_of, statements, text_of, tree_of

_TELLING = re.compile(r"\b(\w+)\s*=\s*\(?\s*\1\b[^\n]*\b\1\.grad\b")
"""What a line holds that rebinds a name by its own gradient: most programs have none, and are not parsed."""
_MADE_LEAF = frozenset({"detach", "detach_", "requires_grad_", "clone", "tensor", "Parameter", "retain_grad"})
"""With one of these what took the place is a leaf again, or is meant to be none."""


def rebound_line(near: Place, *, inside: bool) -> tuple[Place, str] | None:
    """Return the only line of the file of `near` that rebinds a name by its own gradient, and that name.

    With `inside` the line must lie in the function that `near` lies in. None where the name is made a leaf again
    anywhere in what is read, or the line writes under `no_grad`, where what comes of it is no result of autograd's.
    """
    if not _TELLING.search(text_of(near[0])):
        return None
    tree = scope_of(near) if inside else tree_of(near[0])
    if tree is None:
        return None
    quiet = {id(part) for node in ast.walk(tree) if _without_grad(node) for part in ast.walk(node)}
    found = [
        (node.lineno, node.targets[0].id)
        for node in statements(tree)
        if isinstance(node, ast.Assign)
        and len(node.targets) == 1
        and isinstance(node.targets[0], ast.Name)
        and id(node) not in quiet
        and any(_subtracts(part, node.targets[0].id) for part in ast.walk(node.value))
    ]
    if len(found) != 1 or _made_leaf(tree, found[0][1]):
        return None
    line, name = found[0]
    return (near[0], line), name


def _subtracts(node: ast.AST, name: str) -> bool:
    """Say whether a node is the name less, or plus, something with the name's gradient."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Sub | ast.Add):
        return False
    if not isinstance(node.left, ast.Name) or node.left.id != name:
        return False
    return any(
        isinstance(part, ast.Attribute)
        and part.attr == "grad"
        and isinstance(part.value, ast.Name)
        and part.value.id == name
        for part in ast.walk(node.right)
    )


def _without_grad(node: ast.AST) -> bool:
    if isinstance(node, ast.With):
        return any("grad" in ast.unparse(item.context_expr) for item in node.items)
    if isinstance(node, ast.FunctionDef):
        return any("grad" in ast.unparse(decorator) for decorator in node.decorator_list)
    return False


def _made_leaf(tree: ast.AST, name: str) -> bool:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in _MADE_LEAF and any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(node)):
                return True
    return False
