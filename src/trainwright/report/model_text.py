"""A model, the memory of its training and the batch size that fits it, as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.records.model import BatchSizeSearch, BatchSizeTrial, MemoryForecast, ModelRow, ModelSummary
from trainwright.report.numbers import duration, percent, plural
from trainwright.report.safe import prose
from trainwright.report.wrapping import clip

_MOST_ROWS = 60
_NUMBERS = 3  # the column of numbers, aligned at the right


def render_summary(
    summary: ModelSummary,
    forecast: MemoryForecast | None = None,
    *,
    available_bytes: int | None = None,
    width: int = 100,
    most_rows: int = _MOST_ROWS,
) -> str:
    """Return the model as a table, a line for each module, and its totals; with a `forecast` its memory too.

    Of more than `most_rows` modules the middle is left out, and how many.
    """
    lines = [
        clip(f"{prose(summary.kind)}: from {_shapes((summary.input_shape,))} to {_shapes(summary.outputs)}", width)
    ]
    head = [("module", "kind", "output", "parameters", "learns", "mode")]
    lines += [clip(line, width) for line in _aligned([*head, *map(_cells, summary.rows)], most_rows + 1)]
    frozen = summary.parameters - summary.trainable
    learning = f"{summary.trainable:,} trainable, {frozen:,} frozen" if frozen else "all trainable"
    lines.append(f"  {plural(summary.parameters, 'parameter')} ({learning}), {bytes_text(summary.parameter_bytes)}")
    if summary.buffer_bytes:
        lines[-1] += f"; buffers {bytes_text(summary.buffer_bytes)}"
    tied = sum(row.tied for row in summary.rows)
    if tied:
        lines.append(f"  {tied:,} of the numbers above are shared between modules and counted once")
    if summary.unused:
        names = ", ".join(prose(row.path) or "(the model)" for row in summary.unused)
        lines.append(
            clip(f"  {plural(len(summary.unused), 'module')} took no part in the forward pass: {names}", width)
        )
    if forecast is not None:
        lines.append(render_forecast(forecast, available_bytes=available_bytes))
    return "\n".join(lines)


def render_forecast(forecast: MemoryForecast, *, available_bytes: int | None = None) -> str:
    """Return where the memory of a training step goes, part by part, and the most that is there at once."""
    parts = {
        "parameters": forecast.parameters + forecast.buffers,
        "gradients": forecast.gradients,
        "optimizer state": forecast.optimizer_state,
        "activations": forecast.activations,
        "inputs and targets": forecast.inputs,
    }
    how = [forecast.precision, *(["activations computed again"] if forecast.recomputed else [])]
    if forecast.method == "measured":
        how.append("extrapolated from small batches")
    lines = [f"memory of a step on {plural(forecast.batch_size, 'sample')} ({', '.join(how)})"]
    parts["for a moment, beside"] = max(0, forecast.total - sum(parts.values()))
    lines += [f"  {name:<21}{bytes_text(size):>12}" for name, size in parts.items()]
    lines.append(f"  {'most at once':<21}{bytes_text(forecast.total):>12}")
    if available_bytes is not None:
        share = f", {percent(forecast.total / available_bytes)} of it" if available_bytes > 0 else ""
        lines[-1] += f"   ({bytes_text(available_bytes)} free{share})"
    return "\n".join(lines)


def render_batch_size(search: BatchSizeSearch) -> str:
    """Return the batch size that was found, why no larger one, and all that was tried."""
    if search.limited_by == "updates":
        why = f"more than {search.largest} would leave too few updates an epoch"
    else:
        why = f"{2 * search.batch_size} would not fit into memory with a margin"
    return "\n".join([f"batch size {search.batch_size}: {why}", *map(_trial_line, search.trials)])


def bytes_text(size: int) -> str:
    """Return a number of bytes in the unit that suits it: 512 B, 3.4 MiB, 62.5 TiB."""
    amount = float(size)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1023.95 or unit == "TiB":
            break
        amount /= 1024
    return f"{size} B" if unit == "B" else f"{amount:,.1f} {unit}"


def _trial_line(trial: BatchSizeTrial) -> str:
    needed = "unknown" if trial.needed_bytes is None else bytes_text(trial.needed_bytes)
    took = f", {duration(trial.seconds)}" if trial.seconds else ""
    return f"  {trial.batch_size:>7}  {trial.result:<14} {needed:>11} of {bytes_text(trial.allowed_bytes)}{took}"


def _cells(row: ModelRow) -> tuple[str, ...]:
    if row.outputs:
        output = _shapes(row.outputs) + (f" x{row.calls}" if row.calls > 1 else "")
    else:
        output = "used, not called" if row.used else "no part"
    count = f"{row.parameters:,}" if row.parameters else ""
    if row.tied:
        count += " tied" if row.tied == row.parameters else " partly tied"
    path, mode = prose(row.path) or "(the model)", "train" if row.training else "eval"
    return clip(path, 40), clip(prose(row.kind), 20), clip(output, 32), count, row.learns, mode


def _aligned(table: Sequence[tuple[str, ...]], most: int) -> list[str]:
    """Return the rows in columns as wide as their widest cell, without the middle where there are more than `most`."""
    left_out = len(table) - most
    shown = [*table[: most - most // 2], *table[len(table) - most // 2 :]] if left_out > 0 else list(table)
    widths = [max(len(row[column]) for row in shown) for column in range(len(shown[0]))]
    lines = []
    for row in shown:
        cells = [
            cell.rjust(width) if column == _NUMBERS else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(f"  {'  '.join(cells)}".rstrip())
    if left_out > 0:
        lines.insert(most - most // 2, f"  ... {left_out:,} more")
    return lines


def _shapes(shapes: Sequence[tuple[int, ...]]) -> str:
    return ", ".join(f"({', '.join(map(str, shape))})" for shape in shapes) or "no tensor"
