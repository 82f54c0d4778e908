"""What is wrong with a recipe, in words that help: every problem with the dotted name of its key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trainwright.doctor.kinds import name_problem
from trainwright.errors import did_you_mean, nearest, other_name
from trainwright.parts import augment, models, schedules
from trainwright.parts.catalogue import option_problem
from trainwright.runs import loggers
from trainwright.stages.sections import AUTO, CATALOGUES, COUNTS, FIND, SECTIONS, known_keys


def no_section(name: str) -> str:
    """Return the problem of a section that does not exist."""
    return f"there is no section [{name}]; {did_you_mean(name, SECTIONS)}"


def explain(item: Any) -> tuple[str, str]:
    """Return the dotted name that a pydantic problem is about, and the problem in our words."""
    path = [str(part) for part in item["loc"][:2]]
    name, value, kind = ".".join(path), item["input"], item["type"]
    if kind == "extra_forbidden":
        return name, f"[{path[0]}] has no key '{path[1]}'; {_meant(path[0], path[1])}"
    if kind in ("model_type", "model_attributes_type"):
        return name, f"[{name}] must be a section of keys, not {value!r}"
    if kind == "dict_type":
        what = f"[{name}] must be a section of keys" if len(path) == 1 else f"{name} must be a table, such as {{a = 1}}"
        return name, f"{what}, not {value!r}"
    if name == "train.unfreeze" and not isinstance(value, str):
        return name, f"{name} must be 'gradual', or a table of fractions of the run, such as {{'blocks.3' = 0.2}}"
    if kind == "literal_error" and isinstance(value, str) and name not in COUNTS:
        expected = [word.strip("' ") for word in str(item["ctx"]["expected"]).replace(" or ", ", ").split(",")]
        return name, f"{name} cannot be '{value}'; {did_you_mean(value, expected)}"
    words = {
        "string_type": "must be text in quotes",
        "int_type": "must be a whole number",
        "int_from_float": "must be a whole number",
        "literal_error": "must be a whole number or 'auto'",
        "float_type": "must be a number",
        "bool_type": "must be true or false",
        "list_type": "must be a list, such as ['a', 'b']",
        "string_unicode": "must be text that UTF-8 can write",
        "finite_number": "must be finite",
    }
    bounds = item.get("ctx", {})
    limits = {
        "greater_than_equal": "at least",
        "less_than": "less than",
        "less_than_equal": "at most",
        "greater_than": "more than",
    }
    if kind in limits:
        bound = bounds.get("ge", bounds.get("lt", bounds.get("le", bounds.get("gt"))))
        return name, f"{name} must be {limits[kind]} {bound:g}, not {value!r}"
    return name, f"{name} {words.get(kind, str(item['msg']).lower())}, not {value!r}"


def _meant(section: str, key: str) -> str:
    """Return what an unknown key was meant to be: one that is spelt alike, or one of that name in another section."""
    known = known_keys(section)
    names = {key, other_name(key)} - {"name"}
    if nearest(key, known) is None:
        for other in SECTIONS:
            if found := names & set(known_keys(other)):
                return f"did you mean '{other}.{found.pop()}'?"
    return did_you_mean(key, known)


def catalogue_problems(plain: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with names, options, strengths, counts and what is listed: all that pydantic does not see."""
    for section in CATALOGUES:
        keys = plain.get(section, {})
        if isinstance(keys, Mapping) and isinstance(keys.get("name", AUTO), str):  # else pydantic has said so
            yield from _part_problems(section, keys.get("name", AUTO), keys)
    strengths = plain.get("augment", {})
    for key, value in strengths.items() if isinstance(strengths, Mapping) else ():
        if key not in augment.CATALOGUE:
            yield f"augment.{key}", f"[augment] has no key '{key}'; {did_you_mean(key, augment.CATALOGUE)}"
        elif value != AUTO and (problem := option_problem(f"augment.{key}", value, augment.CATALOGUE[key].strength)):
            yield f"augment.{key}", problem
    train = plain.get("train", {})
    for name, most in COUNTS.items():
        count = train.get(name.partition(".")[2]) if isinstance(train, Mapping) else None
        if isinstance(count, int) and not isinstance(count, bool) and not 1 <= count <= most:
            yield name, f"{name} must be at least 1 and at most {most}, not {count}"
    named = train.get("loggers", []) if isinstance(train, Mapping) else []
    for logger in named if isinstance(named, list) else []:
        if isinstance(logger, str) and logger not in loggers.CATALOGUE:
            yield "train.loggers", f"there is no logger '{logger}'; {did_you_mean(logger, loggers.CATALOGUE)}"
    doctor = plain.get("doctor", {})
    ignored = doctor.get("ignore", []) if isinstance(doctor, Mapping) else []
    for kind in ignored if isinstance(ignored, list) else []:
        if isinstance(kind, str) and (problem := name_problem(kind)):
            yield "doctor.ignore", f"there is no diagnosis '{kind}'; {problem}"


def _part_problems(section: str, name: str, keys: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    choosable = CATALOGUES[section]
    if section == "model" and models.is_factory(name):
        return  # what a factory of the user's takes, only the factory knows
    if name not in choosable.catalogue and name != AUTO:
        yield f"{section}.name", f"there is no {choosable.what} '{name}'; {did_you_mean(name, choosable.catalogue)}"
        return
    options = choosable.options(name)
    own = SECTIONS[section].model_fields
    sound = True
    for key, value in keys.items():
        if key in own:
            continue
        if key not in options:
            subject = f"[{section}]" if name == AUTO else f"{choosable.what} '{name}'"
            sound = False
            yield f"{section}.{key}", f"{subject} has no key '{key}'; {did_you_mean(key, [*own, *options])}"
        elif value != AUTO and (problem := _value_problem(section, name, key, value)):
            sound = False
            yield f"{section}.{key}", problem
    if section == "schedule" and name != AUTO and sound:
        given = {key: value for key, value in keys.items() if key != "name" and value != AUTO}
        problem = schedules.problem(name, given)
        if problem:
            yield "schedule.name", problem


def _value_problem(section: str, name: str, key: str, value: Any) -> str | None:
    """Return why an option cannot be `value`; where no entry is chosen yet, only if no entry could take it."""
    if (section, key, value) == ("optimizer", "lr", FIND):
        return None
    room = CATALOGUES[section]
    entries = room.catalogue if name == AUTO else [name]
    records = [options[key] for entry in entries if key in (options := room.options(entry))]
    problems = [option_problem(f"{section}.{key}", value, record) for record in records]
    if (section, key) == ("optimizer", "lr") and isinstance(value, str):
        return f"{problems[0]}; '{FIND}' asks the learning-rate finder"
    return None if None in problems else problems[0]
