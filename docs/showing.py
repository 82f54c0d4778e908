"""A program of docs/shown, which shows one kind: a few lines with the ward's markers, and what its picture is of.

Its docstring names the kind, and

    up: what is drawn upward, with its unit      "training loss" and the like are taken from the watcher
    across: what is drawn across                 an optimizer step where nothing is said; "..., logarithmic"
    shows: one sentence for who reads the page
    finds: what names it                         the watcher of the run, else the list `told` that the program leaves;
                                                 nothing, where no run names it
    form: points that are not joined; a linear axis; seconds that vary; two processes

What is drawn is the list `shown` of pairs that the program leaves behind, measured while it ran.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

from ward.program import Program

FOLDER = Path(__file__).parent / "shown"
_FACT = re.compile(r"^(up|across|shows|finds|form): (.+(?:\n    .+)*)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a program of docs/shown declares of itself."""

    program: Program
    up: str
    across: str
    shows: str
    watched: bool
    named: bool
    dots: bool
    linear: bool
    varies: bool
    processes: int


def shown_of(kind: str) -> Shown | None:
    """Return the program that shows a kind, None where there is none."""
    path = FOLDER / f"{kind.replace('-', '_')}.py"
    if not path.is_file():
        return None
    told = dict(_FACT.findall(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""))
    facts = {name: " ".join(text.split()) for name, text in told.items()}
    form = facts.get("form", "").split(", ")
    return Shown(
        program=Program.read(path),
        up=facts["up"],
        across=facts.get("across", "optimizer step"),
        shows=facts["shows"],
        watched=facts.get("finds", "watch") in ("watch", "nothing"),
        named=facts.get("finds", "watch") != "nothing",
        dots="dots" in form,
        linear="linear" in form,
        varies="varies" in form,
        processes=2 if "two processes" in form else 1,
    )
