"""The losses of a loop: what enters them, what a constant guess would reach, and their values in training and outside.

The first training calls are looked at closely; after that a call costs an addition.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn
from torch._C._functorch import is_functorch_wrapped_tensor  # pyright: ignore[reportMissingImports]

from trainwright.doctor.loss_entering import FUNCTIONS
from trainwright.errors import first_line
from trainwright.randomness import isolated
from trainwright.records import Location, OutputFacts, TargetStats
from trainwright.records.findings import Scalar
from trainwright.records.loss_call import LossCall
from trainwright.tensors import buffers_restored
from trainwright.vitals.output_graph import Makers
from trainwright.vitals.output_loss import call_facts
from trainwright.vitals.output_tokens import COPIED, with_sight
from trainwright.vitals.setup import target_stats
from trainwright.watching.answers import Answers
from trainwright.watching.constant import constant_value
from trainwright.watching.delayed import Number
from trainwright.watching.marks import Marks
from trainwright.watching.models import Pass
from trainwright.watching.order import blocks
from trainwright.watching.outlying import farthest_share, weight_order
from trainwright.watching.places import Place, by_library, caller
from trainwright.watching.probes import trained_together
from trainwright.watching.storage import Storage

_CLOSELY = 5  # training batches of a loss that are looked at closely
_TARGETS = 8192  # target values that are kept to know what a constant guess reaches
_BATCHES = 24  # and whose order is known
_MOST = 2**18
NAMES: Mapping[str, str] = {
    **{function: name for name, function in FUNCTIONS.items()},
    "binary_cross_entropy": "bce_with_logits",  # the same best guess, and the same value at it
}
"""Function of torch -> the catalogue's name of the loss."""
_PARTS = ("log_softmax", "logsigmoid")  # of losses that are written by hand

Key = tuple[str, Place | None]
_FORMATIVE = 64  # calls whose own lines are looked for


@dataclass(eq=False, slots=True)
class Value:
    """The value of one call: a mean over `samples`."""

    key: Key
    value: Number
    samples: int
    trains: bool
    correct: torch.Tensor | None = None
    answers: Answers | None = None


@dataclass(eq=False, slots=True)
class _Line:
    """One line of the program that computes a loss."""

    calls: list[LossCall] = field(default_factory=list)
    targets: list[torch.Tensor] = field(default_factory=list)
    room: Storage = field(default_factory=lambda: Storage(2 * _TARGETS))
    kept: int = 0
    called: int = 0
    trained: int = 0  # calls that a backward pass followed
    options: Mapping[str, Any] = field(default_factory=dict)
    stats: tuple[int, TargetStats | None] = (-1, None)
    order: tuple[int, Mapping[str, Scalar] | None] = (-1, None)

    def wants(self, target: torch.Tensor) -> bool:
        """Say whether more targets are of use: until there are many, and of large batches some in any case.

        Where all are the same as yet, others may lie behind them, in data that come sorted.
        """
        if self.kept < _TARGETS or (len(self.targets) < _BATCHES and self.kept < _MOST):
            return True
        stats = self.stats[1]
        return self.kept < _MOST and stats is not None and stats.distinct == 1 and target.is_cpu


@dataclass(frozen=True, eq=False)
class Given:
    """The only input of a pass, and the model that had it."""

    x: torch.Tensor
    root: weakref.ref[nn.Module]


class LossBooks:
    """Keeps what the library's losses were given, by the line that calls them."""

    def __init__(self) -> None:
        self.lines: dict[Key, _Line] = {}
        self._usual: dict[tuple[str, bool, int], Key] = {}  # by function, whether gradients were wanted, and classes
        self.pending: list[Value] = []  # in training, and no backward pass yet
        self.failed: LossCall | None = None
        self.failure = ""
        self.makers = Makers(0)
        self.padding: tuple[int, ...] = ()
        self.vocabularies: frozenset[int] = frozenset()  # sizes of the model's embeddings
        self.given: Given | None = None  # in a step that is looked at, where one model had one pass on one tensor
        self.rows = 0  # of what the model was given last
        self.tokens: torch.Tensor | None = None  # the inputs of the pass, where they are whole numbers
        self.reader: nn.Module | None = None  # the model of the pass

    def inside(self, under_way: Pass) -> None:
        """A loss is computed inside of a pass; where that is a model's, its tokens are the pass's."""
        if next(under_way.root.parameters(), None) is None:
            return
        self.reads(next((value for value in under_way.arguments if isinstance(value, torch.Tensor)), None), under_way)

    def reads(self, first: torch.Tensor | None, seen: Pass) -> None:
        """Keep the first input of a pass and its model, where that reads whole numbers."""
        self.tokens = first if first is not None and not first.is_floating_point() else None
        self.reader = seen.root if self.tokens is not None and not trained_together() else None

    def called(self, function: str, result: Any, arguments: Any, named: Any) -> Value | None:
        """A loss was computed; return its value, None where there is none to be had."""
        given, target = _parts(arguments, named)
        if given is None:
            return None
        learnt = given.requires_grad
        if function == "kl_div" and target is not None:  # its arguments may have changed places
            learnt = learnt or target.requires_grad
        training = learnt and torch.is_grad_enabled()
        asked = function, training, given.shape[1] if given.dim() > 1 else 0  # two heads have each a line
        key = self._usual.get(asked)
        if key is None or self.lines[key].called < _FORMATIVE:
            key = self._usual[asked] = (function, caller())
        line = self.lines.get(key)
        if line is None:
            line = self.lines[key] = _Line(options=_options(function, arguments, named))
        line.called += 1
        if training and len(line.calls) < _CLOSELY:
            line.calls.append(self._facts(function, given, target, line.options))
        if function in _PARTS or not isinstance(result, torch.Tensor):
            return None
        if training and target is not None and not target.requires_grad and line.wants(target):
            line.targets.append(line.room.copy(target))
            line.kept += target.numel()
        value = _value(function, result, given, target, line.options)
        if value is None:
            return None
        samples = given.shape[0] if given.dim() else 1
        made = Value(key, value, samples, training)
        if training:
            self.pending.append(made)
            del self.pending[:-64]
        elif function in ("cross_entropy", "nll_loss") and target is not None and target.dim() == given.dim() - 1:
            made.correct = (given.detach().argmax(1) == target).double().mean()
            made.answers = Answers.of(given, target) if given.numel() else None
        return made

    def fails(self, function: str, problem: Exception, arguments: Any, named: Any) -> None:
        """A loss raised an error: what it was given is all there will be to know."""
        given, target = _parts(arguments, named)
        if given is not None:
            self.failed = self._facts(function, given, target, _options(function, arguments, named))
            self.failure = f"{type(problem).__name__}: {first_line(problem)}"

    def taken(self) -> list[Value]:
        """A backward pass begins: return the values that it is about, and count their lines as trained on."""
        if len(self.pending) == 1:  # as in nearly every step of nearly every loop
            values = [self.pending.pop()]
            self.lines[values[0].key].trained += 1
            return values
        last = self.pending[-1].key if self.pending else None
        values = [value for value in self.pending if value.key == last][-1:] if last else []
        others = {value.key: value for value in self.pending if value.key != last}
        values += list(others.values())
        self.pending.clear()
        for value in values:
            self.lines[value.key].trained += 1
        return values

    def main(self) -> Key | None:
        """Return the line that was trained on most, None where no loss of the library was."""
        trained = [key for key, line in self.lines.items() if line.trained > 0]
        return max(trained, key=lambda key: self.lines[key].trained, default=None)

    def targets(self) -> TargetStats | None:
        """Return the statistics of the main line's targets."""
        key = self.main()
        line = self.lines[key] if key is not None else None
        if key is None or line is None or not line.targets:
            return None
        stats = self._stats(key[0], line, [line])
        if stats is None or stats.distinct != 1:
            return stats
        # One value on one line is half of a game between networks, whose other half another line may have.
        others = [other for (name, _), other in self.lines.items() if name == key[0] and other.trained]
        return None if line.trained < 2 else stats if len(others) == 1 else self._stats(key[0], line, others)

    def order(self) -> Mapping[str, Scalar] | None:
        """Return what says that the classes of the main line come in blocks, None where they do not."""
        key = self.main()
        line = self.lines[key] if key is not None else None
        if line is None or line.trained < len(line.targets) - 1:
            return None  # several calls for each step: whose order that is nobody knows
        if line.order[0] != len(line.targets):
            line.order = len(line.targets), blocks(line.targets, _ignored(line.options))
        return line.order[1]

    def _stats(self, function: str, line: _Line, lines: list[_Line]) -> TargetStats | None:
        targets = [target for other in lines for target in other.targets]
        kept = sum(other.kept for other in lines)
        if line.stats[0] != kept:
            shapes = {tuple(target.shape[1:]) for target in targets}
            alike = len(shapes) == 1 and targets[0].dim() > 0
            values = torch.cat(targets if alike else [target.reshape(-1) for target in targets])
            stats = target_stats(values.cpu(), NAMES.get(function, "")) if values.numel() else None  # syncs a device
            if stats is not None:
                own = values.cpu()
                stats = replace(
                    stats,
                    constant_loss=constant_value(own, NAMES.get(function, ""), line.options),
                    farthest_share=farthest_share(own),
                    weight_order=weight_order(own, line.options, _ignored(line.options)),
                    weighted=any(line.options.get(name) is not None for name in ("weight", "pos_weight")),
                )
            line.stats = (kept, stats)
        return line.stats[1]

    def output(self) -> OutputFacts | None:
        """Return what the losses that were trained on, or the one that failed, were given."""
        calls = [_merged(line.calls) for line in self.lines.values() if line.calls and (line.trained or self.failed)]
        by_hand = [_merged(line.calls) for (name, _), line in self.lines.items() if name in _PARTS and line.calls]
        if self.failed is not None:
            calls.append(self.failed)
        calls += [call for call in by_hand if call not in calls] if not calls else []
        if not calls:
            return None
        first = calls[0].input
        batches = max((len(line.calls) for line in self.lines.values()), default=1)
        return OutputFacts(
            shape=first.shape,
            operation=first.operation,
            where=first.where,
            batches=max(batches, 1),
            row_sum_error=first.row_sum_error,
            loss_softmax=any(call.function in ("cross_entropy", "log_softmax") for call in calls),
            calls=tuple(calls),
            loss_error=self.failure,
        )

    def _facts(
        self, function: str, given: torch.Tensor, target: torch.Tensor | None, options: Mapping[str, Any]
    ) -> LossCall:
        nothing = given.new_zeros(0)
        tokens = self.tokens if self.tokens is not None else nothing
        y = nothing if target is None else target
        call = call_facts(function, given, target, options, tokens, y, y[:0], self.makers, 0, self.padding, direct=True)
        if call.target is not None and call.target.shape == given.shape[:1] == (self.rows,) and given.dim() == 2:
            of_samples = given.shape[1] not in self.vocabularies
            call = replace(call, target=replace(call.target, of_samples=of_samples))
        if by_library():  # then the user's line says less than the one that made what enters the loss
            call = replace(call, where=Location())
        if call.target is None or (call.target.copied or 0.0) <= COPIED or self.reader is None:
            return call
        marks = Marks(self.reader)
        try:
            with isolated(), buffers_restored(self.reader):  # rare: nobody's targets are the inputs but by mistake
                return with_sight((call,), self.reader, tokens)[0]
        except Exception:  # whatever the user's model raises where it is called a second time
            return call
        finally:
            marks.undo()


def given_and_target(arguments: Any, named: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return what one of torch's losses was called with as `input` and as `target`, None for what it was not."""
    given = arguments[0] if arguments else named.get("input")
    return given, arguments[1] if len(arguments) > 1 else named.get("target")


def _parts(arguments: Any, named: Any) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    given, target = given_and_target(arguments, named)
    if isinstance(given, torch.Tensor) and (given.is_meta or is_functorch_wrapped_tensor(given)):
        return None, None  # shapes alone, as Keras lets run through a model before it trains; or no values of its own
    return (
        given if isinstance(given, torch.Tensor) and given.is_floating_point() else None,
        target if isinstance(target, torch.Tensor) else None,
    )


def _ignored(options: Mapping[str, Any]) -> int:
    return int(options.get("ignore_index", -100))


def _options(function: str, arguments: Any, named: Any) -> Mapping[str, Any]:
    """Return the options of a call by name; torch's losses are called with them by name, but for the weight."""
    options = {name: value for name, value in named.items() if name not in ("input", "target")}
    weighted = function in ("cross_entropy", "nll_loss") or function.startswith("binary")
    if weighted and len(arguments) > 2:
        options["weight"] = arguments[2]
    return options


def _value(
    function: str, result: torch.Tensor, given: torch.Tensor, target: torch.Tensor | None, options: Mapping[str, Any]
) -> Number | None:
    """Return the mean of a loss over what it counts, whatever its reduction."""
    reduction = options.get("reduction", "mean")
    if result.dim() == 0 and result.is_cpu and reduction == "mean":
        return result.item()
    value = result.detach()
    if reduction == "mean" and value.dim() == 0:
        return value
    if value.dim() > 0:
        return value.mean() if value.numel() else None
    ids = function in ("cross_entropy", "nll_loss") and target is not None and not target.is_floating_point()
    count = target.numel() if ids and target is not None else given.numel()
    if reduction == "batchmean":
        count = math.prod(given.shape[1:])
    return value / max(count, 1)


def _merged(calls: list[LossCall]) -> LossCall:
    """Return the first of several calls of one line, with the extremes of all of them."""
    first = calls[0]
    inputs, targets = [call.input for call in calls], [call.target for call in calls if call.target is not None]
    entering = replace(
        first.input,
        minimum=_extreme(min, [entry.minimum for entry in inputs]),
        maximum=_extreme(max, [entry.maximum for entry in inputs]),
        row_sum_error=_extreme(max, [entry.row_sum_error for entry in inputs]),
        log_sum_error=_extreme(max, [entry.log_sum_error for entry in inputs]),
    )
    target = first.target
    if target is not None:
        target = replace(
            target,
            minimum=_extreme(min, [entry.minimum for entry in targets]),
            maximum=_extreme(max, [entry.maximum for entry in targets]),
            whole=all(entry.whole for entry in targets),
            outside=sum(entry.outside for entry in targets) / len(targets),
            below_half=sum(entry.below_half for entry in targets) / len(targets),
            byte_scaled=all(entry.byte_scaled for entry in targets),
            row_sum_error=_extreme(max, [entry.row_sum_error for entry in targets]),
            fewest=_extreme(min, [entry.fewest for entry in targets]),
            most=_extreme(max, [entry.most for entry in targets]),
            total=sum(entry.total for entry in targets),
            counted=sum(entry.counted for entry in targets),
        )
    return replace(first, input=entering, target=target)


def _extreme(choose: Any, values: list[Any]) -> Any:
    """Return the least or the largest value, None where one is not known."""
    return None if not values or any(value is None for value in values) else choose(values)
