"""What a check is: a name, a question, the kinds it can find, and a function from a subject to an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from trainwright.checks.subject import Subject
from trainwright.doctor.kind import Kind
from trainwright.records import Finding


class Skip(Exception):
    """Raised by a check that cannot judge this subject; the text says why. A skipped check never passes."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a check found. `measured` holds its numbers for programs; `value` beside `expected` are for the report.

    No findings means that the check passed.
    """

    findings: tuple[Finding, ...] = ()
    measured: Mapping[str, Any] = field(default_factory=dict)
    value: str = ""
    expected: str = ""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check. The same subject always gets the same answer; whatever `examine` changes is put back by the runner.

    `quick` says that it belongs to what `train` runs by itself; `seconds` is what it takes at most on a small network.
    """

    name: str  # "initial-loss": how it is chosen on the command line
    question: str  # "is the loss at initialisation what guessing gives?"
    kinds: tuple[Kind, ...]
    examine: Callable[[Subject], Answer]
    quick: bool
    seconds: float
