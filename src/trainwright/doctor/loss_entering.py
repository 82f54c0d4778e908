"""What a chart tells of each loss and what enters it, also where only the loss's name and the output were recorded."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from trainwright.records import Chart, Evidence, Location
from trainwright.records.loss_call import LossCall, LossInput

CLASSES = ("cross_entropy", "nll_loss")
"""Losses that look a class id up along dimension 1."""
SOFTMAX_LOSSES = ("cross_entropy", "log_softmax")
"""What applies a log-softmax itself."""
SIGMOID_LOSSES = ("binary_cross_entropy_with_logits", "logsigmoid")
"""What applies a sigmoid itself."""
YES_OR_NO = ("binary_cross_entropy_with_logits", "binary_cross_entropy")
"""Losses whose targets lie between 0 and 1."""
DISTANCES = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")
"""Losses of the distance between each output and its own target."""

FUNCTIONS: Mapping[str, str] = {
    "cross_entropy": "cross_entropy",
    "nll": "nll_loss",
    "kl_div": "kl_div",
    "bce_with_logits": "binary_cross_entropy_with_logits",
    "mse": "mse_loss",
    "mae": "l1_loss",
    "huber": "huber_loss",
    "smooth_l1": "smooth_l1_loss",
}
"""The catalogue's name -> torch's function of the same."""


def entering(chart: Chart) -> tuple[LossCall, ...]:
    """Return the losses that were seen to be called, and what the name of the run's loss implies beside them."""
    output = chart.info.output
    if output is None:
        return ()
    named = tuple(call for call in output.calls if call.function)
    function = FUNCTIONS.get(chart.info.loss, "")
    if not function and output.loss_softmax and not named:
        function = "cross_entropy"
    if named and (not function or any(call.function == function for call in named)):
        return named
    for whole in output.calls:
        if not whole.function:
            return (*named, replace(whole, function=function))
    seen = LossInput(
        shape=output.shape,
        operation=output.operation,
        where=output.where,
        row_sum_error=output.row_sum_error,
        direct=True,
    )
    return (*named, LossCall(function=function, input=seen))


def calls_of(chart: Chart, functions: Collection[str]) -> Iterator[LossCall]:
    """Yield the calls of some of the losses."""
    return (call for call in entering(chart) if call.function in functions)


def place(chart: Chart, found: Location) -> Location:
    """Return where the operation behind the output was made, or else where the model was chosen."""
    if found.file is not None:
        return found
    written = chart.info.where("model.name", "model")
    return Location(file=written.file, line=written.line, module=found.module)


def place_of_call(chart: Chart, call: LossCall) -> Location:
    """Return the line that calls the loss, or where the loss was chosen, or else where what enters it was made."""
    written = chart.info.where("loss.name", "loss")
    return next((found for found in (call.where, written) if found.file is not None), call.input.where)


def meeting_place(chart: Chart, call: LossCall) -> Location:
    """Return where an operation and a loss that do not go together meet.

    In a loop that was watched that is the line which calls the loss; in our own, where nobody wrote that line, the one
    that made the operation.
    """
    if chart.info.loop is None or call.where.file is None:
        return place(chart, call.input.where)
    return replace(call.where, module=call.input.where.module)


def made_at(chart: Chart, call: LossCall) -> tuple[Evidence, ...]:
    """Return, where a finding points to the loss, the line that made the operation before it."""
    made = call.input.where
    if made.file is None or meeting_place(chart, call).line == made.line:
        return ()
    name = made.file.replace("\\", "/").rsplit("/", 1)[-1]
    return (Evidence(name=f"the {words(call.input.operation)} is applied at", value=f"{name}:{made.line}"),)


def place_of_targets(chart: Chart) -> Location:
    """Return where the targets were chosen."""
    return chart.info.where("data.target", "data.source", "data")


def words(operation: str) -> str:
    """Return an operation's name as it is written: LogSoftmax -> log_softmax."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in operation).lstrip("_")


def written(shape: tuple[int, ...]) -> str:
    """Return a shape in words, its first dimension being N."""
    inner = "".join(f", {size}" for size in shape[1:])
    return f"(N{inner})" if inner else "(N,)"
