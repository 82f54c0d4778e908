"""What the user does not want to hear: codes that are ignored everywhere, or on a line by a comment."""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterable

from trainwright.doctor.kinds import find_kind
from trainwright.records import Finding, Location

_COMMENT = re.compile(r"#\s*trainwright:\s*ignore(?:\[([^\]]*)\])?")


class Silence:
    """Raises `UsageError` for a code or kind that does not exist."""

    def __init__(self, ignore: Iterable[str]) -> None:
        self._kinds = {find_kind(name).kind for name in ignore}

    def heard(self, findings: Iterable[Finding]) -> list[Finding]:
        """Return the findings that are to be heard."""
        return [
            finding
            for finding in findings
            if finding.kind not in self._kinds and not ignored_on_line(finding.where, finding.code, finding.kind)
        ]


def ignored_on_line(where: Location, code: str, kind: str) -> bool:
    """Say whether the line of a finding bids it be silent: `# trainwright: ignore`, or `ignore[TW103, dead-relu]`."""
    if where.file is None or where.line is None:
        return False
    comment = _COMMENT.search(linecache.getline(where.file, where.line))
    if comment is None:
        return False
    names = {name.strip().lower() for name in (comment.group(1) or "").split(",") if name.strip()}
    return not names or code.lower() in names or kind in names
