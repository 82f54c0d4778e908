"""The recipe: everything that a run is asked for, validated at once, every problem named with its line."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trainwright import defaults
from trainwright.errors import DataError, RecipeError, UsageError, did_you_mean
from trainwright.parts import losses, models, optimizers, schedules
from trainwright.parts.catalogue import option_problem
from trainwright.records import Location, Option, Setting
from trainwright.stages.toml_lines import key_lines

AUTO = "auto"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DataSection(_Section):
    """Where the data come from, and how they are split and scaled."""

    source: str = "digits"
    target: str = ""
    task: Literal["auto", "classification", "regression"] = AUTO
    normalise: Literal["standard", "none"] = "standard"
    validation: float = Field(default=defaults.VALIDATION_FRACTION.value, ge=0, lt=1)
    test: float = Field(default=defaults.TEST_FRACTION.value, ge=0, lt=1)
    test_source: str = ""
    ignore: list[str] = []


class PartSection(_Section):
    """An entry of a catalogue by its name, and its options; what is not given keeps the entry's own default."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    name: str = AUTO

    @property
    def options(self) -> dict[str, float]:
        """The options that were given; "auto" counts as not given."""
        return {key: value for key, value in (self.model_extra or {}).items() if value != AUTO}


class OptimizerSection(PartSection):
    """The optimizer."""

    name: str = "adamw"


class ScheduleSection(PartSection):
    """The schedule."""

    name: str = "warmup_cosine"


class TrainSection(_Section):
    """How long, how fast, how reproducibly. 0 switches clipping, patience and the extra evaluations off.

    Sums in another order round differently: a run is the same bit for bit only on the same number of `threads`.
    """

    epochs: Literal["auto"] | int = AUTO
    batch_size: int = Field(default=int(defaults.BATCH_SIZE.value), ge=1)
    seed: int = Field(default=0, ge=0)
    clip_norm: float = Field(default=defaults.CLIP_NORM.value, ge=0)
    patience: int = Field(default=0, ge=0)
    evaluate_every_steps: int = Field(default=0, ge=0)
    device: str = AUTO
    threads: Literal["auto"] | int = AUTO


class DoctorSection(_Section):
    """How closely the run is watched."""

    level: Literal["off", "light", "full"] = "light"


_COUNTS = {"train.epochs": 1_000_000_000, "train.threads": 1_024}
"""Settings that are "auto" or a whole number from 1, and the most that they may be."""

CATALOGUES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "model": ("model", models.CATALOGUE),
    "loss": ("loss", losses.CATALOGUE),
    "optimizer": ("optimizer", optimizers.CATALOGUE),
    "schedule": ("schedule", schedules.CATALOGUE),
}
"""Section -> what its entries are called, and the catalogue that they come from."""


class Recipe(_Section):
    """What a run is asked for. Build it with `Recipe.read` or `Recipe.of`; both refuse with all problems at once."""

    data: DataSection = DataSection()
    model: PartSection = PartSection()
    loss: PartSection = PartSection()
    optimizer: OptimizerSection = OptimizerSection()
    schedule: ScheduleSection = ScheduleSection()
    train: TrainSection = TrainSection()
    doctor: DoctorSection = DoctorSection()
    path: str | None = Field(default=None, exclude=True, repr=False)
    lines: dict[str, int] = Field(default={}, exclude=True, repr=False)

    @classmethod
    def read(cls, path: str | Path, changes: Mapping[str, Any] | None = None) -> Recipe:
        """Read a TOML file; `changes` (`{"optimizer.lr": 0.1}`) go over what it says.

        Raises `DataError` where there is no such file and `RecipeError`, with every problem and its line, where it
        is malformed.
        """
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as problem:  # ValueError: a path with a NUL
            reason = problem.strerror if isinstance(problem, OSError) else problem
            reason = "it is not UTF-8 text" if isinstance(problem, UnicodeDecodeError) else reason
            raise DataError(
                f"the recipe {path} cannot be read",
                evidence=str(reason),
                remedy="write one for your data with: trainwright new DATA",
            ) from None
        try:
            plain = tomllib.loads(text)
        except (ValueError, RecursionError) as problem:  # ValueError alone: a number with thousands of digits
            reason = "nested too deeply" if isinstance(problem, RecursionError) else problem
            hint = "; text must be in quotes" if "Invalid value" in str(reason) else ""
            raise RecipeError([f"it is not valid TOML: {reason}{hint}"], source=str(path)) from None
        return cls._build(_over(plain, changes or {}), str(path), _without(key_lines(text), changes or {}))

    @classmethod
    def of(cls, plain: Recipe | Mapping[str, Any] | str | Path | None = None, **changes: Any) -> Recipe:
        """Return a recipe from a recipe, a mapping of its sections, a path, or nothing (all defaults)."""
        if isinstance(plain, str | Path):
            return cls.read(plain, changes)
        if isinstance(plain, Recipe):
            return plain.changed(changes)
        if plain is not None and not isinstance(plain, Mapping):
            raise UsageError(
                "recipe must be a Recipe, a dict of its sections, or a path", evidence=f"it is a {type(plain).__name__}"
            )
        return cls._build(_over(plain or {}, changes), None, {})

    def changed(self, changes: Mapping[str, Any]) -> Recipe:
        """Return the recipe with `{"section.key": value}` put over it; the other keys keep the lines they came from."""
        given = self.model_dump(exclude_unset=True)  # a default stays a default: what was not asked for may still adapt
        return self._build(_over(given, changes), self.path, _without(self.lines, changes))

    def resolved(self, values: Mapping[str, Any]) -> Recipe:
        """Return the recipe with what was found for its "auto" values and defaults; every key keeps its line."""
        return self._build(_over(self.plain(), values), self.path, self.lines)

    def plain(self) -> dict[str, dict[str, Any]]:
        """Return the sections as dicts of plain values, defaults included."""
        return self.model_dump()

    def problem(self, name: str, text: str) -> RecipeError:
        """Return the error that says `text` about setting `name`, with its line."""
        where = Path(self.path).name if self.path else ""
        return RecipeError([_located(name, text, where, self.lines)], source=self.path or "the recipe")

    @staticmethod
    def known_keys(section: str) -> list[str]:
        """Return the keys that a section may have."""
        if section in CATALOGUES:
            return ["name", *_options(section, AUTO)]
        return list(Recipe.model_fields[section].default.__class__.model_fields)

    def settings(self) -> dict[str, Setting]:
        """Return every setting by its dotted name, with the line of the recipe that it came from."""
        return {
            f"{section}.{key}": Setting(value=value, where=self._where(f"{section}.{key}"))
            for section, keys in self.plain().items()
            for key, value in keys.items()
        }

    def to_toml(
        self,
        *,
        comments: Mapping[str, str] | None = None,
        sections: Sequence[str] | None = None,
        given: bool = False,
    ) -> str:
        """Return the recipe, or some of its sections, as TOML; `comments` maps dotted names to remarks on the value.

        With `given`, only what was asked for; else the defaults too.
        """
        blocks = []
        for section, keys in self.model_dump(exclude_unset=given).items():
            if sections is not None and section not in sections:
                continue
            rows = [f"[{section}]"]
            for key, value in keys.items():
                remark = (comments or {}).get(f"{section}.{key}")
                rows.append(f"{key} = {_toml(value)}" + (f"  # {remark}" if remark else ""))
            blocks.append("\n".join(rows))
        return "\n\n".join(blocks) + "\n"

    def _where(self, name: str) -> Location | None:
        line = self.lines.get(name)
        return Location(file=self.path, line=line) if line else None

    @classmethod
    def _build(cls, plain: Mapping[str, Any], path: str | None, lines: Mapping[str, int]) -> Recipe:
        problems = [(name, _no_section(name)) for name in plain if name not in _SECTIONS]
        recipe = None
        try:
            known = {name: keys for name, keys in plain.items() if name in _SECTIONS}
            recipe = cls.model_validate(known).model_copy(update={"path": path, "lines": dict(lines)})
        except ValidationError as error:
            found: dict[str, str] = {}  # the first of each key: of "auto or a number" both are missed at once
            for item in error.errors(include_url=False, include_context=True):
                found.setdefault(*_explain(item))
            problems += found.items()
        problems += _catalogue_problems(plain)
        if problems or recipe is None:
            where = Path(path).name if path else ""
            ordered = sorted(problems, key=lambda item: lines.get(item[0], lines.get(item[0].split(".")[0], 0)))
            raise RecipeError(
                [_located(name, text, where, lines) for name, text in ordered], source=path or "the recipe"
            )
        return recipe


_SECTIONS = [name for name in Recipe.model_fields if name not in ("path", "lines")]


def _located(name: str, text: str, file: str, lines: Mapping[str, int]) -> str:
    line = lines.get(name, lines.get(name.split(".")[0]))
    return f"{file}:{line}: {text}" if file and line else text


def _without(lines: Mapping[str, int], changes: Mapping[str, Any]) -> dict[str, int]:
    """Return `lines` with line 0, which is none, for what has been changed since: the file does not say it."""
    return {**lines, **dict.fromkeys(changes, 0)}


def _over(plain: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return `plain` with dotted `changes` put over it."""
    result = {
        str(section): {str(key): _plain(value) for key, value in keys.items()} if isinstance(keys, Mapping) else keys
        for section, keys in plain.items()
    }
    for name, value in changes.items():
        section, dot, key = name.partition(".")
        if not dot or not key:
            raise UsageError(
                f"'{name}' is not the name of a setting", remedy="name it as section.key, such as optimizer.lr"
            )
        keys = result.setdefault(section, {})
        if isinstance(keys, dict):
            keys[key] = _plain(value)
    return result


def _plain(value: Any) -> Any:
    """Return numbers of numpy and torch as Python's own."""
    return value.tolist() if hasattr(value, "tolist") else value


def _no_section(name: str) -> str:
    return f"there is no section [{name}]; {did_you_mean(name, _SECTIONS)}"


def _explain(item: Any) -> tuple[str, str]:
    """Return the dotted name that a pydantic problem is about, and the problem in our words."""
    path = [str(part) for part in item["loc"][:2]]
    name, value, kind = ".".join(path), item["input"], item["type"]
    if kind == "extra_forbidden":
        return name, f"[{path[0]}] has no key '{path[1]}'; {did_you_mean(path[1], Recipe.known_keys(path[0]))}"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return name, f"[{name}] must be a section of keys, not {value!r}"
    if kind == "literal_error" and isinstance(value, str) and name not in _COUNTS:
        expected = [word.strip("' ") for word in str(item["ctx"]["expected"]).replace(" or ", ", ").split(",")]
        return name, f"{name} cannot be '{value}'; {did_you_mean(value, expected)}"
    words = {
        "string_type": "must be text in quotes",
        "int_type": "must be a whole number",
        "int_from_float": "must be a whole number",
        "literal_error": "must be a whole number or 'auto'",
        "float_type": "must be a number",
        "list_type": "must be a list, such as ['a', 'b']",
        "string_unicode": "must be text that UTF-8 can write",
        "finite_number": "must be finite",
    }
    bounds = item.get("ctx", {})
    limits = {"greater_than_equal": "at least", "less_than": "less than", "greater_than": "more than"}
    if kind in limits:
        bound = bounds.get("ge", bounds.get("lt", bounds.get("gt")))
        return name, f"{name} must be {limits[kind]} {bound:g}, not {value!r}"
    return name, f"{name} {words.get(kind, str(item['msg']).lower())}, not {value!r}"


def _options(section: str, name: str) -> dict[str, Option]:
    """Return the options of a catalogue's entry, or of all its entries where the entry is not chosen yet."""
    catalogue = CATALOGUES[section][1]
    entries = catalogue.values() if name == AUTO else [catalogue[name]]
    return {option: record for entry in entries for option, record in entry.options.items()}


def _catalogue_problems(plain: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the names and options of the sections that choose from a catalogue."""
    for section, (what, catalogue) in CATALOGUES.items():
        keys = plain.get(section, {})
        fallback = Recipe.model_fields[section].default.name
        name = keys.get("name", fallback) if isinstance(keys, Mapping) else None
        if not isinstance(name, str):
            continue  # pydantic has said so
        automatic = fallback == AUTO
        if name not in catalogue and not (name == AUTO and automatic):
            yield f"{section}.name", f"there is no {what} '{name}'; {did_you_mean(name, catalogue)}"
            continue
        options = _options(section, name)
        for key, value in keys.items():
            if key == "name":
                continue
            if key not in options:
                subject = f"[{section}]" if name == AUTO else f"{what} '{name}'"
                known = did_you_mean(key, ["name", *options])
                yield f"{section}.{key}", f"{subject} has no key '{key}'; {known}"
            elif value != AUTO:
                problem = option_problem(f"{section}.{key}", value, options[key])
                if problem:
                    yield f"{section}.{key}", problem
    for name, most in _COUNTS.items():
        section, _, key = name.partition(".")
        count = plain[section].get(key) if isinstance(plain.get(section), Mapping) else None
        if isinstance(count, int) and not isinstance(count, bool) and not 1 <= count <= most:
            yield name, f"{name} must be at least 1 and at most {most}, not {count}"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value) if value == value and abs(value) != float("inf") else str(value).replace("+", "")
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, str):
        return '"' + "".join(map(_toml_character, value)) + '"'
    return str(value)


def _toml_character(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"
