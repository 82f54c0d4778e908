"""What the contract suite runs: for each check a planted fault, its fixed twin, and what the fault must be called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from trainwright.checks.subject import Subject


@dataclass(frozen=True, kw_only=True)
class Case:
    """`sick` differs from `fixed` in the fault alone; `check` must find `kind` in the one and nothing in the other."""

    name: str
    check: str
    kind: str
    sick: Callable[[], Subject]
    fixed: Callable[[], Subject]
