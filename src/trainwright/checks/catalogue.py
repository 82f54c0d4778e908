"""The catalogue of checks, in the order in which they run: what is cheap and explains others first."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from types import MappingProxyType

import trainwright.checks as package
from trainwright.checks.check import Check

_FOUND = []
for _m in pkgutil.iter_modules(package.__path__):
    if _m.name != "catalogue":
        _c = getattr(importlib.import_module(f"trainwright.checks.{_m.name}"), "CHECK", None)
        if _c is not None:
            _FOUND.append(_c)
CATALOGUE: Mapping[str, Check] = MappingProxyType({check.name: check for check in _FOUND})
"""Name -> check."""
