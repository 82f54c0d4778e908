"""The recipe: everything that a run is asked for, validated at once, every problem named with its line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from trainwright.errors import DataError, RecipeError, UsageError
from trainwright.records import Location, Setting
from trainwright.stages.recipe_problems import catalogue_problems, explain, no_section
from trainwright.stages.sections import (
    AUTO,
    SECTIONS,
    AugmentSection,
    DataSection,
    DistributedSection,
    DoctorSection,
    FinishSection,
    ModelSection,
    OptimizerSection,
    PartSection,
    Section,
    TrainSection,
    TuneSection,
)
from trainwright.stages.toml_lines import key_lines
from trainwright.stages.toml_text import toml

_MOST_BYTES = 2**20  # recipes have some hundred lines
_DEEP = re.compile(r"""(?<![\w"'-])(?:[\w"'-]++[ \t]*+\.[ \t]*+){32}""")  # a dotted key of more than 32 parts
_BITS = 4096  # of an integer: more than any setting needs, and few enough to be shown in an error


class Recipe(Section):
    """What a run is asked for. Build it with `Recipe.read` or `Recipe.of`; both refuse with all problems at once."""

    data: DataSection = DataSection()
    model: ModelSection = ModelSection()
    loss: PartSection = PartSection()
    optimizer: OptimizerSection = OptimizerSection()
    schedule: PartSection = PartSection()
    augment: AugmentSection = AugmentSection()
    train: TrainSection = TrainSection()
    doctor: DoctorSection = DoctorSection()
    tune: TuneSection = TuneSection()
    finish: FinishSection = FinishSection()
    distributed: DistributedSection = DistributedSection()
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
            with path.open("rb") as file:
                text = _text(file.read(_MOST_BYTES + 1), path)
        except (OSError, ValueError) as problem:  # ValueError: a path with a NUL
            reason = problem.strerror if isinstance(problem, OSError) else problem
            reason = "it is not UTF-8 text" if isinstance(problem, UnicodeDecodeError) else reason
            raise DataError(
                f"the recipe {path} cannot be read",
                evidence=str(reason),
                remedy=f"it is a run's folder; its recipe is {path / 'recipe.toml'}"
                if (path / "recipe.toml").is_file()
                else "write one for your data with: trainwright new DATA",
            ) from None
        try:
            if _DEEP.search(text):  # the parser would take minutes to find what no recipe has
                raise RecursionError
            plain = tomllib.loads(text)
        except (ValueError, RecursionError) as problem:  # ValueError alone: a number with thousands of digits
            reason = "nested too deeply" if isinstance(problem, RecursionError) else problem
            hint = "; text must be in quotes" if "Invalid value" in str(reason) else ""
            if path.suffix.lower() in (".csv", ".tsv", ".txt", ".json", ".py"):
                hint = f"; is it data, or a program? See: trainwright new {path}, trainwright run {path}"
            raise RecipeError([f"it is not valid TOML: {reason}{hint}"], source=str(path)) from None
        if not plain and not changes:  # a whole file of defaults would train on a data set that nobody named
            raise RecipeError(["it names nothing; the least is [data] with source = 'digits'"], source=str(path))
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
        return cls._build(_over(plain or {}, changes), None, _without({}, changes))

    def changed(self, changes: Mapping[str, Any]) -> Recipe:
        """Return the recipe with `{"section.key": value}` put over it; the other keys keep the lines they came from."""
        given = self.model_dump(exclude_unset=True)  # a default stays a default: what was not asked for may still adapt
        return self._build(_over(given, changes), self.path, _without(self.lines, changes))

    def completed(self, values: Mapping[str, Any]) -> Recipe:
        """Return the recipe with each of `values` where nothing was asked for; the other keys keep their lines."""
        given = self.model_dump(exclude_unset=True)
        missing = {name: value for name, value in values.items() if not self.given(name)}
        return self._build(_over(given, missing), self.path, self.lines)

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

    def given(self, name: str) -> bool:
        """Say whether a setting ("optimizer.lr") was asked for; "auto" is as good as not."""
        section, _, key = name.partition(".")
        values = self.model_dump(exclude_unset=True).get(section, {})
        return key in values and values[key] != AUTO

    def settings(self) -> dict[str, Setting]:
        """Return every setting by its dotted name, with the line of the recipe that it came from."""
        return {
            f"{section}.{key}": Setting(
                value=value, where=self._where(f"{section}.{key}"), given=f"{section}.{key}" in self.lines
            )
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
            if section == "tune" and not self.tune.space:  # nothing that a run knows or needs
                continue
            if section == "finish" and not self.finish.asks:
                continue
            if section == "distributed" and self.distributed == DistributedSection():
                continue
            rows = [f"[{section}]"]
            for key, value in keys.items():
                remark = (comments or {}).get(f"{section}.{key}")
                rows.append(f"{key} = {toml(value)}" + (f"  # {remark}" if remark else ""))
            blocks.append("\n".join(rows))
        return "\n\n".join(blocks) + "\n"

    def _where(self, name: str) -> Location | None:
        line = self.lines.get(name)
        return Location(file=self.path, line=line) if line else None

    @classmethod
    def _build(cls, plain: Mapping[str, Any], path: str | None, lines: Mapping[str, int]) -> Recipe:
        # First: a number of thousands of digits could not even be shown by what else is wrong with it.
        problems = [(name, f"{name} holds a number of more than {_BITS} bits") for name in _too_large(plain)]
        if problems:
            raise RecipeError([text for _, text in problems], source=path or "the recipe")
        problems = [(name, no_section(name)) for name in plain if name not in SECTIONS]
        recipe = None
        try:
            known = {name: keys for name, keys in plain.items() if name in SECTIONS}
            recipe = cls.model_validate(known).model_copy(update={"path": path, "lines": dict(lines)})
        except ValidationError as error:
            found: dict[str, str] = {}  # the first of each key: of "auto or a number" both are missed at once
            for item in error.errors(include_url=False, include_context=True):
                found.setdefault(*explain(item))
            problems += found.items()
        problems += catalogue_problems(plain)
        if problems or recipe is None:
            where = Path(path).name if path else ""
            ordered = sorted(problems, key=lambda item: lines.get(item[0], lines.get(item[0].split(".")[0], 0)))
            raise RecipeError(
                [_located(name, text, where, lines) for name, text in ordered], source=path or "the recipe"
            )
        return recipe


def _text(content: bytes, path: Path) -> str:
    """Return the text of a recipe's file, line ends as \\n. Raises `RecipeError` where it is far too long for one."""
    if len(content) > _MOST_BYTES:
        raise RecipeError([f"it is no recipe: it has more than {_MOST_BYTES:,} bytes"], source=str(path))
    return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")


def _too_large(value: Any, name: str = "") -> Iterator[str]:
    """Yield the dotted names below which an integer is larger than a recipe may hold."""
    if isinstance(value, int) and value.bit_length() > _BITS:
        yield name
    entries = value.items() if isinstance(value, Mapping) else ()
    for key, inner in entries:
        yield from _too_large(inner, f"{name}.{key}" if name else str(key))
    if isinstance(value, list | tuple) and any(True for inner in value for _ in _too_large(inner, name)):
        yield name


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
    """Return numbers of numpy and torch as Python's own, and tuples as the lists that TOML has."""
    return value.tolist() if hasattr(value, "tolist") else list(value) if isinstance(value, tuple) else value
