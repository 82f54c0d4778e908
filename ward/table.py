"""The ward's figures: by kind, and as a whole, with what was missed."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

from ward.patient import Said, Visit
from ward.program import Program

from trainwright.doctor.kinds import CATALOGUE

HEAD = ("kind", "runs", "found", "first", "place", "step", "twin alarms")
_EARLY = 2
"""Steps within which what is certain is to be said."""


def right(program: Program) -> set[str]:
    """Return the kinds that would be right answers."""
    return {program.kind, *program.also}


def found(visit: Visit, program: Program) -> Said | None:
    """Return the finding that names the fault, None where none does."""
    return next((said for said in visit.findings if said.kind in right(program)), None)


def judged(visits: Iterable[Visit], known: Mapping[str, Program]) -> list[Visit]:
    """Return the sick visits that a watcher can be expected to see."""
    return [visit for visit in visits if visit.variant == "sick" and not known[visit.name].unseen]


def exact(kind: str) -> bool:
    """Say whether a kind is one that is certain: an error of the catalogue."""
    return any(known.kind == kind and known.severity == "error" for known in CATALOGUE.values())


def rows(visits: Sequence[Visit], known: Mapping[str, Program]) -> list[tuple[str, ...]]:
    """Return one row for each kind, as `HEAD` names its cells."""
    kinds = sorted({program.kind for program in known.values() if program.kind})
    made: list[tuple[str, ...]] = []
    for kind in kinds:
        sick = [visit for visit in judged(visits, known) if known[visit.name].kind == kind]
        if not sick:
            continue
        hits = [(visit, found(visit, known[visit.name])) for visit in sick]
        hit = [(visit, said) for visit, said in hits if said is not None]
        placed = [(visit, said) for visit, said in hit if known[visit.name].places]
        steps = [said.step for _, said in hit if said.step is not None]
        twins = [visit for visit in visits if visit.variant == "fixed" and known[visit.name].kind == kind]
        made.append(
            (
                kind,
                str(len(sick)),
                _share(len(hit), len(sick)),
                _share(sum(visit.findings[0] is said for visit, said in hit), len(sick)),
                _share(sum(said.line in known[visit.name].places for visit, said in placed), len(placed)),
                f"{statistics.median(steps):.0f}" if steps else "-",
                _share(sum(any(said.severity != "note" for said in twin.findings) for twin in twins), len(twins)),
            )
        )
    return made


def table(visits: Sequence[Visit], known: Mapping[str, Program]) -> str:
    """Return the rows of all kinds as aligned text."""
    lines = [HEAD, *rows(visits, known)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if not place else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def summary(visits: Sequence[Visit], known: Mapping[str, Program]) -> str:
    """Return the figures over all runs, and what was missed."""
    sick = judged(visits, known)
    hits = [(visit, found(visit, known[visit.name])) for visit in sick]
    hit = [(visit, said) for visit, said in hits if said is not None]
    first = sum(visit.findings[0] is said for visit, said in hit)
    placed = [(visit, said) for visit, said in hit if known[visit.name].places]
    here = sum(said.line in known[visit.name].places for visit, said in placed)
    counts = [len(visit.findings) for visit in sick]
    lines = [f"sick runs: {len(sick)}, named {_share(len(hit), len(sick))}, named first {_share(first, len(sick))}"]
    lines.append(f"  file and line right {_share(here, len(placed))} of those that have one")
    for certain, label in ((True, "kinds that are certain"), (False, "statistical kinds")):
        of = [(visit, said) for visit, said in hits if exact(known[visit.name].kind) is certain]
        steps = [said.step for _, said in of if said is not None and said.step is not None]
        if of:
            named = sum(said is not None for _, said in of)
            told = f", said at step {statistics.median(steps):.0f} in the median" if steps else ""
            early = sum(step <= _EARLY for step in steps)
            within = f", within {_EARLY} steps {_share(early, len(steps))}" if certain and steps else ""
            lines.append(f"  {label}: named {_share(named, len(of))}{told}{within}")
    if counts:
        lines.append(f"  findings in a sick run: median {statistics.median(counts):.0f}, most {max(counts)}")
    for variant in ("fixed", "healthy"):
        calm = [visit for visit in visits if visit.variant == variant]
        if calm:
            errors = [visit for visit in calm if any(said.severity == "error" for said in visit.findings)]
            warned = [visit for visit in calm if any(said.severity == "warning" for said in visit.findings)]
            label = "fixed twins" if variant == "fixed" else "healthy controls"
            lines.append(
                f"{label}: {len(calm)} runs, with errors {_share(len(errors), len(calm))}, "
                f"with warnings {_share(len(warned), len(calm))}"
            )
    missed: dict[str, int] = {}
    for visit, said in hits:
        if said is None:
            missed[visit.name] = missed.get(visit.name, 0) + 1
    if missed:
        lines.append("missed: " + ", ".join(f"{name} ({count})" for name, count in sorted(missed.items())))
    failed = [visit for visit in visits if visit.problem]
    if failed:
        lines.append(f"the watcher failed in {len(failed)} runs: {failed[0].name}: {failed[0].problem}")
    return "\n".join(lines)


def _share(part: int, whole: int) -> str:
    return f"{part}/{whole} {part / whole:.0%}" if whole else "-"
