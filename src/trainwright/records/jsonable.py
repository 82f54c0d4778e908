"""Records to plain JSON values and back, by their type annotations, so that no record writes its own."""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

Record = TypeVar("Record")


def to_plain(value: Any, *, strict: bool = False) -> Any:
    """Return `value` (records, mappings, sequences, scalars) as dicts, lists and scalars.

    With `strict`, numbers that JSON has no literal for become the strings "NaN", "Infinity" and "-Infinity", so that
    every JSON parser can read the result; without, they stay floats.
    """
    if value is None or type(value) in (int, str, bool):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: to_plain(getattr(value, name), strict=strict) for name, _ in _fields(type(value))}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item, strict=strict) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item, strict=strict) for item in value]
    if strict and isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def to_brief(record: Any) -> dict[str, Any]:
    """Return a record as `to_plain` does, without the fields that hold their defaults: `from_plain` puts them back."""
    plain = {}
    for name, default in _fields(type(record)):
        value = getattr(record, name)
        if value is not default:
            plain[name] = to_plain(value)
    return plain


def from_plain(record: type[Record], plain: Mapping[str, Any]) -> Record:
    """Rebuild a `record` from what `to_plain` made of it; fields it does not know (a newer version) are dropped.

    Raises `TypeError` where a value is not of its field's type.
    """
    hints = _hints(record)
    return record(**{name: _restore(hints[name], value) for name, value in plain.items() if name in hints})


@functools.cache
def _fields(record: type) -> tuple[tuple[str, Any], ...]:
    """Return the name of each field of a record, and its default; what no value can be where there is none."""
    return tuple((field.name, field.default) for field in dataclasses.fields(record))


@functools.cache
def _hints(record: type) -> dict[str, Any]:
    return typing.get_type_hints(record)


def _restore(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Union or origin is types.UnionType:
        records = [option for option in arguments if dataclasses.is_dataclass(option)]
        return _restore(records[0], value) if records and isinstance(value, Mapping) else value
    if dataclasses.is_dataclass(hint) and isinstance(hint, type) and isinstance(value, Mapping):
        return from_plain(hint, value)
    if origin is tuple:
        return tuple(_restore(arguments[0], item) for item in value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {key: _restore(arguments[1], item) for key, item in value.items()}
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return [_restore(arguments[0], item) for item in value]
    wanted = _SCALARS.get(hint)
    if wanted is not None and (not isinstance(value, wanted) or (isinstance(value, bool) and hint is not bool)):
        raise TypeError(f"{value!r} is no {wanted[-1].__name__}")
    return value


_SCALARS: dict[Any, tuple[type, ...]] = {int: (int,), float: (int, float), str: (str,), bool: (bool,)}
"""What may stand for a scalar: a file may have been edited by hand, and a wrong type would surface far from here."""
