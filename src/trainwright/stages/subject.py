"""From a model, a loss and data, as someone has them in Python, to the subject of the checks."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from trainwright.checks.footprint import untouched
from trainwright.checks.inputs import call, count, mapped, rows, tensors
from trainwright.checks.subject import Loss, Subject, a_tensor
from trainwright.data.batches import batches_of, is_pair
from trainwright.data.feed import Feed
from trainwright.data.pairs import (
    batch_tensor,
    check_iterable,
    check_same_type,
    empty,
    pair_of,
    same_count,
    unreadable,
)
from trainwright.errors import DataError, ModelError, TrainwrightError, UsageError
from trainwright.parts import losses
from trainwright.randomness import generator, isolated
from trainwright.records import LossSpec, OutputFacts, RunInfo, Task
from trainwright.tensors import evaluating
from trainwright.vitals.output import output_facts
from trainwright.vitals.setup import has_input_norm, input_stats, target_stats

SAMPLES = 256
"""Samples that the checks look at: enough for statistics of every unit, cheap to pass through."""
_MOST_BATCHES = 64  # of a loader, to find so many samples: an endless one is read no further


def subject_of(
    model: nn.Module,
    loss: Loss | str,
    data: Any,
    *,
    optimizer: torch.optim.Optimizer | None = None,
    schedule: Any = None,
    validation: Any = None,
    planned_steps: int | None = None,
    penalty: Callable[[], torch.Tensor] | None = None,
    seed: int = 0,
) -> Subject:
    """Return the subject of the checks. Nothing of what is given is changed, and a loader is read as it would be.

    `data` is a batch `(x, y)` or an iterable of such; x is a tensor or array, or a tuple or dict of them where the
    model takes several. `loss` is a function `loss(output, target)` or a name of the catalogue. `schedule` is one of
    torch's, or a function from the step to a multiple of the rate.

    Raises `UsageError` for something that is no model, loss or optimizer, `DataError` for data that are empty or no
    pairs, and `ModelError` for a model that cannot take the batch.
    """
    if not isinstance(model, nn.Module):
        raise ModelError("model must be a torch.nn.Module", evidence=f"it is a {type(model).__name__}")
    function, spec = losses.given(loss)
    if optimizer is not None and not isinstance(optimizer, torch.optim.Optimizer):
        raise UsageError("optimizer must be a torch.optim.Optimizer", evidence=f"it is a {type(optimizer).__name__}")
    if isinstance(schedule, str) or not (schedule is None or callable(schedule) or hasattr(schedule, "step")):
        raise UsageError(
            "schedule must be one of torch's, or a function from the step to a multiple of the rate",
            evidence=f"it is {schedule!r}",
        )
    whole = isinstance(planned_steps, int) and not isinstance(planned_steps, bool)
    if planned_steps is not None and not (whole and planned_steps >= 1):
        raise UsageError("planned_steps must be a whole number from 1", evidence=f"it is {planned_steps!r}")
    if any(
        isinstance(tensor, UninitializedParameter | UninitializedBuffer)
        for tensor in (*model.parameters(), *model.buffers())
    ):
        raise ModelError(
            "the model has lazy layers, whose sizes are not known yet",
            remedy="pass one batch through it first: model(x)",
        )
    loader = None if _paired(data) else data
    # Reading moves a loader's generator, and a first forward pass may move what hides in plain lists.
    with untouched(model, optimizer, loader, also=(function, schedule), feeds=(validation,), seed=seed):
        subject = _measured(
            model, function, spec, data, optimizer, schedule, validation, planned_steps=planned_steps, seed=seed
        )
    return replace(subject, penalty=penalty)


def _measured(
    model: nn.Module,
    loss: Loss,
    spec: LossSpec | None,
    data: Any,
    optimizer: torch.optim.Optimizer | None,
    schedule: Any,
    validation: Any,
    *,
    planned_steps: int | None,
    seed: int,
) -> Subject:
    device = _device(model)
    x, y = (
        # Copies: a model that works in place must not change the caller's samples.
        mapped(part, lambda tensor: tensor.detach().clone().to(device))
        for part in _batch(data, seed)
    )
    held_out = None if validation is None else _batch(validation, seed)  # refuses what cannot be read
    _check_forward(model, x, seed)
    _check_returned(model, loss, x, y, seed)
    train = _feed(data, seed, device) if _single(x, y) else None
    return Subject(
        model=model,
        loss=loss,
        x=x,
        y=y,
        info=_info(model, loss, spec, x, y, optimizer, planned_steps, train, _whole(data, x, y)),
        spec=spec,
        loss_options=_options(loss),
        optimizer=optimizer,
        schedule=_multiples(schedule),
        scheduler=schedule if hasattr(schedule, "step") else None,
        train=train,
        validation=_feed(validation, seed, device) if held_out is not None and _single(*held_out) else None,
        loader=None if _paired(data) else data,
        seed=seed,
    )


def _single(x: Any, y: Any) -> bool:
    """Say whether inputs and targets are one tensor each: several go through the model, and not through a feed."""
    return isinstance(x, torch.Tensor) and isinstance(y, torch.Tensor)


def _options(loss: Any) -> dict[str, Any]:
    """Return what a loss was made with: the keywords of a partial, or torch's own attributes."""
    if hasattr(loss, "keywords"):
        return dict(loss.keywords)
    names = (
        "label_smoothing",
        "weight",
        "pos_weight",
        "reduction",
        "ignore_index",
        "delta",
        "beta",
        "weights",
        "gamma",
    )
    return {name: getattr(loss, name) for name in names if hasattr(loss, name)}


def _device(model: nn.Module) -> torch.device:
    devices = {tensor.device for tensor in (*model.parameters(), *model.buffers())}
    if any(device.type == "meta" for device in devices):
        raise ModelError(
            "the model has no weights yet: some are on the device 'meta'",
            remedy="model.to_empty(device='cpu'), then initialise or load its weights",
        )
    if len(devices) > 1:
        raise ModelError(
            "the model lies on several devices",
            evidence=", ".join(sorted(map(str, devices))),
            remedy="move all of it: model.to('cuda')",
        )
    return next(iter(devices), torch.device("cpu"))


def _paired(data: Any) -> bool:
    """Say whether data are one batch (x, y), where x may be several inputs."""
    if not isinstance(data, tuple | list) or len(data) != 2:
        return False
    several = isinstance(data[0], Mapping | tuple | list) and bool(tensors(data[0]))
    return is_pair(data) or (several and not isinstance(data[1], tuple | list | Mapping))


def _batch(data: Any, seed: int) -> tuple[Any, Any]:
    """Return at most `SAMPLES` samples: drawn at random from a pair, the first of a pass from anything else."""
    if _paired(data):
        x, y = (_tensors_of(part, name) for part, name in zip(data, ("x", "y"), strict=True))
        found = same_count(count(x), count(y), "the pair")
        if found <= SAMPLES:
            return x, y
        chosen = torch.randperm(found, generator=generator(seed, "checks"))[:SAMPLES].sort().values
        return rows(x, chosen), rows(y, chosen)
    with isolated(seed, "checks"):
        batches = list(_some_batches(data))
    if not batches:
        raise empty(data)
    if any(not isinstance(part, torch.Tensor) for batch in batches for part in batch):
        return batches[0]
    for place, batch in enumerate(batches):
        check_same_type(batches[0], batch, place)
    shapes = {tuple(part.shape[1:]) for part, _ in batches}
    if len(shapes) > 1:  # padded to the longest of each batch
        return batches[0]
    x, y = (torch.cat([batch[axis] for batch in batches])[:SAMPLES] for axis in (0, 1))
    return x, y


def _whole(data: Any, x: Any, y: Any) -> tuple[Any, Any]:
    """Return all of a pair, for what is counted over every sample; of a loader the batch that was read."""
    if not _paired(data) or not isinstance(x, torch.Tensor) or not isinstance(y, torch.Tensor):
        return x, y
    return _tensors_of(data[0], "x"), _tensors_of(data[1], "y")


def _some_batches(data: Any) -> Iterator[tuple[Any, Any]]:
    check_iterable(data)
    found = 0
    for place, item in enumerate(_read(data)):
        parts = zip(pair_of(item, place), ("x", "y"), strict=True)
        x, y = (_tensors_of(part, f"{name} of batch {place}") for part, name in parts)
        found += same_count(count(x), count(y), f"batch {place}")
        yield x, y
        if found >= SAMPLES:
            return


def _read(data: Iterable[Any]) -> Iterator[Any]:
    """Yield the first batches; what a loader raises is an error of the data."""
    batches, place = islice(data, _MOST_BATCHES), 0
    while True:
        try:
            yield next(batches)
        except StopIteration:
            return
        except TrainwrightError:
            raise
        except (Exception, SystemExit) as problem:  # whatever the user's loader raises
            raise unreadable(problem, place) from problem
        place += 1


def _tensors_of(part: Any, name: str) -> Any:
    if isinstance(part, Mapping):
        return {str(key): _tensors_of(value, f"{name}[{key!r}]") for key, value in part.items()}
    if isinstance(part, tuple | list) and tensors(part):
        return tuple(_tensors_of(value, name) for value in part)
    return batch_tensor(part, name)


_APART = (
    "several inputs are given as forward(*inputs), those of a dict as forward(**inputs): let forward take them so, or "
    "all of them as its only argument"
)


def _check_forward(model: nn.Module, x: Any, seed: int) -> None:
    """Raise `ModelError` where the model takes the batch neither in evaluation nor in its own mode."""
    try:
        with isolated(seed, "checks"), torch.no_grad():
            try:
                with evaluating(model):
                    call(model, rows(x, slice(0, 2)))
            except Exception:
                if not model.training:
                    raise
                call(model, x)  # one that fails in evaluation alone is a finding
    except (Exception, SystemExit) as problem:  # whatever the user's forward raises: one that leaves must not pass
        words = str(problem).strip().splitlines()
        shapes = ", ".join(f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}" for tensor in tensors(x))
        raise ModelError(
            f"the model cannot take a batch of inputs: {shapes}",
            evidence=f"{type(problem).__name__}: {words[0] if words else ''}",
            remedy="let forward return, and leave sys.exit() to the program"
            if isinstance(problem, SystemExit)
            else _APART
            if len(tensors(x)) > 1 and isinstance(problem, TypeError)
            else "check the size of the first layer against the inputs, and their type",
        ) from problem


def _check_returned(model: nn.Module, loss: Loss, x: Any, y: Any, seed: int) -> None:
    """Raise `ModelError` where the loss returns no tensor; one that fails is told of by the checks."""
    x, y = (mapped(part, torch.clone) for part in (x, y))
    try:
        with isolated(seed, "checks"), evaluating(model), torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = loss(call(model, x), y)
    except (Exception, SystemExit):  # whatever the user's loss raises
        return
    a_tensor(value)


def _feed(data: Any, seed: int, device: torch.device) -> Feed | None:
    """Return the data as batches, None for data that are no pairs of single tensors."""
    if _paired(data) and not is_pair(data):
        return None
    try:
        if not _paired(data):
            len(data)  # raises where nobody knows whether there is an end: a DataLoader over a stream has __len__ too
        return batches_of(data, batch_size=64, seed=seed, device=device)
    except (DataError, TypeError, AttributeError):
        return None


def _multiples(schedule: Any) -> Callable[[int], float] | None:
    """Return a schedule as a function from the step to a multiple of the rate, None where it is not known before."""
    return None if schedule is None or hasattr(schedule, "step") else lambda step: float(schedule(step))


def _info(
    model: nn.Module,
    loss: Loss,
    spec: LossSpec | None,
    x: Any,
    y: Any,
    optimizer: torch.optim.Optimizer | None,
    planned_steps: int | None,
    train: Feed | None,
    whole: tuple[Any, Any],
) -> RunInfo:
    plain = spec.name if spec is not None and losses.is_plain(loss) else ""
    single = isinstance(x, torch.Tensor)
    return RunInfo(
        name=type(model).__name__.lower(),
        task=_task(spec, y),
        loss=spec.name if spec is not None else "",
        optimizer=type(optimizer).__name__.lower() if optimizer is not None else "",
        model=type(model).__name__,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        planned_steps=planned_steps,
        steps_per_epoch=train.steps_per_epoch if train is not None else None,
        has_input_norm=has_input_norm(model),
        inputs=input_stats(whole[0]) if single and x.is_floating_point() else None,
        targets=target_stats(whole[1], plain) if isinstance(y, torch.Tensor) and not y.is_complex() else None,
        output=_output(model, loss, x, y) if single and isinstance(y, torch.Tensor) else None,
    )


def _output(model: nn.Module, loss: Loss, x: torch.Tensor, y: torch.Tensor) -> OutputFacts | None:
    try:
        return output_facts(model, x, loss, y)
    except (Exception, SystemExit):  # a model that fails in training mode alone is a finding
        return None


def _task(spec: LossSpec | None, y: Any) -> Task | None:
    if spec is not None and len(spec.tasks) == 1:
        return spec.tasks[0]
    if not isinstance(y, torch.Tensor):
        return None
    return "regression" if y.is_floating_point() and spec is None else spec.tasks[0] if spec else "classification"
