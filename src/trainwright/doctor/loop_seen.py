"""What the rules of a foreign loop share: was it seen often enough, what are its facts, and how a place reads."""

from __future__ import annotations

import math
import os.path

from trainwright.records import Chart, Evidence, Location, LoopFacts, Sighting, SightingName

TWICE = 2
"""A loop repeats its mistakes; what happened once may be a warm-up, a skipped batch or a last remainder."""
HALF = 0.5
"""Share of the chances from which something is how the loop works, and no exception in it."""


def loop_of(chart: Chart) -> LoopFacts:
    """Return what was seen of the loop; nothing at all where it is not a foreign one."""
    return chart.info.loop or LoopFacts()


def often(chart: Chart, name: SightingName, *, fewest: int = TWICE, share: float = HALF) -> Sighting | None:
    """Return the sighting of `name` where it was made at least `fewest` times, and in `share` of its chances."""
    sighting = loop_of(chart).seen(name)
    if sighting is None or sighting.count < fewest:
        return None
    return None if sighting.count < share * (sighting.chances or 0) else sighting


def number(sighting: Sighting, fact: str) -> float | None:
    """Return a fact as a number, None where it is missing, no number or NaN."""
    value = sighting.facts.get(fact)
    if isinstance(value, bool) or not isinstance(value, float | int) or math.isnan(value):
        return None
    return value


def flag(sighting: Sighting, fact: str) -> bool:
    """Say whether a fact is known and true."""
    return sighting.facts.get(fact) is True


def word(sighting: Sighting, fact: str, default: str = "") -> str:
    """Return a fact that is a text."""
    value = sighting.facts.get(fact)
    return value if isinstance(value, str) and value else default


def place(*wheres: Location) -> Location:
    """Return the first of the locations that says anything."""
    return next((where for where in wheres if where != Location()), Location())


def at(where: Location) -> str:
    """Return a place as the end of a sentence, " (train.py:41)", or "" where no line is known."""
    return f" ({os.path.basename(where.file)}:{where.line})" if where.file and where.line is not None else ""


def counted(sighting: Sighting, what: str) -> Evidence:
    """Return how often something was seen, "5 of 5" where its chances are known."""
    known = sighting.chances is not None and sighting.chances >= sighting.count
    return Evidence(name=what, value=f"{sighting.count} of {sighting.chances}" if known else sighting.count)


def named(sighting: Sighting) -> tuple[Evidence, ...]:
    """Return how many parameters a sighting is about and some of their names, as far as it says."""
    count, names = number(sighting, "count"), word(sighting, "names")
    found = [] if count is None else [Evidence(name="parameter tensors", value=count)]
    return (*found, Evidence(name="among them", value=names)) if names else tuple(found)
