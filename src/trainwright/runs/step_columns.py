"""The steps in a run's metrics as columns: a million lines take about a second; records are made where asked for.

A line that no writer of ours wrote makes `read_steps` answer None, and whoever asked reads those lines one by one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

from trainwright.records import StepProbe, StepRecord, to_brief

if TYPE_CHECKING:  # imported where many lines are read: a short run is shown without waiting for it
    import polars

MARK = b'{"record": "step"'
CHUNK = 1 << 22
"""Bytes that are read at a time: some twenty thousand steps, which stay in the processor's cache."""
_PROBE = ("before", "same", "tenth", "tenfold")
_NEEDED = ("step", "epoch", "loss", "rate", "samples")
_ODD = (
    (b": NaN", 1.7976931348623151e308, math.nan),
    (b": Infinity", 1.7976931348623153e308, math.inf),
    (b": -Infinity", -1.7976931348623153e308, -math.inf),
)
"""JSON has no literal for these; each is read as a number at the end of the range, which no measurement gives."""


class StepColumns(Sequence[StepRecord]):
    """The steps of a stored run, in order. `column` reads a field of all; walking through it makes all records once."""

    def __init__(self, frames: Sequence[polars.DataFrame]) -> None:
        import polars

        self._frame = polars.concat(frames, rechunk=False)
        self._records: list[StepRecord] | None = None

    def column(self, name: str) -> list[Any]:
        """Return one field of every step, None where it was not measured; any field but `probe`."""
        return self._frame[name].to_list()

    def __len__(self) -> int:
        return self._frame.height

    @overload
    def __getitem__(self, place: int) -> StepRecord: ...
    @overload
    def __getitem__(self, place: slice) -> list[StepRecord]: ...
    def __getitem__(self, place: int | slice) -> StepRecord | list[StepRecord]:
        if self._records is not None:
            return self._records[place]
        if isinstance(place, slice):
            return _records(self._frame[place])
        place = range(len(self))[place]
        return _records(self._frame[place : place + 1])[0]

    def __iter__(self) -> Iterator[StepRecord]:
        if self._records is None:
            self._records = _records(self._frame)
        return iter(self._records)


def parted(text: bytes) -> tuple[list[bytes], list[bytes]]:
    """Return the lines of `text` that begin as a step does, and the others."""
    steps, others = [], []
    for line in text.split(b"\n"):
        (steps if line.startswith(MARK) else others).append(line)
    return steps, others


def read_steps(lines: Sequence[bytes]) -> polars.DataFrame | None:
    """Return the steps in `lines`, each of which begins with `MARK`, a column for each field; None where one is odd.

    What was not measured is null; `probe` is four columns, "probe.before" and so on.
    """
    import polars

    if not lines:
        return frame_of(())
    text = b"\n".join(lines)
    odd = [entry for entry in _ODD if entry[0] in text]
    for token, stand_in, _ in odd:
        text = text.replace(token, b": %r" % stand_in)
    try:
        frame = polars.read_ndjson(text, schema=_schema(polars))
    except polars.exceptions.PolarsError:
        return None
    if frame.height != len(lines) or any(frame[name].null_count() for name in _NEEDED):
        return None
    frame = _whole(frame)
    for _, stand_in, value in odd:
        numbers = polars.selectors.float()
        frame = frame.with_columns(polars.when(numbers == stand_in).then(value).otherwise(numbers).name.keep())
    return frame


def frame_of(records: Sequence[StepRecord]) -> polars.DataFrame:
    """Return records as the columns that `read_steps` gives."""
    import polars

    rows = [{**to_brief(record), "step": record.step, "epoch": record.epoch} for record in records]
    return _whole(polars.DataFrame(rows, schema=_schema(polars)))


def _whole(frame: polars.DataFrame) -> polars.DataFrame:
    """Put the defaults where a line is silent, and the probe into columns of its own."""
    import polars

    probe = frame["probe"].struct
    return frame.with_columns(
        polars.col("clipped").fill_null(False),
        polars.col("skipped").fill_null(False),
        polars.col("seconds").fill_null(0.0),
        *(probe.field(name).alias(f"probe.{name}") for name in _PROBE),
    ).drop("probe")


def _schema(polars: Any) -> dict[str, Any]:
    whole, number, truth = polars.Int64, polars.Float64, polars.Boolean
    return {
        "step": whole,
        "epoch": whole,
        "loss": number,
        "rate": number,
        "samples": whole,
        "penalty": number,
        "gradient_norm": number,
        "clipped_norm": number,
        "clipped": truth,
        "skipped": truth,
        "update_ratio": number,
        "probe": polars.Struct(dict.fromkeys(_PROBE, number)),
        "seconds": number,
    }


def _records(frame: polars.DataFrame) -> list[StepRecord]:
    names = [name for name in frame.columns if not name.startswith("probe.")]
    probes = zip(*(frame[f"probe.{name}"].to_list() for name in _PROBE), strict=True)
    rows = zip(*(frame[name].to_list() for name in names), strict=True)
    return [
        StepRecord(**dict(zip(names, row, strict=True)), probe=_probe(probe))
        for row, probe in zip(rows, probes, strict=True)
    ]


def _probe(values: tuple[float | None, ...]) -> StepProbe | None:
    before, same, tenth, tenfold = values
    return None if before is None or same is None else StepProbe(before=before, same=same, tenth=tenth, tenfold=tenfold)
