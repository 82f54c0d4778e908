"""The largest batch that memory holds and learning can use: found by real steps, or refused before they are made."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice

import torch
from torch import nn

from trainwright import defaults
from trainwright.errors import ModelError
from trainwright.randomness import isolated
from trainwright.records.model import BatchSizeSearch, BatchSizeTrial
from trainwright.vitals.memory import available_memory, measure_peak
from trainwright.vitals.step_plan import Batch, StepPlan, copied

_OUT_OF_MEMORY = (
    "out of memory",
    "can't allocate memory",  # torch on the CPU
    "not enough memory",  # torch on the CPU, on Windows
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


def find_batch_size(
    attempt: Callable[[int], int | None],
    *,
    samples: int,
    available: Callable[[], int] = available_memory,
    needed: Callable[[int], int] | None = None,
    margin: float = defaults.MEMORY_MARGIN.value,
) -> BatchSizeSearch:
    """Return the largest power of two that `attempt` gets through, within memory and the updates that learning needs.

    `attempt(batch_size)` makes some full training steps and leaves no trace (`trial_steps`); it returns the peak of
    their memory in bytes, or None where it did not measure it. `available()` gives the free bytes at the time, of
    which the share `margin` is left free, and `needed(batch_size)` what a size is forecast to take. A size that would
    take more is refused without an attempt: on a CPU nobody raises an error, the kernel ends the process. So before
    each attempt the larger of two answers decides, the forecast's and what the sizes before it took, extrapolated
    (without a forecast, after one size alone, twice as much: more than it can be).
    Attempts begin at 8 samples, double while they fit, and halve where not even the first does.

    Larger than `largest_batch(samples)` is never tried: a batch twice as large makes half the updates of an epoch.
    All attempts together take no more samples than a small share of an epoch, two batches of the last size for each
    step of an attempt. Global randomness is as before. Raises `ModelError` where one sample does not fit, and whatever
    `attempt` raises that is not about memory.
    """
    largest = largest_batch(samples)
    trials: list[BatchSizeTrial] = []
    size = min(largest, int(defaults.SMALLEST_FOUND_BATCH.value))
    while True:
        trials.append(_try(attempt, size, _expected(size, trials, needed), available, margin))
        fits = trials[-1].result == "fits"
        tried = {trial.batch_size for trial in trials}
        following = size * 2 if fits else size // 2
        if following < 1:
            raise _nothing_fits(trials)
        if following in tried or following > largest:
            break
        size = following
    best = max(trial.batch_size for trial in trials if trial.result == "fits")
    limited = "updates" if best == largest else "memory"
    return BatchSizeSearch(batch_size=best, largest=largest, limited_by=limited, trials=tuple(trials))


def largest_batch(samples: int) -> int:
    """Return the largest power of two that leaves 50 updates an epoch of `samples`, 8 all the same where they exist.

    Raises `ModelError` for no sample at all.
    """
    if samples < 1:
        raise ModelError(
            "there is no batch size for no samples", evidence=f"{samples} samples", remedy="load some data"
        )
    useful = max(samples // int(defaults.UPDATES_PER_EPOCH.value), int(defaults.SMALLEST_FOUND_BATCH.value))
    return 1 << (min(useful, samples).bit_length() - 1)


def trial_steps(model: nn.Module, plan: StepPlan, batches: Iterable[Batch]) -> int:
    """Make a full training step on each of `batches`, on a copy of `model`; return the peak of their memory in bytes.

    A step is forward, loss, backward and update with an optimizer that keeps its state; batches are where the model is.
    `plan.accumulate` batches make an update. Three batches show what training takes, since the first update makes the
    optimizer's state. The copy counts in the peak, as the model does in training. No trace is left: weights, buffers,
    modes, gradients, random state are as before, and the copy is gone. Raises what the steps raise.
    """
    try:
        return _peak_of_steps(model, plan, batches)
    finally:
        gc.collect()  # the copy may hang in a cycle, and the next size needs its memory


def _peak_of_steps(model: nn.Module, plan: StepPlan, batches: Iterable[Batch]) -> int:
    place = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    before = torch.cuda.memory_allocated(place) if place.type == "cuda" else 0  # there, everything counts
    twin = copied(model)
    with isolated(), torch.enable_grad():
        return measure_peak(partial(_steps, twin, plan, batches), place) - before


def _steps(model: nn.Module, plan: StepPlan, batches: Iterable[Batch]) -> None:
    optimizer = plan.optimizer(model)
    train = getattr(optimizer, "train", None)
    if callable(train):  # those that average their weights step in this mode alone
        train()
    queue = iter(batches)
    with plan.recomputing(model):
        while together := list(islice(queue, plan.accumulate)):
            gather = partial(_gather, model, plan, optimizer, together)
            if isinstance(optimizer, torch.optim.LBFGS):
                optimizer.step(gather)  # it asks for gradients along the way
            else:
                gather()
                optimizer.step()


def _gather(
    model: nn.Module, plan: StepPlan, optimizer: torch.optim.Optimizer, batches: Sequence[Batch]
) -> torch.Tensor:
    """Leave the gradient over all `batches` in `model`; return the last loss."""
    optimizer.zero_grad(set_to_none=True)
    loss = torch.zeros(())
    for x, y in batches:
        _, loss = plan.forward(model, x, y)
        loss.backward()
    return loss


def ran_out_of_memory(problem: BaseException) -> bool:
    """Say whether an exception means that memory was not enough, by its class or by what torch says."""
    if isinstance(problem, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(problem, RuntimeError) and any(words in str(problem) for words in _OUT_OF_MEMORY)


def _try(
    attempt: Callable[[int], int | None],
    size: int,
    expected: int | None,
    available: Callable[[], int],
    margin: float,
) -> BatchSizeTrial:
    allowed = int((1 - margin) * available())
    if expected is not None and expected > allowed:
        return BatchSizeTrial(batch_size=size, result="too large", needed_bytes=expected, allowed_bytes=allowed)
    started = time.perf_counter()
    failed, peak = False, None
    try:
        with isolated():
            peak = attempt(size)
    except Exception as problem:
        if not ran_out_of_memory(problem):
            raise
        failed = True
    seconds = time.perf_counter() - started
    if failed:  # only here is the exception gone, whose traceback held all tensors of the attempt
        gc.collect()
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()
        return BatchSizeTrial(
            batch_size=size, result="out of memory", needed_bytes=expected, allowed_bytes=allowed, seconds=seconds
        )
    taken = expected if peak is None else peak
    result = "too large" if taken is not None and taken > allowed else "fits"
    return BatchSizeTrial(batch_size=size, result=result, needed_bytes=taken, allowed_bytes=allowed, seconds=seconds)


def _expected(size: int, trials: list[BatchSizeTrial], needed: Callable[[int], int] | None) -> int | None:
    """Return what a size is expected to take: the larger of the forecast and a line through the last two that ran."""
    answers = [needed(size)] if needed is not None else []
    ran = [(trial.batch_size, trial.needed_bytes) for trial in trials if trial.seconds and trial.needed_bytes]
    smaller = [pair for pair in ran if pair[0] < size][-2:]
    if len(smaller) == 2:
        (first, low), (last, high) = smaller
        answers.append(round(high + (high - low) * (size - last) / (last - first)))
    elif smaller and not answers:
        answers.append(round(smaller[0][1] * size / smaller[0][0]))
    return max(answers, default=None)


def _nothing_fits(trials: list[BatchSizeTrial]) -> ModelError:
    last = trials[-1]
    needed = "" if last.needed_bytes is None else f" needs {last.needed_bytes / 2**20:,.0f} MiB"
    return ModelError(
        "not even a batch of one sample fits into memory",
        evidence=f"a step on 1 sample{needed}: {last.result}; {last.allowed_bytes / 2**20:,.0f} MiB may be used",
        remedy="a smaller model, train.checkpoint_activations = true, train.precision = 'bf16', or an optimizer with "
        "less state (sgd)",
    )
