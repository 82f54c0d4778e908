"""Attributes of torch that stand replaced for a while: put there, and taken away again without a trace."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Make = Callable[[Any], Any]
"""From what stands there to what takes its place."""


class Patches:
    """Replacements in the order in which they were made."""

    def __init__(self) -> None:
        self._made: list[tuple[Any, str, Any, Any, bool]] = []

    def replace(self, owner: Any, name: str, make: Make) -> None:
        """Let `make(original)` stand for attribute `name` of a class or module, if it is there."""
        own = name in vars(owner)  # an inherited one is to be inherited again
        original = inspect.getattr_static(owner, name, None)
        if original is None:
            return
        replacement = make(original)
        for attribute in ("__name__", "__qualname__", "__doc__", "__module__", "__wrapped__"):
            value = original if attribute == "__wrapped__" else getattr(original, attribute, None)
            try:
                setattr(replacement, attribute, value)
            except (AttributeError, TypeError):
                continue
        setattr(owner, name, replacement)
        self._made.append((owner, name, original, replacement, own))

    @contextmanager
    def lifted(self) -> Iterator[None]:
        """Put the originals back for the length of the block."""
        made = list(self._made)
        self.undo()
        try:
            yield
        finally:
            for owner, name, _, replacement, _ in made:
                setattr(owner, name, replacement)
            self._made = made

    def undo(self) -> None:
        """Put everything back, the last first. What somebody else has replaced since is left to them."""
        while self._made:
            owner, name, original, replacement, own = self._made.pop()
            if inspect.getattr_static(owner, name, None) is not replacement:
                continue
            if own:
                setattr(owner, name, original)
            else:
                delattr(owner, name)
