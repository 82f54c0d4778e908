"""What a diagnosis is: one record, from which findings, `trainwright explain` and the docs are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trainwright.records import Finding, Severity


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One diagnosis. `causes` names the kinds that are its symptoms, and fall silent where it is found.

    A symptom that is an error falls silent for an error alone: what is certain is not explained by what is likely.
    """

    code: str
    kind: str
    severity: Severity
    title: str
    because: str
    what: str
    hurts: str
    fix: str
    wrong_when: str
    causes: tuple[str, ...] = ()
    causes_as_error: tuple[str, ...] = ()  # and these, where it is found as an error
    error_with: tuple[str, ...] = ()  # symptoms that, found as errors, make this an error too
    refutes: tuple[str, ...] = ()  # findings that rest on what this one shows to be otherwise, errors among them

    def finding(self, **facts: Any) -> Finding:
        """Return a finding of this kind; `facts` override its severity, title and because."""
        plain = {"severity": self.severity, "title": self.title, "because": self.because}
        return Finding(code=self.code, kind=self.kind, **{**plain, **facts})


RATE_SYMPTOMS = (
    "non-finite-loss",
    "learning-rate-too-low",
    "plateau",
    "underfitting",
    "dead-relu",
    "overfitting",
)
"""What a network shows that cannot learn at a sensible rate, whatever the cause."""
