"""What was seen so far, by name: how often, since when, on which line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from trainwright.records import Sighting, SightingName
from trainwright.records.findings import Scalar
from trainwright.watching.places import Place, location

_EACH_STEP: tuple[SightingName, ...] = ("gradients-carried-over", "gradients-erased", "step-without-backward")
"""What can happen once in every step."""


@dataclass
class _Count:
    count: int
    step: int
    place: Place | None
    facts: dict[str, Scalar] = field(default_factory=dict)


DENSE_STEPS = 3
"""Steps at the start of which everything is seen."""


class Sightings:
    """Counts what is noted. `fresh` says that something is there that nobody has judged yet."""

    def __init__(self) -> None:
        self.step = 0  # optimizer steps that are over
        self.heard = 0  # of them, those whose calls were followed
        self.fresh = False
        self._counts: dict[SightingName, _Count] = {}
        self._chances: dict[SightingName, int] = {}  # of what does not have one in every step
        self.chances: dict[SightingName, Callable[[], int]] = {}  # of what is counted when it is asked for

    def note(
        self,
        name: SightingName,
        place: Place | None,
        facts: Mapping[str, Scalar] | None = None,
        *,
        count: int | None = None,
    ) -> None:
        """Count one more of `name` (or set its `count`); the first place stays, later facts take over."""
        known = self._counts.get(name)
        if known is None:
            known = self._counts[name] = _Count(0, self.step, place)
        known.count = known.count + 1 if count is None else count
        known.place = known.place or place
        known.facts.update(facts or {})
        # Judging costs more than counting: what goes on for ever is judged ever more rarely.
        self.fresh = self.fresh or known.count & (known.count - 1) == 0 or known.count < 8

    def chance(self, name: SightingName) -> None:
        """Count one more occasion on which `name` could have happened."""
        self._chances[name] = self._chances.get(name, 0) + 1

    def _chances_of(self, name: SightingName) -> int | None:
        if name in self.chances:
            return self.chances[name]()
        return self.heard if name in _EACH_STEP else self._chances.get(name)

    def forget(self, name: SightingName) -> None:
        """Take back what turned out to be meant."""
        if self._counts.pop(name, None) is not None:
            self.fresh = True

    def records(self) -> dict[SightingName, Sighting]:
        """Return everything as records."""
        return {
            name: Sighting(
                count=known.count,
                step=known.step,
                where=location(known.place),
                chances=self._chances_of(name),
                facts=dict(known.facts),
            )
            for name, known in self._counts.items()
        }
