"""A run that has ended, as `tw.fit` and the verb train give it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from trainwright.data.feed import Feed
from trainwright.records import Chart, Finding, Outcome, to_plain
from trainwright.records.loading import Loaded
from trainwright.report.notebook import bundle
from trainwright.report.text import render_run


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run that has ended. `model` is the best one, chosen on validation (on training where there is none).

    `history` holds every step and evaluation, `outcome` how it ended and the losses and metrics of `model`, `findings`
    what the doctor found, worst first. `digest` is the SHA-256 over the weights after the last step, `folder` where the
    run is kept (None where it is not), and `loaded` what the model started from, None where its weights were drawn.
    `train` are the training data where they were given in Python as arrays: what judges the run later must not be
    among them.
    """

    model: nn.Module
    history: Chart
    outcome: Outcome
    findings: tuple[Finding, ...]
    digest: str | None
    folder: Path | None
    loaded: Loaded | None = None
    train: Feed | None = field(default=None, repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` writes: plain values that every JSON parser can read back."""
        return run_json(self.outcome, self.findings, self.digest, self.folder)

    def report(self, *, color: bool = False, width: int = 100) -> str:
        """Return the run as text: what it was, how it ended, its best values, its loss curve, and the findings."""
        return render_run(self.history.info, self.outcome, self.history, self.findings, color=color, width=width)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return bundle(self.report(color=True))


def run_json(
    outcome: Outcome | None, findings: Sequence[Finding], digest: str | None, folder: Path | None
) -> dict[str, Any]:
    """Return the JSON document of a run, live or stored."""
    document = {
        "schema": 1,
        "findings": findings,
        "outcome": outcome,
        "best": outcome.best if outcome else {},
        "digest": digest,
        "folder": str(folder) if folder else None,
    }
    return to_plain(document, strict=True)
