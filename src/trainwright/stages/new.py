"""The verb new: looks at the data and writes a recipe for them, every line with its reason."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainwright import defaults
from trainwright.data.inspect import DataSummary, inspect
from trainwright.data.load import load
from trainwright.errors import RunError
from trainwright.parts import losses, models, optimizers, schedules
from trainwright.records import to_plain
from trainwright.stages.recipe import Recipe

_MOST_NAMED = 12  # classes or columns that are listed by name; a longer list helps nobody

COMMENTS: Mapping[str, str] = {
    "data.source": "a built-in set, a CSV file, an IDX file, or a folder of IDX files",
    "data.target": "the column to predict",
    "data.task": "classification or regression; 'auto' tells by the target",
    "data.normalise": "'standard': by the training split's statistics; 'none' feeds the numbers as they are",
    "data.validation": "share of the rows held out to choose the best model by",
    "data.test": "share held out to report by, looked at once; 0 for none",
    "data.test_source": "a file of its own for testing, in place of that share",
    "data.ignore": "columns to leave out",
    "model.name": f"{', '.join(models.CATALOGUE)}; 'auto' tells by the shape of a sample",
    "loss.name": f"{', '.join(losses.CATALOGUE)}; 'auto' tells by the task",
    "optimizer.name": ", ".join(optimizers.CATALOGUE),
    "optimizer.weight_decay": "on weights alone, none on biases and normalisations",
    "schedule.name": f"the rate over the run: {', '.join(schedules.CATALOGUE)}",
    "schedule.warmup": "share of the run in which the rate rises",
    "train.epochs": f"'auto' aims at {defaults.PLANNED_STEPS.value:g} steps",
    "train.batch_size": "samples in a step",
    "train.seed": "same seed, same run, bit for bit",
    "train.clip_norm": "largest norm of the gradient; 0 for none",
    "train.patience": "stop after so many evaluations without a better validation loss; 0 to train to the end",
    "train.evaluate_every_steps": "0 evaluates once an epoch",
    "train.device": "'auto' takes an accelerator where there is one",
    "train.threads": "CPU threads; the same run bit for bit needs the same number",
    "doctor.level": "how closely the run is watched: off, light or full",
}
"""What each key of a recipe means, in a line."""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What was seen and written: words for people, a document for programs, and the recipe's place."""

    text: str
    document: dict[str, Any]
    path: Path


def write_recipe(source: str, path: Path, *, target: str | None = None, data_root: str | None = None) -> Proposal:
    """Look at `source` and write a commented recipe to `path`.

    Raises `DataError` on data that cannot be read and `RunError` where `path` exists: a recipe is never overwritten.
    """
    if path.exists():
        raise RunError(f"{path} exists already", remedy="choose another place with --output, or remove it first")
    here = os.getcwd()  # where the user stands comes before the data root, as a recipe's own folder does
    summary = inspect(source, target=target, data_root=data_root, folder=here)
    # A recipe for data that cannot be trained on would only put the refusal off.
    load(source, target=summary.target, task=summary.task, data_root=data_root, folder=here)
    recipe = propose(summary, _source(source, Path(summary.source), path))
    try:
        path.write_text(recipe, encoding="utf-8")
    except OSError as problem:
        raise RunError(f"the recipe {path} cannot be written", evidence=problem.strerror or str(problem)) from None
    document = to_plain({"recipe": str(path), "data": summary}, strict=True)
    return Proposal(
        text=f"{describe(summary)}\nwrote {path}; train it with: trainwright train {path}", document=document, path=path
    )


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
    target = f"column '{summary.target}'" if summary.target else "its own"
    lines.append(f"target: {target} ({summary.target_reason})")
    lines.append(f"task: {_task(summary)}")
    lines += [f"  {name}: {count:,}" for name, count in summary.classes[:_MOST_NAMED]]
    if len(summary.classes) > _MOST_NAMED:
        lines.append(f"  and {len(summary.classes) - _MOST_NAMED} more")
    lines += [f"note: {warning}" for warning in summary.warnings]
    return "\n".join(lines)


def propose(summary: DataSummary, source: str) -> str:
    """Return a recipe for the data, commented."""
    classes = max(len(summary.classes), 1)
    loss = losses.CATALOGUE[losses.automatic(summary.task, classes)]
    model = models.CATALOGUE[models.automatic(summary.input_shape)]
    optimizer = optimizers.CATALOGUE[Recipe().optimizer.name]
    rate = optimizer.options["lr"]
    changes: dict[str, Any] = {
        "data.source": source,
        "data.target": summary.target or "",
        "data.task": summary.task,
        "model.name": model.name,
        **{f"model.{name}": option.default for name, option in model.options.items()},
        "loss.name": loss.name,
        "optimizer.name": optimizer.name,
        "optimizer.lr": rate.default,
        "optimizer.weight_decay": optimizer.options["weight_decay"].default,
        "schedule.name": Recipe().schedule.name,
        "schedule.warmup": defaults.WARMUP_FRACTION.value,
    }
    comments = {
        **COMMENTS,
        "data.source": f"{summary.rows:,} rows",
        "data.target": f"the column to predict: {summary.target_reason}" if summary.target else summary.target_reason,
        "data.task": _task(summary),
        "model.name": f"{model.summary}; known: {', '.join(models.CATALOGUE)}",
        **{f"model.{name}": option.meaning for name, option in model.options.items()},
        "loss.name": f"{loss.summary}; known: {', '.join(losses.CATALOGUE)}",
        "optimizer.name": f"{optimizer.summary}; known: {', '.join(optimizers.CATALOGUE)}",
        "optimizer.lr": f"the most important number; {rate.source}",
    }
    named = ", ".join(f"{name} ({count:,})" for name, count in summary.classes[:_MOST_NAMED])
    rest = f" and {len(summary.classes) - _MOST_NAMED} more" if len(summary.classes) > _MOST_NAMED else ""
    head = f"# A recipe for {_one_line(source)}. All but source and target are defaults and may be left out.\n"
    if named:
        head += f"# Classes: {_one_line(named)}{rest}.\n"
    safe = {name: _one_line(text) for name, text in comments.items()}
    return f"{head}\n{Recipe.of(None, **changes).to_toml(comments=safe)}"


def _task(summary: DataSummary) -> str:
    if summary.task == "regression":
        return "regression: a number is predicted"
    return f"classification into {len(summary.classes)} classes"


def _one_line(text: str) -> str:
    """Return text that cannot leave its comment: a column's name may hold anything."""
    return "".join(character if character.isprintable() else "?" for character in text)
