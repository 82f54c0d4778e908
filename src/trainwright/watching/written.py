"""What a trace cannot know, read from the source around a line that ran: a short search by the syntax tree.

Which tensor a variable holds, and where it was put aside, leaves no event in torch. Each function here looks through
the function (or the module) in which a line lies, says a line only where the text leaves no doubt, and parses source:
ask once, when something was found already.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from trainwright.watching.places import Place
from trainwright.watching.syntax import scope_of, statements, text_of, tree_of

_CUTTING = frozenset({"detach", "item", "numpy", "tolist", "argmax", "round", "sign"})
_MAKING = frozenset({"tensor", "as_tensor", "from_numpy", "Variable"})
_LETTING_GO = frozenset({"detach", "item", "numpy", "tolist", "cpu_item", "float", "int", "round"})
_GATHERING = frozenset({"append", "add", "extend", "insert", "update", "put", "appendleft"})
_FILLING = frozenset({"zero_", "fill_", "zeros_", "ones_", "constant_"})
_LINKS = 8  # names that a loss is followed through


def keeping_line(backward: Place | None) -> Place | None:
    """Return the line that keeps a loss of which `backward` is called: `total += loss`, `losses.append(loss)`.

    None where no line, or more than one, puts aside what the loss holds without letting go of its graph.
    """
    scope = scope_of(backward)
    if backward is None or scope is None:
        return None
    names = {*_losses(scope, backward[1])}
    found = {node.lineno for node in ast.walk(scope) if isinstance(node, ast.stmt) and _keeps(node, names)}
    return (backward[0], found.pop()) if len(found) == 1 else None


def losing_line(backward: Place | None) -> Place | None:
    """Return the line nearest before `backward` on which the loss was cut off: `.detach()`, `torch.tensor(loss)`."""
    scope = scope_of(backward)
    if backward is None or scope is None:
        return None
    wanted, found = {*_losses(scope, backward[1])}, []
    statements = [
        node for node in ast.walk(scope) if isinstance(node, ast.Assign | ast.AugAssign) and node.lineno <= backward[1]
    ]
    for _ in range(_LINKS):
        made = [node for node in statements if _targets(node) & wanted]
        found = [node.lineno for node in made if _cuts(node.value)]
        used = {name for node in made for name in _names(node.value)} - wanted
        if found or not used:
            break
        wanted = used
    return (backward[0], max(found)) if found else None


def freezing_line(made: Place | None) -> Place | None:
    """Return the only line of the file of `made` that takes `requires_grad` away from parameters."""
    tree = None if made is None else tree_of(made[0])
    if made is None or tree is None:
        return None
    found = {node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assign | ast.Call) and _freezes(node)}
    return (made[0], found.pop()) if len(found) == 1 else None


def filling_line(near: Place | None) -> Place | None:
    """Return the only line of the file of `near` that fills a tensor, which is no gradient, with one value."""
    tree = None if near is None else tree_of(near[0])
    if near is None or tree is None:
        return None
    found = {
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _FILLING
        and not {"grad", "bias"} & {*_attributes(node)}
    }
    return (near[0], found.pop()) if len(found) == 1 else None


def keeping_attribute(owner: object, attribute: str) -> Place | None:
    """Return the only line of the class of `owner` that says `self.attribute = ...`."""
    code = getattr(type(owner).__init__, "__code__", None)
    tree = None if code is None else tree_of(code.co_filename)
    if code is None or tree is None:
        return None
    name = type(owner).__name__
    found = {
        node.lineno
        for inside in ast.walk(tree)
        if isinstance(inside, ast.ClassDef) and inside.name == name
        for node in ast.walk(inside)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Attribute) and target.attr == attribute
    }
    return (code.co_filename, found.pop()) if len(found) == 1 else None


def uncalled_line(file: str, name: str) -> Place | None:
    """Return the only line of a file that is nothing but `thing.name`: a method that is named, and not called."""
    tree = tree_of(file)
    found = {
        node.lineno
        for node in ([] if tree is None else ast.walk(tree))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Attribute) and node.value.attr == name
    }
    return (file, found.pop()) if len(found) == 1 else None


def compared_with_name(answered: Place | None) -> bool:
    """Say whether the answers that a line takes are compared, by `==`, with something that has a name, as labels have.

    With `y`, or `batch.y`; what is itself a comparison, as `y == 0` is, asks for another class.
    """
    scope = scope_of(answered)
    if answered is None or scope is None:
        return False
    line = answered[1]
    made = {
        name
        for node in ast.walk(scope)
        if isinstance(node, ast.Assign) and node.lineno == line
        for name in _targets(node)
    }
    for node in ast.walk(scope):
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq):
            sides = (node.left, node.comparators[0])
            for one, other in (sides, sides[::-1]):
                inline = node.lineno == line and any(isinstance(part, ast.Compare) for part in ast.walk(one))
                named = isinstance(other, ast.Name | ast.Attribute) and not made & {*_names(other)}
                if named and (inline or made & {*_names(one)}):
                    return True
    return False


_TEST = re.compile(
    r"(^|_)test(_(?!time|size|every|step|freq|interval|mode|share|fraction)|s?$|set|loader|data)|^[xXyY]te$"
)
_BEST = re.compile(r"best|lowest|highest|^min_|^max_|(^|_)(min|max)_(loss|acc)")
_TELLING = re.compile(r"(?s)^(?=.*(?:test|\b[xXyY]te\b)).*(?:best|lowest|highest|\b(?:min|max)_|_(?:min|max)_)")
"""What a file holds that has a name of both."""


def chosen_by_test(file: str) -> tuple[int, str, str] | None:
    """Return line, name and data of a figure that is computed from what the program calls test data, and decides.

    In a loop it is compared with the best so far, which then becomes it: `if loss < best: best = loss`.
    """
    if not _TELLING.search(text_of(file)):
        return None
    tree = tree_of(file)
    for loop in statements(tree) if tree is not None else ():
        if not isinstance(loop, ast.For | ast.While):
            continue
        inside = [*statements(loop)]
        figures = {}
        for node in inside:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                data = [name for part in node.value.args for name in _names(part) if _TEST.search(name)]
                figures |= {name: (node.lineno, name, data[0]) for name in _targets(node) if data}
        for node in inside:
            if figures and isinstance(node, ast.If) and (chosen := _decided(node) & figures.keys()):
                return figures[min(chosen)]
    return None


def _decided(node: ast.If) -> set[str]:
    """Return the names that a condition compares with the best so far, and that become it where it holds."""
    compared: set[str] = set()
    for part in ast.walk(node.test):
        if isinstance(part, ast.Compare) and len(part.comparators) == 1:
            sides = [{*_names(part.left)}, {*_names(part.comparators[0])}]
            for one, other in (sides, sides[::-1]):
                compared |= one if any(_BEST.search(name) for name in other) else set()
    kept: set[str] = set()
    for inner in node.body:
        if isinstance(inner, ast.Assign) and any(_BEST.search(name) for name in _targets(inner)):
            kept |= {*_names(inner.value)}
    return {name for name in compared & kept if not _BEST.search(name)}


def _losses(scope: ast.AST, line: int) -> Iterator[str]:
    """Yield the names in what `backward` is called of on a line."""
    for node in ast.walk(scope):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("backward", "manual_backward")
            and node.lineno <= line <= (node.end_lineno or node.lineno)
        ):
            yield from _names(node.args[0] if node.func.attr == "manual_backward" and node.args else node.func.value)


def _keeps(node: ast.stmt, names: set[str]) -> bool:
    if isinstance(node, ast.AugAssign):
        return not {*_names(node.target)} & names and _holds(node.value, names)
    if isinstance(node, ast.Assign):
        # Into a place of a list, or into a value that goes on from its last one: total = total + loss.
        place = any(isinstance(target, ast.Subscript) for target in node.targets)
        goes_on = bool(_targets(node) & {*_names(node.value)} - names)
        return (place or goes_on) and not _targets(node) & names and _holds(node.value, names)
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
        call = node.value
        return node.value.func.attr in _GATHERING and any(_holds(part, names) for part in call.args)
    return False


def _holds(value: ast.expr, names: set[str]) -> bool:
    """Say whether an expression still holds the graph of one of the names: no call on the way lets go of it."""
    if isinstance(value, ast.Name):
        return value.id in names
    if isinstance(value, ast.Call):
        called = value.func
        name = called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
        if name in _LETTING_GO:
            return False
        inside = [*value.args, *([called.value] if isinstance(called, ast.Attribute) else [])]
        return any(_holds(part, names) for part in inside)
    if isinstance(value, ast.Attribute):
        return value.attr not in ("data", "shape") and _holds(value.value, names)
    return any(_holds(part, names) for part in ast.iter_child_nodes(value) if isinstance(part, ast.expr))


def _cuts(value: ast.expr) -> bool:
    for node in ast.walk(value):
        if isinstance(node, ast.Attribute) and node.attr == "data":
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in _CUTTING:
                return True
            if node.func.attr in _MAKING and any(isinstance(part, ast.Name | ast.Call) for part in node.args):
                return True
    return False


def _freezes(node: ast.Assign | ast.Call) -> bool:
    value = node.value if isinstance(node, ast.Assign) else node.args[0] if node.args else None
    if not (isinstance(value, ast.Constant) and value.value is False):
        return False
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) and node.func.attr == "requires_grad_"
    return any(isinstance(target, ast.Attribute) and target.attr == "requires_grad" for target in node.targets)


def _targets(node: ast.stmt) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AugAssign) else []
    return {name for target in targets for name in _names(target)}


def _names(node: ast.AST) -> Iterator[str]:
    return (part.id for part in ast.walk(node) if isinstance(part, ast.Name))


def _attributes(node: ast.AST) -> Iterator[str]:
    return (part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute))
