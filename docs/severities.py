"""Which severities a diagnosis may have, read from the source: each place that makes a finding of it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import trainwright
from trainwright.doctor.kind import Kind

SOURCE = Path(trainwright.__file__).parent
_ORDER = ("note", "warning", "error")


def told(kind: Kind) -> str:
    """Return the severity as a page says it: the usual one, and where what was measured makes it another."""
    article = {"note": "a note", "warning": "a warning", "error": "an error"}
    usual = _ORDER.index(kind.severity)
    milder, graver = (
        [each for each in part if each in _found()[kind.code]] for part in (_ORDER[:usual], _ORDER[usual + 1 :])
    )
    words = article[kind.severity]
    for part, weight in ((milder, "weaker or little is harmed"), (graver, "stronger or much is harmed")):
        words += f", or {' or '.join(article[each] for each in part)} where the evidence is {weight}" if part else ""
    return words


def short(kind: Kind) -> str:
    """Return the usual severity, and in brackets those that it may have as well."""
    others = [each for each in _ORDER if each in _found()[kind.code] and each != kind.severity]
    return kind.severity + (f" ({', '.join(others)})" if others else "")


@cache
def _found() -> Mapping[str, frozenset[str]]:
    """Return the severities of each code, by the calls of its `finding` in the rules and the checks."""
    names: dict[str, str] = {}
    found: dict[str, set[str]] = {}
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(SOURCE.rglob("*.py"))}
    for tree in trees.values():
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and _is(node.value.func, "Kind"):
                given = {keyword.arg: keyword.value for keyword in node.value.keywords}
                code = ast.literal_eval(given["code"])
                names |= {target.id: code for target in node.targets if isinstance(target, ast.Name)}
                found.setdefault(code, set()).update(["error"] if "error_with" in given else [])
    for tree in trees.values():
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
            for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
                if isinstance(call.func, ast.Attribute) and call.func.attr == "finding":
                    code = names.get(call.func.value.id) if isinstance(call.func.value, ast.Name) else None
                    for keyword in call.keywords if code else ():
                        if keyword.arg == "severity":
                            found[str(code)] |= _words(keyword.value, function, tree)
    return {code: frozenset(each) for code, each in found.items()}


def _words(value: ast.expr, function: ast.FunctionDef, tree: ast.Module) -> set[str]:
    """Return the severities that an expression may be; of one that is handed in, all that its file names."""
    if isinstance(value, ast.Name):
        made = [
            node.value for node in ast.walk(function) if isinstance(node, ast.Assign) and _is(node.targets[0], value.id)
        ]
        return set().union(*(_constants(each) for each in made)) or _constants(tree)
    return _constants(value) or _constants(tree)


def _constants(node: ast.AST) -> set[str]:
    return {each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and each.value in _ORDER}


def _is(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
