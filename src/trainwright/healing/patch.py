"""From a finding to a patch of the program's source, or to the reason why there is none."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from trainwright.healing import activations, clipping, losses, modes, order, scheduling, values, wiring
from trainwright.healing.case import Case, Read
from trainwright.healing.source import Unclear, edited
from trainwright.records import Chart, Finding

PATCHES = {
    **order.PATCHES,
    **clipping.PATCHES,
    **scheduling.PATCHES,
    **modes.PATCHES,
    **activations.PATCHES,
    **losses.PATCHES,
    **values.PATCHES,
    **wiring.PATCHES,
}
"""By kind, what proposes its patch: a function of a `Case` that raises `Unclear` where the edit is not settled."""


@dataclass(frozen=True, kw_only=True)
class SourcePatch:
    """An edit of one file that would mend one finding: the file as it is, and as it would be.

    `text` says what is done. `loss_factor` is by how much the loss changes by its definition alone, None where it
    becomes another quantity, which the values before say nothing about.
    """

    finding: Finding
    file: str
    before: bytes
    after: bytes
    text: str
    loss_factor: float | None = 1.0

    def diff(self, name: str) -> list[str]:
        """Return the unified diff, line by line without line ends, of a file that is called `name`."""
        old, new = (content.decode().splitlines() for content in (self.before, self.after))
        return list(difflib.unified_diff(old, new, fromfile=name, tofile=f"{name} (mended)", lineterm=""))


@dataclass(frozen=True, kw_only=True)
class NoPatch:
    """Why a finding has no patch."""

    finding: Finding
    reason: str


def patches_for(findings: Sequence[Finding], chart: Chart, read: Read) -> list[SourcePatch | NoPatch]:
    """Return for each finding its patch, or why it has none.

    Where an error cannot be mended, what is merely likely is not mended either: it may be that error's doing.
    """
    found = [patch_for(finding, chart, read) for finding in findings]
    first = next((one.finding for one in found if isinstance(one, NoPatch) and one.finding.severity == "error"), None)
    if first is None:
        return found
    reason = f"{first.code} comes first, and may be its cause"
    return [
        NoPatch(finding=one.finding, reason=reason)
        if isinstance(one, SourcePatch) and one.finding.confidence < 1
        else one
        for one in found
    ]


def patch_for(finding: Finding, chart: Chart, read: Read) -> SourcePatch | NoPatch:
    """Return the patch of the program's source that mends a finding. Nothing is written.

    `read` gives the content of a file. Only edits that the finding and the source together settle are proposed: of
    several ways none is taken.
    """
    propose = PATCHES.get(finding.kind)
    if propose is None:
        return NoPatch(finding=finding, reason="what is to be written does not follow from such a finding")
    try:
        proposal = propose(Case(finding=finding, chart=chart, read=read))
        after = edited(proposal.source, proposal.edits)
    except Unclear as problem:
        return NoPatch(finding=finding, reason=str(problem))
    return SourcePatch(
        finding=finding,
        file=proposal.source.path,
        before=proposal.source.content,
        after=after,
        text=proposal.text,
        loss_factor=proposal.loss_factor,
    )
