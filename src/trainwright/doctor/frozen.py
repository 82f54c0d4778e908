"""Rules on what a run holds still."""

from __future__ import annotations

from trainwright.doctor.kinds_model import FROZEN_BUT_UPDATED
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Evidence, Finding, Location, Remedy


def frozen_but_updated(chart: Chart) -> Finding | None:
    """Exact: frozen weights and statistics are compared bit by bit, after the first step and at the end."""
    seen = next((event for event in chart.events if event.name == "frozen-moved"), None)
    if seen is None:
        return None
    told = seen.detail.get("names")
    names = [str(name) for name in told] if isinstance(told, list | tuple) else []
    count = seen.detail.get("count")
    changed = count if isinstance(count, int) else len(names)
    return FROZEN_BUT_UPDATED.finding(
        step=seen.step,
        where=Location(parameter=names[0]) if names else chart.info.where("train.freeze", "optimizer.rates"),
        evidence=(
            Evidence(
                name="frozen weights and statistics that changed",
                value=changed,
                threshold=0,
            ),
            Evidence(name="among them", value=", ".join(names)),
        ),
        remedies=(
            Remedy(text="look at a forward that sets buffers or weights itself, and at an optimizer that holds them"),
        ),
    )


RULES = (Rule(kind=FROZEN_BUT_UPDATED, needs=("frozen",), judge=frozen_but_updated),)
