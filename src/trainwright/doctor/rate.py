"""The learning rate. Placeholder thresholds."""

from __future__ import annotations

from trainwright.doctor.rule import Rule

RULES: tuple[Rule, ...] = ()
