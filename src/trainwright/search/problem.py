"""What a study is about: data, model, loss, score and settings, so that scores of two problems never meet in one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from trainwright.errors import UsageError

_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Problem:
    """`facts` by their names, in words or as digests. Those in `searched` are, or were, part of the space: they may be
    others in every call.
    """

    facts: Mapping[str, str] = field(default_factory=dict)
    searched: tuple[str, ...] = ()

    def with_searched(self, other: Problem) -> Problem:
        """Return this problem with what `other` searches too."""
        return replace(self, searched=tuple(sorted({*self.searched, *other.searched})))


def check_same(folder: Path | None, before: Problem, now: Problem) -> None:
    """Raise `UsageError` that names what differs where `now` is not the problem that the study was begun with."""
    searched = {*before.searched, *now.searched}
    names = [name for name in dict.fromkeys([*before.facts, *now.facts]) if name not in searched]
    told = [
        f"{name}: {_words(now, name)}, not {_words(before, name)}"
        for name in names
        if before.facts.get(name) != now.facts.get(name)
    ]
    if told:
        more = f"; and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
        raise UsageError(
            f"the study in {folder} is about another problem, and scores of the two do not compare",
            evidence="; ".join(told[:_SHOWN]) + more,
            remedy="search it in a folder of its own; here only ranges, trials, rounds and the sampler may change",
        )


def _words(problem: Problem, name: str) -> str:
    value = problem.facts.get(name, "the default")
    return f"{value[:12]}…" if len(value) == 64 and " " not in value else value
