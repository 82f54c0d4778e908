"""The command `predict`: new data through a trained network, or a text that goes on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from trainwright.cli.answer import say
from trainwright.errors import UsageError
from trainwright.records import to_plain
from trainwright.report.safe import visible

_ROWS, _COLUMNS = 10, 9  # of the preview


def check_asked(data: str | None, prompt: str | None, output: Path | None, json: Path | None) -> None:
    """Raise `UsageError` unless there is one thing to do, and one document for standard output."""
    if (data is None) == (prompt is None):
        raise UsageError(
            "there is nothing to predict" if data is None else "data and --prompt are two different questions",
            remedy="give the data: trainwright predict MODEL DATA; or, for a model of texts, --prompt TEXT",
        )
    if output is not None and str(output) == "-" and json is not None and str(json) == "-":
        raise UsageError(
            "predictions and JSON cannot both go to standard output", remedy="give one of them the name of a file"
        )
    if prompt is not None and output is not None:
        raise UsageError("--output is for predictions of data", remedy="let the shell write the text: > FILE")


def run(
    console: Console,
    document: dict[str, Any],
    model_folder: Path,
    data: str,
    *,
    output: Path | None,
    overwrite: bool,
    keep: Sequence[str],
) -> None:
    """Predict `data`, print a preview, the figures and what there is to say; fill `document`."""
    from trainwright.stages.load import load
    from trainwright.stages.predict import predict

    model = load(model_folder)
    found = predict(model, data, output=output, overwrite=overwrite, keep=keep)
    for note in found.notes:
        say(console, f"note: {note}")
    if output is None:
        _preview(console, found.columns, found.rows, found.count)
    else:
        say(console, f"{found.count:,} predictions" + ("" if str(output) == "-" else f" in {output}"))
    if found.scores:
        figures = ", ".join(f"{name} {value:.4g}" for name, value in found.scores.items())
        of_all = "" if found.scored == found.count else f" of {found.count:,}"
        say(console, f"{figures} (over {found.scored:,}{of_all} samples that came with a target)")
    document.update(
        to_plain(
            {
                "model": str(model_folder),
                "task": model.task,
                "classes": model.classes,
                "count": found.count,
                "columns": found.columns,
                "predictions": [dict(zip(found.columns, row, strict=True)) for row in found.rows],
                "output": None if output is None else str(output),
                "metrics": found.scores,
                "scored": found.scored,
                "notes": found.notes,
            },
            strict=True,
        )
    )


def go_on(
    console: Console,
    document: dict[str, Any],
    model_folder: Path,
    prompt: str,
    *,
    length: int,
    temperature: float,
    seed: int,
) -> None:
    """Print the prompt and what a model of texts goes on with; fill `document`."""
    from trainwright.stages.load import load

    model = load(model_folder)
    for note in model.notes:
        say(console, f"note: {note}")
    text = model.generate(prompt, length, temperature=temperature, seed=seed)
    say(console, text)
    document.update(
        model=str(model_folder), prompt=prompt, text=text, length=length, temperature=temperature, seed=seed
    )


def _preview(console: Console, columns: Sequence[str], rows: Sequence[Sequence[Any]], count: int) -> None:
    table = Table(box=None, pad_edge=False)
    for name in columns[:_COLUMNS]:
        table.add_column(Text(visible(name)))
    for row in rows[:_ROWS]:
        table.add_row(*(Text(_cell(value)) for value in row[:_COLUMNS]))
    console.print(table)
    further = [f"{count - _ROWS:,} more rows"] if count > _ROWS else []
    further += [f"{len(columns) - _COLUMNS:,} more columns"] if len(columns) > _COLUMNS else []
    if further:
        say(console, f"... {' and '.join(further)}; all of them with: --output predictions.csv")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else visible(str(value))[:60]
