"""The verb demo: digits trained well, the same with one planted mistake, its diagnosis, and the proof of the remedy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainwright.records import Finding
from trainwright.stages.recipe import Recipe

WELL: Mapping[str, Any] = {"data": {"source": "digits"}}
"""Everything else is a default."""

PLANTED: Mapping[str, Any] = {"optimizer.lr": 1.0}
"""The mistake: a rate that would suit plain SGD on another problem, given to AdamW."""


def good_recipe() -> Recipe:
    """Return the recipe that trains well."""
    return Recipe.of(WELL)


def sick_recipe() -> Recipe:
    """Return the same recipe with the planted mistake."""
    return good_recipe().changed(PLANTED)


def first_patch(findings: tuple[Finding, ...]) -> tuple[Finding, Mapping[str, Any]] | None:
    """Return the first finding, worst first, that comes with a change of the recipe, and that change."""
    for finding in findings:
        for remedy in finding.remedies:
            if remedy.change:
                return finding, remedy.change
    return None
