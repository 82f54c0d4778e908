"""The page of the ward: how often the doctor is right, as the kept runs of both halves show it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the ward is no part of the package

from ward.kept import HALVES, kept, known_programs
from ward.table import HEAD, rows, summary

_HEAD = """# How often the doctor is right

The ward holds programs with one fault each, their twins in which it is mended by at most three lines, and healthy
controls, among them those that look ill. Every one is an ordinary script, run unedited under the doctor. Thresholds
were chosen on one half of the programs and seeds; the other half has only been measured. `make ward` runs it all again.

- *found*: a finding of the right kind was told; *first*: it was the first of all; *place*: it points at a right line,
  where there is one; *step*: the median step at which it was certain; *twin alarms*: the mended twin got an error or a
  warning.
"""


def page() -> str:
    """Return the page, "" where no run has been kept."""
    known, parts = known_programs(), [_HEAD]
    for half in reversed(HALVES):
        visits = [visit for visit in kept(half) if visit.name in known]
        if not visits:
            continue
        sick = {visit.name for visit in visits if visit.variant == "sick"}
        unseen = sorted(name for name in sick if known[name].unseen)
        lines = [HEAD, tuple("---" for _ in HEAD), *rows(visits, known)]
        parts.append(
            f"## The {half} half\n\n{len(sick)} programs.\n\n```\n{summary(visits, known)}\n```\n\n"
            + "\n".join("| " + " | ".join(line) + " |" for line in lines)
            + "\n"
        )
        if unseen:
            told = "\n".join(f"- `{name}`: {known[name].unseen}" for name in unseen)
            parts.append(f"Not counted, since no watcher of a run can know:\n\n{told}\n")
    return "\n".join(parts) if len(parts) > 1 else ""
