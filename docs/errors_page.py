"""The page of all error messages, read from the source: each place where an error is made, with its sentences."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trainwright import errors

SOURCE = Path(errors.__file__).parent
_HEAD = """# Error messages

Everything that trainwright raises on purpose is a `tw.TrainwrightError` and says what happened, on what evidence, and
what to do; the command line prints it without a traceback. This page is read from the source: {count} places where one
is made. `{{...}}` is filled in when it happens; "…" is a text that is put together elsewhere. What is wrong with a
*training* is no error but a [finding](diagnoses.md).

| class | exit status | what it says |
|---|---|---|
{classes}
"""
_KINDS = ("UsageError", "RecipeError", "DataError", "ModelError", "RunError", "TrainwrightError")


@dataclass(frozen=True, kw_only=True)
class Message:
    """One place where an error is made."""

    kind: str
    where: str
    what: str
    evidence: str
    remedy: str


def messages() -> list[Message]:
    """Return every message of the source, by class, then by file and line."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        room = path.relative_to(SOURCE).with_suffix("").as_posix()
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
        found += [_message(node, room) for node in calls if isinstance(node.func, ast.Name) and node.func.id in _KINDS]
    return sorted(found, key=lambda each: (_KINDS.index(each.kind), each.where))


def _message(node: ast.Call, room: str) -> Message:
    assert isinstance(node.func, ast.Name)
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    evidence, remedy = (_said(given[name]) if name in given else "" for name in ("evidence", "remedy"))
    return Message(kind=node.func.id, where=room, what=_said(node.args[0]), evidence=evidence, remedy=remedy)


def _said(node: ast.expr) -> str:
    """Return the text of an expression, with what is filled in as {name}."""
    return "".join(_pieces(node))


def _pieces(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant):
        yield str(node.value)
    elif isinstance(node, ast.JoinedStr):
        for value in node.values:
            yield from _pieces(value.value if isinstance(value, ast.FormattedValue) else value)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        yield from _pieces(node.left)
        yield from _pieces(node.right)
    elif isinstance(node, ast.IfExp):
        yield " / ".join(filter(None, (_said(node.body), _said(node.orelse))))
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "did_you_mean":
        yield "did you mean '{nearest}'? (or: known: {all})"
    elif isinstance(node, ast.Name):
        yield f"{{{node.id}}}"
    elif isinstance(node, ast.Attribute):
        yield f"{{{node.attr}}}"
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "join":
        yield "{list}"
    else:
        yield "…"


def page() -> str:
    """Return the page."""
    told = messages()
    rows = []
    for name in _KINDS:
        kind = getattr(errors, name)
        words = " ".join((kind.__doc__ or "").split("\n\n")[0].split())
        shown = f"[`{name}`](#{name.lower()})" if any(each.kind == name for each in told) else f"`{name}`"
        rows.append(f"| {shown} | {kind.exit_status} | {words} |")
    parts = [_HEAD.format(count=len(told), classes="\n".join(rows))]
    for name in _KINDS:
        of_kind = [message for message in told if message.kind == name]
        lines = [
            f"| {_cell(each.what)} | {_cell(each.evidence)} | {_cell(each.remedy)} | `{each.where}` |"
            for each in dict.fromkeys(of_kind)
        ]
        if lines:
            head = ["| what | evidence | remedy | in |", "|---|---|---|---|"]
            parts.append("\n".join([f"## {name}", "", *head, *lines]))
    return "\n\n".join(parts) + "\n"


_WRITTEN = (("&", "&amp;"), ("\n", " "), ("|", "&#124;"), ("<", "&lt;"), ("*", "&#42;"), ("_", "&#95;"), ("[", "&#91;"))
_BRACES = (("{", "&#123;"), ("}", "&#125;"), ("`", "&#96;"))
"""Braces at the end of a cell would be taken for its attributes, and vanish."""


def _cell(text: str) -> str:
    for plain, written in (*_WRITTEN, *_BRACES):
        text = text.replace(plain, written)
    return text
