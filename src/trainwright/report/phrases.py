"""A finding's parts as short phrases, worded alike in the terminal and on the page. All of them are harmless text."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping

from trainwright.records import Evidence, Location
from trainwright.records.findings import Scalar
from trainwright.report.numbers import number, scalar
from trainwright.report.safe import prose, visible


def evidence_phrase(evidence: Evidence) -> str:
    """Return `name: value unit (threshold T, step S)`. Where the value is plainly true, the name is the statement."""
    phrase = prose(evidence.name)
    if evidence.value is not True or evidence.threshold is not None:
        unit = prose(evidence.unit)
        phrase += f": {scalar(evidence.value)}" + (f" {unit}" if unit else "")
    beside = []
    if evidence.threshold is not None:
        beside.append(f"threshold {scalar(evidence.threshold)}")
    if evidence.step is not None:
        beside.append(f"step {number(evidence.step)}")
    return f"{phrase} ({', '.join(beside)})" if beside else phrase


def place_phrase(where: Location, step: int | None = None) -> str:
    """Return where a finding sits: `train.py:41, layers.3 (module), at step 120`, or "" where nothing is known."""
    parts = []
    if where.file is not None:
        line = "" if where.line is None else f":{where.line}"
        cell = _cell(where.file)
        if cell is not None:
            parts.append(f"cell [{cell}]" + ("" if where.line is None else f", line {where.line}"))
        else:
            parts.append(visible(short_path(where.file)) + line)
    if where.parameter is not None:
        parts.append(f"{visible(_parameter(where.module, where.parameter))} (parameter)")
    elif where.module is not None:
        parts.append(f"{visible(where.module)} (module)" if where.module else "the whole model")
    if step is not None:
        parts.append(f"at step {number(step)}")
    return ", ".join(parts)


def patch_lines(change: Mapping[str, Scalar]) -> list[str]:
    """Return a recipe patch as lines of a recipe: `optimizer.lr = 0.0003`."""
    return [f"{visible(name)} = {_literal(value)}" for name, value in change.items()]


def words(kind: str) -> str:
    """Return a kind's slug as words: `learning-rate-too-high` as "learning rate too high"."""
    return prose(kind.replace("-", " "))


def short_path(file: str) -> str:
    """Return a path relative to the working folder where it lies inside; it is shorter, and names no home folder."""
    try:
        inside = os.path.relpath(file) if os.path.isabs(file) else file
    except (OSError, ValueError):
        return file
    return file if inside.startswith(os.pardir) else inside


def _cell(file: str) -> int | None:
    """Return the number of the notebook's cell that IPython compiled under the name `file`, None where there is none.

    Nothing is imported to find out; the number is known in the notebook's own process only.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    named = getattr(getattr(shell, "compile", None), "format_code_name", None)
    label = named(file) if callable(named) else None  # ("Cell", "In[2]")
    if not isinstance(label, tuple) or len(label) != 2:
        return None
    number = str(label[1]).removeprefix("In[").removesuffix("]")
    return int(number) if number.isdecimal() else None


def _parameter(module: str | None, parameter: str) -> str:
    if not module or parameter == module or parameter.startswith(f"{module}."):
        return parameter
    return f"{module}.{parameter}"


def _literal(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    # A string of JSON is one of TOML too.
    return visible(json.dumps(value, ensure_ascii=False)) if isinstance(value, str) else repr(value)
