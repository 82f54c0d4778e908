"""Python imports a module of this name as it starts: so the doctor is there before the program that it is to watch."""

from __future__ import annotations

import importlib
import os
import sys
from importlib.machinery import PathFinder

_HERE = os.path.dirname(os.path.abspath(__file__))
_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(_HERE)))


def _begin() -> None:
    sys.path.insert(0, _ROOT)
    try:
        launch = importlib.import_module("trainwright.watching.launch")
        beside = importlib.import_module("trainwright.cli.beside")
    finally:
        sys.path.remove(_ROOT)
    order = launch.take_order(_HERE)
    if order is not None:
        beside.begin(order)


def _pass_on() -> None:
    """Give way to the `sitecustomize` that would have been imported, if there is one."""
    mine = sys.modules.pop("sitecustomize", None)
    if PathFinder.find_spec("sitecustomize", [path for path in sys.path if path != _HERE]) is not None:
        importlib.import_module("sitecustomize")
    elif mine is not None:
        sys.modules["sitecustomize"] = mine


_begin()
_pass_on()
