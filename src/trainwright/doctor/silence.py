"""What the user does not want to hear: codes that are ignored everywhere, or on a line by a comment."""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from trainwright.doctor.diagnose import Examination
from trainwright.doctor.kinds import find_kind, name_problem
from trainwright.records import CheckResult, Finding, Location, RunInfo
from trainwright.records.findings import SEVERITIES

SETTING = "doctor.ignore"
"""Where a recipe says what is to be ignored in all of its runs."""
_COMMENT = re.compile(r"#\s*trainwright:\s*ignore(?:\[([^\]]*)\])?")
_WHY = "it is ignored, as was asked for"


class Silence:
    """Raises `UsageError` for a code or kind that does not exist."""

    def __init__(self, ignore: Iterable[str]) -> None:
        self._kinds = {find_kind(name).kind for name in ignore}

    def ignores(self, finding: Finding) -> bool:
        """Say whether a finding is not to be heard, for its kind or for its line."""
        return finding.kind in self._kinds or ignored_on_line(finding.where, finding.code, finding.kind)

    def heard(self, findings: Iterable[Finding]) -> list[Finding]:
        """Return the findings that are to be heard."""
        return [finding for finding in findings if not self.ignores(finding)]

    def heard_of(self, examination: Examination) -> Examination:
        """Return an examination without what is ignored, which then counts as not judged and never as healthy."""
        ignored = {finding.kind: _WHY for finding in examination.findings if self.ignores(finding)}
        return replace(
            examination,
            findings=tuple(self.heard(examination.findings)),
            not_judged={**examination.not_judged, **ignored},
        )

    def heard_of_check(self, result: CheckResult) -> CheckResult:
        """Return a check's result without what is ignored; where nothing else was found, it has not judged."""
        heard = self.heard(result.findings)
        if len(heard) == len(result.findings):
            return result
        if not heard:
            return replace(result, status="skipped", findings=(), reason=_WHY)
        worst = min((finding.severity for finding in heard), key=SEVERITIES.index)
        return replace(result, status="failed" if worst == "error" else "warned", findings=tuple(heard))


def silence_of(info: RunInfo) -> Silence:
    """Return what the recipe of a run asks to be ignored, beside the comments on its lines.

    A name that no kind has is passed over: the recipe was checked when it was read, perhaps by another version.
    """
    asked: Sequence[object] = info.setting(SETTING) or ()
    return Silence(name for name in asked if isinstance(name, str) and not name_problem(name))


def ignored_on_line(where: Location, code: str, kind: str) -> bool:
    """Say whether the line of a finding bids it be silent: `# trainwright: ignore`, or `ignore[TW103, dead-relu]`."""
    if where.file is None or where.line is None:
        return False
    comment = _COMMENT.search(linecache.getline(where.file, where.line))
    if comment is None:
        return False
    names = {name.strip().lower() for name in (comment.group(1) or "").split(",") if name.strip()}
    return not names or code.lower() in names or kind in names
