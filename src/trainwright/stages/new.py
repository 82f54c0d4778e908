"""The verb new: looks at the data and writes a recipe for them, every line with its reason."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainwright.data.dataset import Dataset
from trainwright.data.inspect import DataSummary, inspect
from trainwright.data.load import load
from trainwright.data.source import open_source
from trainwright.errors import RunError, UsageError
from trainwright.parts import models, optimizers, schedules
from trainwright.parts.catalogue import find
from trainwright.records import DataShape, ModelSpec, to_plain
from trainwright.stages.choose import Choice, advice, choose
from trainwright.stages.comments import COMMENTS
from trainwright.stages.recipe import Recipe
from trainwright.stages.splits import facts_of

Target = str | Sequence[str] | None
_MOST_NAMED = 12  # classes or columns that are listed by name; a longer list helps nobody


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What was seen and proposed: words for people, a document for programs, and the recipe's place where written."""

    text: str
    document: dict[str, Any]
    path: Path | None = None


def write_recipe(
    source: str, path: Path, *, target: Target = None, data_root: str | None = None, image_size: int = 0
) -> Proposal:
    """Look at `source` and write a commented recipe to `path`; images of unequal sizes need an `image_size`.

    Raises `DataError` on data that cannot be read and `RunError` where `path` exists: a recipe is never overwritten.
    """
    _check_free(path)
    summary, dataset = _look(source, target, data_root, image_size)
    _write(
        path,
        propose(
            summary, choose(facts_of(dataset), {}), _source(source, Path(summary.source), path), _sizes(image_size)
        ),
    )
    document = to_plain({"recipe": str(path), "data": summary}, strict=True)
    return Proposal(
        text=f"{describe(summary)}\nwrote {path}; train it with: trainwright train {path}", document=document, path=path
    )


def recommend(
    source: str,
    *,
    target: Target = None,
    model: str | None = None,
    output: Path | None = None,
    data_root: str | None = None,
    image_size: int = 0,
) -> Proposal:
    """Look at `source` and say what suits it, each choice with its reason; with `output`, write it as a recipe.

    `model` is a network of the catalogue that is settled already. Raises as `write_recipe`, and `UsageError` for a
    network that does not exist.
    """
    if output is not None:
        _check_free(output)
    given: dict[str, Any] = {} if model is None else {"model.name": find(models.CATALOGUE, model, "model").name}
    summary, dataset = _look(source, target, data_root, image_size)
    facts = facts_of(dataset)
    if model is not None:
        _check_takes(models.CATALOGUE[given["model.name"]], facts.shape)
    choices, thoughts = choose(facts, given), advice(facts)
    lines = [describe(summary), "", *(_choice_lines(choice) for choice in choices)]
    lines += ["", *(f"consider: {thought}" for thought in thoughts)]
    if output is not None:
        given |= _sizes(image_size)
        _write(output, propose(summary, choices, _source(source, Path(summary.source), output), given))
        lines += ["", f"wrote {output}; train it with: trainwright train {output}"]
    document = {"data": summary, "choices": choices, "advice": thoughts, "recipe": str(output) if output else None}
    return Proposal(text="\n".join(lines).rstrip(), document=to_plain(document, strict=True), path=output)


def _check_takes(spec: ModelSpec, shape: DataShape) -> None:
    """Raise `UsageError` where a network cannot take samples of this shape."""
    dimensions = len(shape.input_shape)
    if dimensions in spec.dimensions and (shape.vocabulary is None or spec.tokens):
        return
    fitting = [
        other.name
        for other in models.CATALOGUE.values()
        if dimensions in other.dimensions and (shape.vocabulary is None or other.tokens)
    ]
    raise UsageError(
        f"a {spec.name} cannot take these data",
        evidence=f"samples are {'tokens' if shape.vocabulary else 'of shape'} {'x'.join(map(str, shape.input_shape))}",
        remedy=f"--model {', or '.join(fitting)}",
    )


def _sizes(image_size: int) -> dict[str, Any]:
    return {"data.image_size": image_size} if image_size else {}


def _look(source: str, target: Target, data_root: str | None, image_size: int) -> tuple[DataSummary, Dataset]:
    here = os.getcwd()  # where the user stands comes before the data root, as a recipe's own folder does
    opened = open_source(source, data_root=data_root, folder=here, image_size=image_size)
    summary = inspect(opened, target=target)
    # A recipe for data that cannot be trained on would only put the refusal off.
    return summary, load(opened, target=summary.target, task=summary.task)


def _choice_lines(choice: Choice) -> str:
    value = choice.value if isinstance(choice.value, str) else f"{choice.value:g}"
    return f"{choice.setting} = {value}\n    {choice.reason}\n    source: {choice.source}"


def _check_free(path: Path) -> None:
    if path.exists():
        raise RunError(f"{path} exists already", remedy="choose another place with --output, or remove it first")


def _write(path: Path, recipe: str) -> None:
    try:
        path.write_text(recipe, encoding="utf-8")
    except OSError as problem:
        raise RunError(f"the recipe {path} cannot be written", evidence=problem.strerror or str(problem)) from None


def _source(given: str, found: Path, recipe: Path) -> str:
    """Return how the recipe should name its data, so that it finds them from wherever it is run.

    A built-in name, and a path under the data root, stay as they were given; a file beside the recipe or below it is
    named from there; any other by its absolute path.
    """
    if not found.exists() or (not Path(given).is_absolute() and not Path(given).exists()):
        return given
    home = recipe.parent.resolve()
    return str(found.resolve().relative_to(home) if found.resolve().is_relative_to(home) else found.resolve())


def describe(summary: DataSummary) -> str:
    """Return what was seen, as a few lines."""
    lines = [f"{summary.source}: {summary.rows:,} rows, samples of shape {'x'.join(map(str, summary.input_shape))}"]
    names = [summary.target] if isinstance(summary.target, str) else list(summary.target or ())
    named = ", ".join(f"'{name}'" for name in names if name)
    target = f"column{'s' if len(names) > 1 else ''} {named}" if named else "its own"
    lines.append(f"target: {target} ({summary.target_reason})")
    lines.append(f"task: {_task(summary)}")
    lines += [f"  {name}: {count:,}" for name, count in summary.classes[:_MOST_NAMED]]
    if len(summary.classes) > _MOST_NAMED:
        lines.append(f"  and {len(summary.classes) - _MOST_NAMED} more")
    lines += [f"note: {warning}" for warning in summary.warnings]
    return "\n".join(lines)


def propose(
    summary: DataSummary, choices: Sequence[Choice], source: str, given: Mapping[str, Any] | None = None
) -> str:
    """Return a recipe for the data, every line with its reason. `given` is what was settled before choosing."""
    chosen = {**(given or {}), **{choice.setting: choice.value for choice in choices}}
    model = models.CATALOGUE[chosen["model.name"]]
    optimizer = optimizers.CATALOGUE[chosen["optimizer.name"]]
    usual = {f"model.{name}": option.default for name, option in model.options.items()}
    usual |= {f"optimizer.{name}": optimizer.options[name].default for name in ("lr", "weight_decay")}
    schedule = schedules.CATALOGUE[chosen["schedule.name"]].options
    usual |= {"schedule.warmup": schedule["warmup"].default} if "warmup" in schedule else {}
    changes: dict[str, Any] = {
        "data.source": source,
        "data.target": _plain_target(summary),
        "data.task": summary.task,
        **usual,
        **chosen,
    }
    reasons = {choice.setting: f"{choice.reason} ({choice.source})" for choice in choices}
    comments = {
        **COMMENTS,
        **{f"model.{name}": option.meaning for name, option in model.options.items()},
        "optimizer.lr": f"the most important number; {optimizer.options['lr'].source}",
        **reasons,
        "data.source": f"{summary.rows:,} rows",
        "data.target": f"the column to predict: {summary.target_reason}" if summary.target else summary.target_reason,
        "data.task": _task(summary),
    }
    named = ", ".join(f"{name} ({count:,})" for name, count in summary.classes[:_MOST_NAMED])
    rest = f" and {len(summary.classes) - _MOST_NAMED} more" if len(summary.classes) > _MOST_NAMED else ""
    head = f"# A recipe for {_one_line(source)}. All but source and target are defaults and may be left out.\n"
    if named:
        head += f"# Classes: {_one_line(named)}{rest}.\n"
    safe = {name: _one_line(text) for name, text in comments.items()}
    return f"{head}\n{Recipe.of(None, **changes).to_toml(comments=safe)}"


def _plain_target(summary: DataSummary) -> str | list[str]:
    target = summary.target
    return "" if target is None else target if isinstance(target, str) else list(target)


def _task(summary: DataSummary) -> str:
    if summary.vocabulary is not None:
        return f"classification: each character is told from those before it, {summary.vocabulary} different ones"
    if summary.task == "multi-label":
        return f"multi-label: a yes or no for each of {summary.outputs} labels"
    if summary.task == "regression":
        return "regression: a number is predicted" if summary.outputs == 1 else f"regression: {summary.outputs} numbers"
    return f"classification into {len(summary.classes)} classes"


def _one_line(text: str) -> str:
    """Return text that cannot leave its comment: a column's name may hold anything."""
    return "".join(character if character.isprintable() else "?" for character in text)
