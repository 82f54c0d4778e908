"""Runs as the page is told of them: a line of the list, the whole head, and series in their two forms."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from trainwright.lab.columns import Drawn
from trainwright.lab.facts import Facts, events_after, read_recipe, read_told, sound, status_of
from trainwright.lab.shelf import Item
from trainwright.records import CheckResult, to_plain

_LOST = ("NaN", "Infinity", "-Infinity")
_EXACT = 1 << 53
"""Whole numbers from here on are sent as text: a browser's numbers would round them."""


def listed(item: Item, facts: Facts) -> dict[str, Any]:
    """Return a run as a line of the list."""
    info = facts.head.get("info", {})
    outcome = facts.head.get("outcome") if isinstance(facts.head.get("outcome"), dict) else {}
    severities = [str(finding.get("severity")) for finding in facts.findings]
    steps = (outcome or {}).get("steps") or (facts.newest.get("step", -1) + 1 if facts.newest else 0)
    return {
        "id": item.id,
        "name": item.name,
        "title": info.get("name", ""),
        "status": status_of(item, facts),
        "problem": facts.problem,
        "damage": facts.damage,
        "task": info.get("task"),
        "model": info.get("model", ""),
        "optimizer": info.get("optimizer", ""),
        "loss": facts.newest.get("loss"),
        "steps": steps,
        "planned": info.get("planned_steps"),
        "seconds": (outcome or {}).get("seconds"),
        "started": facts.started,
        "written": item.written,
        "metric": info.get("metric"),
        "best": (outcome or {}).get("best") or {},
        "rate": _setting(info, "optimizer.lr"),
        "seed": _setting(info, "train.seed"),
        "severities": {each: severities.count(each) for each in ("error", "warning", "note") if each in severities},
        "lead": next((str(each.get("title")) for each in facts.findings), ""),
        "signature": signature(item),
    }


def detailed(item: Item, facts: Facts) -> dict[str, Any]:
    """Return all that the small files of a run tell."""
    events, cursor = events_after(item.folder, 0)
    _, resolved, started = read_told(item.folder)
    standing = {str(each["kind"]) for each in facts.findings}
    head = facts.head
    checks = next((event["detail"].get("checks") for event in events if event.get("name") == "verified"), None)
    return listed(item, facts) | {
        "folder": str(item.folder),
        "info": _exact(head.get("info", {})),
        "outcome": head.get("outcome"),
        "findings": list(facts.findings),
        "resolved": [each for each in resolved if each["finding"]["kind"] not in standing],
        "started": started,
        "digest": head.get("digest"),
        "versions": head.get("versions") or {},
        "data": head.get("data") or {},
        "checks": sound(CheckResult, checks),
        "events": [event for event in events if event.get("name") not in ("verified", "finding")][-500:],
        "cursor": cursor,
        "recipe": read_recipe(item.folder),
        "patience": facts.patience,
    }


def signature(item: Item) -> str:
    """Return a word that changes whenever one of the run's files does."""
    return "-".join(f"{size:x}.{time & 0xFFFFFFFFFF:x}" for size, time in item.signature)


def as_binary(head: Mapping[str, Any], drawn: Sequence[tuple[str, Drawn]]) -> bytes:
    """Return series as bytes: the length of the head (32 bits), the head as JSON, then x and y of each in Float64.

    All little-endian; the numbers begin at a multiple of eight bytes. NaN needs no code of its own here.
    """
    described = [{"tag": tag, "length": len(each.x), **_described(each)} for tag, each in drawn]
    text = json.dumps(to_plain({**head, "series": described}, strict=True), allow_nan=False).encode()
    text += b" " * (-(len(text) + 4) % 8)
    numbers = b"".join(array.astype("<f8").tobytes() for _, each in drawn for array in (each.x, each.y))
    return struct.pack("<I", len(text)) + text + numbers


def as_json(head: Mapping[str, Any], drawn: Sequence[tuple[str, Drawn]]) -> dict[str, Any]:
    """Return series as plain JSON values, NaN and infinities as strings."""
    series = [{"tag": tag, "x": each.x.tolist(), "y": each.y.tolist(), **_described(each)} for tag, each in drawn]
    return to_plain({**head, "series": series}, strict=True)


def _described(drawn: Drawn) -> dict[str, Any]:
    return {
        "total": drawn.total,
        "shown": drawn.shown,
        "low": drawn.low,
        "high": drawn.high,
        "last": drawn.last,
        "lost": dict(zip(_LOST, drawn.lost, strict=True)),
        "first_lost": dict(zip(_LOST, drawn.first_lost, strict=True)),
    }


def _exact(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _exact(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_exact(each) for each in value]
    return str(value) if isinstance(value, int) and abs(value) >= _EXACT else value


def _setting(info: Mapping[str, Any], name: str) -> Any:
    settings = info.get("settings")
    setting = settings.get(name) if isinstance(settings, dict) else None
    return setting.get("value") if isinstance(setting, dict) else None
