"""Reads a run folder, whole or not: without the model, while it is written, from a read-only or network disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

from trainwright.errors import RunError, did_you_mean
from trainwright.records import Chart, EvalRecord, Event, Finding, LayerStats, Outcome, RunInfo, StepRecord, from_plain
from trainwright.runs.layout import CHECKPOINTS, EVENTS, METRICS, RECIPE, RUN, SCHEMA, is_run
from trainwright.runs.small import open_regular, parse, read_json, read_text
from trainwright.runs.step_columns import CHUNK, StepColumns, frame_of, parted, read_steps

_KINDS: dict[Any, type] = {"step": StepRecord, "eval": EvalRecord, "layer": LayerStats}
_LONG = 4 << 20
"""Bytes of metrics from which they are read as columns."""
_LONGEST_LINE = 16 << 20
"""Bytes of a line; no record has a thousandth of them. At one that is longer, as of zeros without end, reading ends."""
_MALFORMED = (ValueError, TypeError, KeyError, AttributeError)
"""What text that is no JSON, or JSON that is no record, may raise."""


@dataclass(frozen=True, kw_only=True)
class StoredRun:
    """A run as its folder tells it. `outcome` is None while it goes on, or where it was killed.

    `recipe` is the text of the resolved recipe, `digest` the SHA-256 over the weights after the last step, `head` all
    of run.json, and `notes` say what was wrong with the folder and could be read around.
    """

    folder: Path
    info: RunInfo
    chart: Chart
    outcome: Outcome | None
    findings: tuple[Finding, ...]
    digest: str | None
    recipe: str
    head: dict[str, Any]
    notes: tuple[str, ...] = ()  # what was wrong with the folder and could be read around


def read_run(folder: str | Path, *, curves: bool = True) -> StoredRun:
    """Read the run in `folder`; without `curves`, only what it came to, which takes no time however long it was.

    Raises `RunError` where there is no run, or a newer version wrote it.
    """
    folder = Path(folder)
    head = read_head(folder)
    notes: list[str] = []
    try:
        info = from_plain(RunInfo, head["info"])
        outcome = from_plain(Outcome, head["outcome"]) if head.get("outcome") else None
        findings = tuple(from_plain(Finding, plain) for plain in head.get("findings", []))
    except _MALFORMED as problem:
        raise _damaged(folder, problem) from None
    return StoredRun(
        folder=folder,
        info=info,
        chart=_read_chart(folder, info, notes) if curves else Chart(info=info),
        outcome=outcome,
        findings=findings,
        digest=head.get("digest"),
        recipe=_read_recipe(folder / RECIPE, notes),
        head=head,
        notes=tuple(notes),
    )


def _read_recipe(path: Path, notes: list[str]) -> str:
    """Return the text of a run's recipe, "" where it has none that can be read, which is noted."""
    try:
        return read_text(path) if path.is_file() else ""
    except (OSError, ValueError) as problem:
        notes.append(f"{path.name} cannot be read: {problem}")
        return ""


def find_runs(parent: str | Path) -> list[Path]:
    """Return the run folders in `parent`, or `parent` itself where it is one, in order of name."""
    parent = Path(parent)
    if is_run(parent):
        return [parent]
    return sorted(path for path in parent.iterdir() if path.is_dir() and is_run(path)) if parent.is_dir() else []


def read_head(folder: Path) -> dict[str, Any]:
    """Return the content of run.json. Raises `RunError` where there is none, or a newer version wrote it."""
    if not is_run(folder):
        near = find_runs(folder if folder.is_dir() else folder.parent)
        raise RunError(
            f"{folder} holds no run" if folder.is_dir() else f"there is no run folder {folder}",
            evidence=f"there is no {folder / RUN}",
            remedy=did_you_mean(folder.name, [path.name for path in near[:20]])
            if near
            else "make one with: trainwright train RECIPE --folder DIR",
        )
    try:
        head = read_json(folder / RUN)
        schema = head["schema"]
        if not isinstance(schema, int) or not isinstance(head["info"], dict):
            raise TypeError("schema is no number, or info no object")
    except (OSError, *_MALFORMED) as problem:
        raise _damaged(folder, problem) from None
    if schema > SCHEMA:
        raise RunError(
            f"the run in {folder} was written by a newer trainwright",
            evidence=f"its schema is {schema}, this version reads up to {SCHEMA}",
            remedy="update trainwright",
        )
    return head


def _damaged(folder: Path, problem: Exception) -> RunError:
    whole = (folder / CHECKPOINTS).is_dir()
    remedy = (
        f"its weights are in {folder / CHECKPOINTS}: train again from them, by model.start" if whole else "train again"
    )
    return RunError(f"the run in {folder} is damaged", evidence=f"{RUN} cannot be read: {problem}", remedy=remedy)


def _read_chart(folder: Path, info: RunInfo, notes: list[str]) -> Chart:
    metrics = folder / METRICS
    long = metrics.is_file() and metrics.stat().st_size > _LONG
    steps, others = _read_long(metrics, notes) if long else _read_short(metrics, notes)
    return Chart(
        info=info,
        steps=steps,
        evals=[record for record in others if isinstance(record, EvalRecord)],
        layers=[record for record in others if isinstance(record, LayerStats)],
        events=tuple(_records(folder / EVENTS, lambda line: Event, notes)),
    )


def _read_short(path: Path, notes: list[str]) -> tuple[list[StepRecord], list[Any]]:
    """Return the steps of a file of metrics, and its other records, both in order."""
    records = list(_records(path, _kind_of_metric, notes))
    steps = [record for record in records if isinstance(record, StepRecord)]
    return steps, [record for record in records if not isinstance(record, StepRecord)]


def _read_long(path: Path, notes: list[str]) -> tuple[StepColumns, list[Any]]:
    """Do the same where there are so many lines that making a record of each would take long."""
    frames, others, torn, rest = [], [], 0, b""
    with open_regular(path) as file:
        while chunk := file.read(CHUNK):
            text = rest + chunk
            whole = text.rfind(b"\n") + 1
            rest = text[whole:]
            torn += _take(text[:whole], frames, others)
            if len(rest) > _LONGEST_LINE:
                break
    torn += _take(rest, frames, others)
    _note_torn(path, torn, notes)
    return StepColumns(frames), others


def _take(text: bytes, frames: list[Any], others: list[Any]) -> int:
    """Append what whole lines hold, and return how many could not be read."""
    steps, lines = parted(text)
    frame = read_steps(steps)
    if frame is None:
        made, torn = _parsed(steps, _kind_of_metric)
        frame = frame_of(made)
    else:
        torn = 0
    frames.append(frame)
    made, more = _parsed(lines, _kind_of_metric)
    others += made
    return torn + more


def _kind_of_metric(line: dict[str, Any]) -> type | None:
    return _KINDS.get(line.get("record"))


def _records(path: Path, kind_of: Callable[[dict[str, Any]], type | None], notes: list[str]) -> list[Any]:
    """Return the records of a file, leaving out lines that are torn or no records, and noting how many.

    Lines whose kind `kind_of` does not know are left out too: a later version wrote them.
    """
    if not path.is_file():
        notes.append(f"{path.name} is missing")
        return []
    with open_regular(path) as file:
        records, torn = _parsed(_lines(file), kind_of)
    _note_torn(path, torn, notes)
    return records


def _lines(file: BufferedReader) -> Iterator[bytes]:
    """Yield the lines of a file, up to the first that is far longer than any: what follows is no log."""
    while line := file.readline(_LONGEST_LINE):
        yield line
        if len(line) == _LONGEST_LINE:
            return


def _parsed(lines: Iterable[bytes], kind_of: Callable[[dict[str, Any]], type | None]) -> tuple[list[Any], int]:
    """Return the records in `lines`, and how many lines held none."""
    records, torn = [], 0
    for text in filter(bytes.strip, lines):
        try:
            line = parse(text.decode(errors="replace"))
            kind = kind_of(line)
            record = None if kind is None else from_plain(kind, line)
        except _MALFORMED:
            torn += 1
            continue
        if record is not None:
            records.append(record)
    return records, torn


def _note_torn(path: Path, torn: int, notes: list[str]) -> None:
    if torn:
        count, verb = (f"{torn} lines", "are") if torn > 1 else ("1 line", "is")
        notes.append(f"{count} of {path.name} could not be read and {verb} left out")
