"""Which settings a resumed run may change: none that its past was made under, more time, and whatever only watches."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from trainwright.errors import RunError
from trainwright.stages.recipe import Recipe

Class = Literal["frozen", "extendable", "free", "inexact"]

FIELDS: Mapping[str, Class] = {
    "data": "frozen",
    "data.workers": "free",  # who reads ahead changes no order
    "model": "frozen",
    "loss": "frozen",
    "optimizer": "frozen",
    "schedule": "frozen",
    "augment": "frozen",
    "train": "frozen",
    "train.epochs": "extendable",
    "train.steps": "extendable",
    "train.patience": "free",  # it ends a run earlier or later, and is no part of any step
    "train.checkpoint_every_steps": "free",
    "train.keep_last": "free",
    "train.checkpoint_activations": "inexact",
    "train.compile": "inexact",
    "train.device": "inexact",
    "train.threads": "inexact",
    "train.loggers": "free",
    "train.verify": "free",
    "doctor": "free",
    "doctor.repair": "frozen",
    "tune": "free",  # no part of a single run
    "finish": "free",  # done after it
    "distributed": "inexact",
    "distributed.sync_batch_norm": "frozen",
}
"""The class of each setting, by its name or, where that is not here, by its section.

"frozen" settings are those that the steps made so far hang on; "extendable" ones may grow; "free" ones change no
number; "inexact" ones change how the same numbers are rounded, and the run is said not to be bit-exact.
"""


def class_of(name: str) -> Class:
    """Return the class of a setting ("train.epochs")."""
    return FIELDS.get(name) or FIELDS[name.partition(".")[0]]


def changed(then: Mapping[str, Mapping[str, Any]], now: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[Any, Any]]:
    """Return the settings that differ, by dotted name, as they were and as they are.

    One that a run of an earlier version knew nothing of was at its default.
    """
    then = {section: {**keys, **then.get(section, {})} for section, keys in Recipe().plain().items()}
    names = {f"{section}.{key}": (section, key) for plain in (then, now) for section in plain for key in plain[section]}
    pairs = {name: (then.get(part, {}).get(key), now.get(part, {}).get(key)) for name, (part, key) in names.items()}
    return {name: pair for name, pair in pairs.items() if json.dumps(pair[0]) != json.dumps(pair[1])}


def check(changes: Mapping[str, tuple[Any, Any]], done: int) -> None:
    """Raise `RunError` where a change is not allowed to a run of which `done` steps are made, with every such change.

    Before the first step, everything but the data and the model of a run may still grow or change nothing.
    """
    refused = [
        f"{name}: {old} -> {new}" + (" (it may only grow)" if class_of(name) == "extendable" else "")
        for name, (old, new) in changes.items()
        if class_of(name) == "frozen" or (class_of(name) == "extendable" and not _grows(old, new))
    ]
    if refused:
        free = ", ".join(name if "." in name else f"all of [{name}]" for name in FIELDS if class_of(name) != "frozen")
        free += "; not doctor.repair"
        raise RunError(
            f"a run of which {done} steps are made cannot go on under other settings",
            evidence="; ".join(refused),
            remedy=f"train a new run with them; what a resumed run may change: {free}",
        )


def _grows(old: Any, new: Any) -> bool:
    return isinstance(old, int) and isinstance(new, int) and new >= old
