"""A program of the ward: its two variants, and what its docstring declares.

A program is an ordinary training script with three kinds of marker, all of which are gone from the variants:

    loss.backward()  # sick             only the sick variant has this line
    # fixed: optimizer.zero_grad()      the fixed variant has this line instead, or besides
    optimizer.step()  # here            a finding that points here is right (`# sick here` is both)
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Variant = Literal["sick", "fixed"]

_MARK = re.compile(r"  # (?P<words>sick here|sick|here)$")
_FIXED = re.compile(r"^(?P<indent>\s*)# fixed: (?P<code>.*)$")
_FACT = re.compile(r"^(kind|also|tasks|source|level|gap|unseen|place): (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Program:
    """What a program declares of itself; a fact that its docstring leaves out is empty."""

    path: Path
    fault: str  # the first line of the docstring: what is wrong, or for a control what looks wrong and is not
    kind: str  # the right answer; empty for a healthy control
    also: tuple[str, ...]  # answers that would be right too
    tasks: tuple[str, ...]
    source: str
    level: str  # "full" where the light level cannot see it
    gap: str  # "none, why" where the fault does not show in the score
    unseen: str  # why no watcher of a run can know
    place: str  # "none, why" where no line of the program would be a right place

    @classmethod
    def read(cls, path: str | Path) -> Program:
        """Return the program that lies at this path.

        Raises:
            ValueError: It has no docstring, or declares no tasks.
        """
        docstring = ast.get_docstring(ast.parse(Path(path).read_text()))
        if docstring is None:
            raise ValueError(f"{path} has no docstring, which must say what is wrong; begin it with one")
        facts = dict(_FACT.findall(docstring))
        if "tasks" not in facts:
            raise ValueError(f"{path} declares no tasks; add a line such as 'tasks: digits, blobs' to its docstring")
        fault = " ".join(docstring.split("\n\n")[0].split())
        lists = {name: tuple(filter(None, re.split(r",\s*", facts.get(name, "")))) for name in ("also", "tasks")}
        plain = {name: facts.get(name, "") for name in ("kind", "source", "level", "gap", "unseen", "place")}
        return cls(path=Path(path), fault=_without_facts(fault), **lists, **plain)

    @property
    def name(self) -> str:
        """`loss_softmax_twice` for `fitting/loss_softmax_twice.py`."""
        return self.path.stem

    def text(self, variant: Variant) -> str:
        """Return the source of this variant, without the markers."""
        return "\n".join(line for line, _ in self._lines(variant)) + "\n"

    @property
    def places(self) -> tuple[int, ...]:
        """The lines of the sick variant, counted from 1, at which a finding would be right."""
        return tuple(number for number, (_, here) in enumerate(self._lines("sick"), 1) if here)

    @property
    def changed_lines(self) -> int:
        """How many lines differ between the variants: those of the one that has more of its own."""
        lines = self.path.read_text().splitlines()
        sick = sum("sick" in mark["words"] for mark in map(_MARK.search, lines) if mark)
        return max(sick, sum(bool(_FIXED.match(line)) for line in lines))

    def _lines(self, variant: Variant) -> list[tuple[str, bool]]:
        """Return each line of the variant, and whether it is marked as a place."""
        kept = []
        for line in self.path.read_text().splitlines():
            if fixed := _FIXED.match(line):
                if variant == "fixed":
                    kept.append((fixed["indent"] + fixed["code"], False))
                continue
            mark = _MARK.search(line)
            words = mark["words"] if mark else ""
            if variant == "sick" or "sick" not in words:
                kept.append((_MARK.sub("", line), "here" in words))
        return kept


def _without_facts(fault: str) -> str:
    """Return the first paragraph of a docstring up to its first fact."""
    return re.split(r" (?:kind|also|tasks|source|level|gap|unseen|place): ", fault)[0]


def programs(folder: str | Path) -> tuple[Program, ...]:
    """Return every program of a folder, by name."""
    return tuple(Program.read(path) for path in sorted(Path(folder).glob("*.py")))
