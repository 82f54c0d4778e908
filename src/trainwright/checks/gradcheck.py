"""Is the gradient right: autograd beside centred differences of the loss, in float64, for every parameter."""

from __future__ import annotations

import dataclasses
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from trainwright.checks.gradcheck_copy import displace, doubled, few
from trainwright.checks.gradcheck_functions import deliberate, plain_backward
from trainwright.checks.gradcheck_judge import Probes, along_directions, judge
from trainwright.checks.gradcheck_losses import Losses
from trainwright.checks.gradcheck_plan import THOROUGH, Sample, Work, plan, suppressed
from trainwright.checks.gradcheck_rounding import rounding_of
from trainwright.checks.gradcheck_sweep import sweep_over
from trainwright.errors import ModelError, TrainwrightError, UsageError, did_you_mean
from trainwright.parts import losses as catalogue
from trainwright.randomness import isolated
from trainwright.records.gradcheck import GradientCheck, ParameterCheck, band_of

SAMPLES = 4
"""Samples of the batch that the loss is computed from: of a ReLU's units about one in sixteen is off for all of them,
and a backward that is wrong is wrong for every sample."""
LEAST_H, MOST_H = 1e-10, 1e-1
LOW_PRECISION = 1e-11
"""Rounding of the loss, relative to it, above which it was not computed in float64: that gives about 1e-15."""
LOW_SCALE = 100.0
"""How much wider the bands are then: float32 leaves errors about 1e-3 in a gradient that is right."""
_ON_PURPOSE = (
    "the gradient agrees once values from `detach`, `.data` and `no_grad` count as constants, hooks are left out, and "
    "functions that exist for their backward are taken by their forward: is it stopped or changed there on purpose?"
)
_DTYPE_WORDS = ("dtype", "scalar type", "data type", "float64", "double", "not implemented for")


def gradcheck(
    model: nn.Module,
    loss: Callable[[Any, Any], torch.Tensor] | str,
    batch: tuple[Any, Any],
    *,
    h: float = 1e-5,
    parameters: Iterable[str] | None = None,
    sweep: bool = False,
    samples: int = SAMPLES,
    entries: int | None = None,
    seed: int = 0,
    random_point: bool = True,
) -> GradientCheck:
    """Compare the gradient of a loss with centred differences (f(w + h) - f(w - h)) / 2h, and leave the model alone.

    The work is done on a float64 copy in evaluation mode: dropout off, batch-norm statistics frozen, random numbers the
    same in every pass. Each weight is moved to a random point near its own, at most by 5 % of its size, or a little off
    zero where it is zero, so that nothing hides behind symmetries and kinks (`random_point=False` keeps it in place).
    `batch` is `(x, y)` of tensors or arrays, x a tuple or dict of them where the model takes several; its first
    `samples` (4) are used. `loss` is a function or a name of the catalogue. `parameters` names those to check, by
    default every trainable one. Up to 6,000 numbers every entry is compared; in larger networks `entries` of each
    tensor (64), and four random directions across it. `sweep` adds the error at steps from 0.1 to 1e-12.

    The bands of the relative error are those of Karpathy's CS231n notes: to 1e-7 sound, to 1e-5 acceptable, to 1e-3
    suspect, above wrong. Raises `UsageError` for a step outside [1e-10, 0.1], a parameter that is not there, nothing to
    train, and a loss that is no single number; `ModelError` for a model that cannot be copied, or a loss that fails, is
    not finite, or differs from one pass to the next.
    """
    if not isinstance(model, nn.Module):
        raise UsageError("model must be a torch.nn.Module", evidence=f"it is a {type(model).__name__}")
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        raise UsageError("batch must be a pair (x, y)", evidence=f"it is a {type(batch).__name__}")
    names = None if parameters is None else [parameters] if isinstance(parameters, str) else list(parameters)
    given = (model, _loss(loss), batch[0], batch[1])
    settings: dict[str, Any] = {"h": h, "parameters": names, "samples": samples, "entries": entries, "seed": seed}
    settings["move"] = random_point
    check = examined(*given, sweep=sweep, **settings)
    if not check.ok and examined(*given, lenient=True, **settings).ok:
        return dataclasses.replace(check, notes=(*check.notes, _ON_PURPOSE))
    return check


def examined(
    model: nn.Module,
    loss: Callable[[Any, Any], Any],
    x: Any,
    y: Any,
    *,
    h: float = 1e-5,
    parameters: Iterable[str] | None = None,
    sweep: bool = False,
    samples: int = SAMPLES,
    entries: int | None = None,
    seed: int = 0,
    move: bool = True,
    work: Work = THOROUGH,
    lenient: bool = False,
) -> GradientCheck:
    """Do what `gradcheck` says. With `lenient`, gradients that differ on purpose are not held against the model.

    These are: values cut from the graph by `detach`, `.data` or `no_grad`, which then are constants to the differences
    too; functions whose backward is all they are for; and hooks on parameters.
    """
    started = time.perf_counter()
    names = _chosen(model, parameters)
    if not (isinstance(h, int | float) and LEAST_H <= h <= MOST_H):
        raise UsageError(
            f"the step h must lie between {LEAST_H:g} and {MOST_H:g}",
            evidence=f"it is {h!r}",
            remedy="1e-5 suits float64",
        )
    x, y, used = few(x, y, samples)
    with _surroundings(seed):
        ready = _ready(_Given(model, loss, x, y, seed, move, lenient), names)
        losses, gradients, rounding, low = ready.losses, ready.gradients, ready.rounding, ready.low
        notes, masks, reasons = ready.notes, ready.masks, ready.reasons
        samples_of = plan(losses, gradients, masks, seed=seed, work=work, entries=entries)
        scale = LOW_SCALE if low else 1.0
        if low:
            h = max(h, (rounding / max(abs(losses.base), 1e-3)) ** (1 / 3))
            notes.append(
                f"the loss is computed below float64, so h is {h:.0e} and the bands are {LOW_SCALE:g} times as wide"
            )
        found = {
            name: _parameter(losses, name, gradients[name], sample, h, rounding, scale)
            for name, sample in samples_of.items()
        }
        curve = sweep_over(losses, gradients, samples_of) if sweep else ()
    notes += _said(losses, found)
    return GradientCheck(
        parameters=found,
        h=h,
        loss=losses.base,
        samples=used,
        method=_method(losses, samples_of),
        precision="float32" if low else "float64",
        confidence=min((sample.confidence for sample in samples_of.values()), default=1.0),
        evaluations=losses.evaluations,
        notes=tuple(notes),
        left_out={name: reason for name, reason in reasons.items() if name in found},
        sweep=curve,
        seconds=time.perf_counter() - started,
    )


def _loss(loss: Callable[[Any, Any], torch.Tensor] | str) -> Callable[[Any, Any], Any]:
    if isinstance(loss, str):
        if loss not in catalogue.CATALOGUE:
            raise UsageError(f"there is no loss '{loss}'", remedy=did_you_mean(loss, catalogue.CATALOGUE))
        return catalogue.CATALOGUE[loss].factory()
    if not callable(loss) or isinstance(loss, type):
        raise UsageError("loss must be a name or a function loss(output, target)", evidence=f"it is {loss!r}")
    return loss


def _chosen(model: nn.Module, parameters: Iterable[str] | None) -> list[str]:
    known = dict(model.named_parameters())
    trainable = [name for name, parameter in known.items() if parameter.requires_grad]
    if not trainable:
        what = "the model has no parameter" if not known else "no parameter requires a gradient"
        raise UsageError(f"there is no gradient to check: {what}", remedy="check a model with something to train")
    if parameters is None:
        return trainable
    wanted = [parameters] if isinstance(parameters, str) else list(dict.fromkeys(parameters))
    for name in wanted:
        if name not in known:
            raise UsageError(f"the model has no parameter '{name}'", remedy=did_you_mean(name, trainable))
        if name not in trainable:
            raise UsageError(f"the parameter '{name}' is frozen", remedy="requires_grad_(True), or leave it out")
    if not wanted:
        raise UsageError("no parameter is chosen", remedy=f"known: {', '.join(trainable)}")
    return wanted


@contextmanager
def _surroundings(seed: int) -> Iterator[None]:
    """Give the block its own randomness, float64 for new tensors, and attention by the plain path that vectorises."""
    default, fast = torch.get_default_dtype(), torch.backends.mha.get_fastpath_enabled()
    with isolated(), torch.enable_grad(), torch.autocast("cpu", enabled=False), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of passes by the thousand, and each may warn
        torch.set_default_dtype(torch.float64)
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            yield
        finally:
            torch.set_default_dtype(default)
            torch.backends.mha.set_fastpath_enabled(fast)


@dataclass(frozen=True)
class _Given:
    model: nn.Module
    loss: Any
    x: Any
    y: Any
    seed: int
    move: bool
    lenient: bool


@dataclass(kw_only=True)
class _Ready:
    """A copy that was seen to compute: its losses, its gradients, and what is known of both."""

    losses: Losses
    gradients: dict[str, torch.Tensor]
    rounding: float = 0.0
    low: bool = False
    notes: list[str] = field(default_factory=list)
    masks: dict[str, torch.Tensor] = field(default_factory=dict)  # entries to leave out
    reasons: dict[str, str] = field(default_factory=dict)


def _ready(given: _Given, names: list[str]) -> _Ready:
    """Return the losses and gradients in float64, whatever the forward casts to, or as they are where that is refused.

    Tried in turn: the copy as it is; with its casts to float32 made casts to float64; and, where an operation refuses
    float64, in the model's own types.
    """
    problems: list[Exception] = []
    for widen, casts in ((True, False), (True, True), (False, False)):
        torch.set_default_dtype(torch.float64 if widen else torch.float32)
        try:
            ready = _measured(given, names, widen=widen, casts=casts)
        except TrainwrightError:
            raise
        except Exception as problem:
            problems.append(problem)
            if not any(word in str(problem).lower() for word in _DTYPE_WORDS):
                break
            continue
        if ready.low and casts is False and widen:
            problems.append(RuntimeError("the forward casts to a lower precision"))
            continue
        if not widen:
            ready.notes.append(
                f"an operation refuses float64 ({_line(problems[-1])}), so the model stays in its own type"
            )
        elif casts:
            ready.notes.append("the forward casts to a lower precision; these casts were made to float64")
        return ready
    raise ModelError(
        "the loss cannot be computed",
        evidence=f"{type(problems[0]).__name__}: {_line(problems[0])}",
        remedy="try loss(model(x), y)",
    ) from problems[0]


def _line(problem: Exception) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0]


def _measured(given: _Given, names: list[str], *, widen: bool, casts: bool) -> _Ready:
    model = given.model
    double = doubled(model, given.loss, given.x, given.y, widen=widen)
    if given.move:
        displace(double.model, given.seed)
    hooks = {
        name: list((parameter._backward_hooks or {}).values())
        for name, parameter in model.named_parameters()
        if parameter._backward_hooks
    }
    losses = Losses(double, seed=given.seed, hold=given.lenient, casts=casts, hooks={} if given.lenient else hooks)
    ready = _Ready(losses=losses, gradients={})
    if hooks:
        left_out = ", and are left out" if given.lenient else ""
        ready.notes.append(f"hooks change the gradient of {', '.join(hooks)}{left_out}")
    known = {id(parameter): name for name, parameter in losses.parameters.items()}

    def watch(value: torch.Tensor) -> None:
        ready.masks, ready.reasons = suppressed(double.model, value, known)

    losses.watch = watch
    purposes = _on_purpose(losses) if given.lenient else {}
    if purposes:
        said = ", ".join(sorted(function.__name__ for function in purposes))
        ready.notes.append(f"{said}: a function that exists for its backward is taken by its forward")
    with plain_backward(purposes):
        gradients = losses.gradients()
    ready.gradients = {name: gradients[name] for name in names}
    losses.parameters = {name: losses.parameters[name] for name in names}
    losses.repeat()
    # The first displaced passes, which also show whether passes can be vectorised.
    ready.rounding, ready.low = rounding_of(losses, ready.gradients, given.seed)
    return ready


def _on_purpose(losses: Losses) -> dict[type, str]:
    """Return the functions of the graph that exist for their backward alone."""
    functions = losses.own_functions()
    return deliberate(functions, losses.plain) if functions else {}


def _parameter(
    losses: Losses, name: str, gradient: torch.Tensor, sample: Sample, h: float, rounding: float, scale: float
) -> ParameterCheck:
    """Compare one parameter's sample of entries, and its directions."""
    flat = (torch.view_as_real(gradient) if gradient.is_complex() else gradient).reshape(-1).double().cpu()
    places, directions = sample.places, sample.directions
    probes = judge(
        lambda which, sizes: losses.entries(name, places[which], sizes), flat[places], losses.base, h, rounding, scale
    )
    worst = int(probes.error.argmax()) if len(places) else None
    error = float(probes.error[worst]) if worst is not None else 0.0
    check = ParameterCheck(
        name=name,
        shape=tuple(gradient.shape),
        relative_error=error,
        band=band_of(error, scale),
        entry=None,
        analytic=0.0,
        numeric=0.0,
        entries=len(places),
        total=len(flat),
        kinks=int(probes.kink.sum()),
        unconfirmed=int(probes.unsure.sum()),
        below_rounding=int(probes.tiny.sum()),
        directions=len(directions),
    )
    if worst is not None:
        check = dataclasses.replace(check, **_at(gradient, int(places[worst]), probes, worst))
    if len(directions) and check.band in ("sound", "acceptable"):
        wide, slope, seen = along_directions(
            lambda which, sizes: losses.along(name, directions, which, sizes),
            directions @ flat,
            losses.base,
            h,
            rounding,
        )
        if wide > max(error, 1e-5 * scale):  # the fault is in some other entry than those of the sample
            check = dataclasses.replace(check, relative_error=wide, band=band_of(wide, scale))
            check = dataclasses.replace(check, entry=None, analytic=slope, numeric=seen, part="")
    if check.undecided and check.band in ("sound", "acceptable"):
        check = dataclasses.replace(check, band="suspect")
    return check


def _at(gradient: torch.Tensor, place: int, probes: Probes, which: int) -> dict[str, Any]:
    """Return the entry at a place of the flat real view, with both gradients there."""
    part = ""
    if gradient.is_complex():
        part, place = ("imaginary" if place % 2 else "real"), place // 2
    entry = []
    for size in reversed(gradient.shape):
        entry.append(place % size)
        place //= size
    return {
        "entry": tuple(reversed(entry)),
        "analytic": float(probes.analytic[which]),
        "numeric": float(probes.numeric[which]),
        "part": part,
    }


def _method(losses: Losses, samples: dict[str, Sample]) -> str:
    drawn = any(len(sample.directions) for sample in samples.values())
    passes = (
        "one by one"
        if len(losses.refused) == len(samples)
        else "vectorised"
        if not losses.refused
        else "partly vectorised"
    )
    return f"{'a sample of entries and random directions' if drawn else 'every entry'}, {passes}"


def _said(losses: Losses, found: dict[str, ParameterCheck]) -> list[str]:
    said = []
    by_reason: dict[str, list[str]] = {}
    for name, reason in losses.refused.items():
        by_reason.setdefault(reason, []).append(name)
    for reason, names in by_reason.items():
        whom = "the entries" if len(names) == len(losses.parameters) else f"the entries of {', '.join(names[:3])}"
        said.append(f"{whom} were passed one by one, for vectorising failed: {reason}")
    return said + [
        f"{each.name}: {each.unconfirmed} of {each.entries} entries lie at kinks, so it is not judged"
        for each in found.values()
        if each.undecided
    ]
