"""What the doctor and the checks say: one form for every renderer, severity order and documentation page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["error", "warning", "note"]
CheckStatus = Literal["passed", "warned", "failed", "skipped"]
Scalar = float | int | str | bool

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""From worst to mildest."""


@dataclass(frozen=True, kw_only=True)
class Location:
    """Where a finding sits: a line of source or of a recipe, and/or a module path and a parameter of the model."""

    file: str | None = None
    line: int | None = None  # counted from 1
    module: str | None = None
    parameter: str | None = None


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One measured number (or word) behind a finding, beside the threshold that it crossed."""

    name: str
    value: Scalar
    threshold: Scalar | None = None
    step: int | None = None
    unit: str = ""


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """What to do: a sentence, and where possible a recipe patch (`{"optimizer.lr": 0.01}`) that can be tried."""

    text: str
    change: Mapping[str, Scalar] | None = None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One diagnosis: what, where, since when, on what evidence, why it hurts, and what to do.

    `code` (`TW301`) and `kind` (`softmax-before-cross-entropy`) are stable; `step` is the optimizer step, counted from
    0, at which the finding was first certain (None before training); `confidence` lies in (0, 1], 1 for exact rules.
    """

    code: str
    kind: str
    severity: Severity
    title: str
    where: Location = field(default_factory=Location)
    step: int | None = None
    evidence: tuple[Evidence, ...] = ()
    because: str = ""
    remedies: tuple[Remedy, ...] = ()
    confidence: float = 1.0


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """What one check found. A skipped check says why in `reason` and never counts as passed.

    `measured` holds its numbers for programs; `value` and `expected` say the main one in words, side by side.
    """

    check: str
    status: CheckStatus
    findings: tuple[Finding, ...] = ()
    measured: Mapping[str, Any] = field(default_factory=dict)
    value: str = ""
    expected: str = ""
    seconds: float = 0.0
    reason: str = ""
