"""Is the gradient right: autograd beside centred differences of the loss, in float64, for every parameter."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from trainwright.checks.gradcheck_compare import compared, method_of, said_of
from trainwright.checks.gradcheck_copy import few
from trainwright.checks.gradcheck_judge import Terms
from trainwright.checks.gradcheck_plan import THOROUGH, Work, plan
from trainwright.checks.gradcheck_ready import Given, readied, surroundings
from trainwright.checks.gradcheck_sweep import sweep_over
from trainwright.errors import ModelError, TrainwrightError, UsageError, did_you_mean
from trainwright.parts import losses
from trainwright.records import gradcheck as records
from trainwright.report.gradcheck_text import render_gradcheck
from trainwright.report.notebook import WIDTH, bundle

SAMPLES = 4
"""Samples of the batch that the loss is computed from: of a ReLU's units about one in sixteen is off for all of them,
and a backward that is wrong is wrong for every sample."""
LEAST_H, MOST_H = 1e-10, 1e-1
LOW_SCALE = 100.0
"""How much wider the bands are then: float32 leaves errors about 1e-3 in a gradient that is right."""
_ON_PURPOSE = (
    "the gradient agrees once values from `detach`, `.data` and `no_grad` count as constants, hooks are left out, and "
    "functions that exist for their backward are taken by their forward: is it stopped or changed there on purpose?"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class GradientCheck(records.GradientCheck):
    """The record of a gradient check that can be printed: the verdict, the table of all parameters, and notes."""

    def text(self, *, color: bool = False, width: int = 120) -> str:
        """Return what `trainwright gradcheck` prints."""
        return render_gradcheck(self, color=color, width=width)

    def __str__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return bundle(self.text(color=True, width=WIDTH))


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
    `batch` is `(x, y)` of tensors or arrays, x a tuple or dict of them where the model takes several; `samples` (4) of
    it are drawn by `seed`, of different targets where there are. `loss` is a function, which may close over the model,
    or a name of the catalogue. `parameters` names those to check, by default every trainable one. Up to 6,000 numbers
    every entry is compared; in larger networks `entries` of each tensor (64), and four random directions across it.
    `sweep` adds the error at steps from 0.1 to 1e-12.

    The bands of the relative error are those of Karpathy's CS231n notes: to 1e-7 sound, to 1e-5 acceptable, to 1e-3
    suspect, above wrong. Raises `UsageError` for a step outside [1e-10, 0.1], a parameter that is not there, nothing to
    train, and a loss that is no single number; `ModelError` for a model that cannot be copied, or a loss that fails, is
    not finite, differs from one pass to the next, or reaches the original model in a way that cannot be copied.
    """
    if not isinstance(model, nn.Module):
        raise UsageError(
            "model must be a torch.nn.Module",
            evidence=f"it is a {type(model).__name__}",
            remedy="pass the model itself: gradcheck(model, loss, (x, y))",
        )
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        raise UsageError(
            "batch must be a pair (x, y)",
            evidence=f"it is a {type(batch).__name__}",
            remedy="pass one batch: next(iter(loader)) of a loader of pairs",
        )
    names = None if parameters is None else [parameters] if isinstance(parameters, str) else list(parameters)
    given = (model, losses.given(loss)[0], batch[0], batch[1])
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
    x, y, used = few(x, y, samples, seed)
    with surroundings(seed):
        ready = readied(Given(model, loss, x, y, seed, move, lenient), names)
        losses, gradients, rounding, low = ready.losses, ready.gradients, ready.rounding, ready.low
        notes, masks, reasons = ready.notes, ready.masks, ready.reasons
        samples_of = plan(losses, gradients, masks, seed=seed, work=work, entries=entries)
        scale = LOW_SCALE if low else 1.0
        if low:
            h = max(h, (rounding / max(abs(losses.base), 1e-3)) ** (1 / 3))
            notes.append(
                f"the loss is computed below float64, so h is {h:.0e} and the bands are {LOW_SCALE:g} times as wide"
            )
        terms = Terms(base=losses.base, h=h, rounding=rounding, scale=scale)
        try:
            around = losses.around({name: sample.places for name, sample in samples_of.items()}, h)
            found = {
                name: compared(losses, name, gradients[name], sample, around[name], terms)
                for name, sample in samples_of.items()
            }
            curve = sweep_over(losses, gradients, samples_of) if sweep else ()
        except TrainwrightError:
            raise
        except Exception as problem:  # whatever the user's forward raises
            raise _not_again(problem) from problem
    notes += said_of(losses, found)
    return GradientCheck(
        parameters=found,
        h=h,
        loss=losses.base,
        samples=used,
        method=method_of(losses, samples_of),
        precision="float32" if low else "float64",
        confidence=min((sample.confidence for sample in samples_of.values()), default=1.0),
        evaluations=losses.evaluations,
        notes=tuple(notes),
        left_out={name: reason for name, reason in reasons.items() if name in found},
        sweep=curve,
        seconds=time.perf_counter() - started,
    )


def _not_again(problem: Exception) -> ModelError:
    """Say that the loss was computed where the weights are, and cannot be where one of them is a little off."""
    words = (str(problem).strip().splitlines() or [""])[0]
    return ModelError(
        "the loss cannot be computed once a weight is displaced",
        evidence=f"{type(problem).__name__}: {words[:200]}",
        remedy="keep nothing of one pass for the next in what the model and the loss share with the rest of a program",
    )


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
