"""Which column is the target, by its name alone."""

from __future__ import annotations

import re
from collections.abc import Sequence

_NAMES = (
    "target",
    "label",
    "labels",
    "class",
    "classes",
    "y",
    "outcome",
    "response",
    "survived",
    "species",
    "diagnosis",
)
_ENDINGS = ("target", "label", "class", "outcome", "price")
_WEAK_ENDINGS = ("value", "cost", "charges", "salary", "score", "rating", "quality")


def guess_target(names: Sequence[str], *, boldly: bool = False) -> tuple[str, str] | None:
    """Return the column whose name says that it is the target, and that reason; None where no name or several do.

    A bold guess, for someone to confirm, also goes by endings such as "value", which an input may have as well.
    """
    words = {
        name: re.sub(r"[\W_]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)).strip("_").lower() for name in names
    }
    for known in _NAMES:
        for name, word in words.items():
            if word == known:
                return name, f"a column is called '{name}'"
    for endings in (_ENDINGS, _WEAK_ENDINGS if boldly else ()):
        ending = [name for name, word in words.items() if word.split("_")[-1] in endings]
        if len(ending) == 1:
            return ending[0], f"'{ending[0]}' is the only column whose name ends like a target's"
    return None
