"""Do the worker processes of a loader draw different random numbers, and share the samples of a pass among them.

Asked of real workers: two of them read one and the same item again and again. What is drawn shows as items that differ
within a worker; where the workers' items then agree, read for read, both hold the same generator in the same state.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset

from trainwright.checks.check import Answer, Check, Skip
from trainwright.checks.subject import Subject
from trainwright.doctor.kinds_datasets import DUPLICATE_WORKER_RANDOMNESS, SAMPLES_READ_TWICE
from trainwright.records import Evidence, Finding, Remedy
from trainwright.tensors import digest

READS = 8
"""Reads of an item in one request to a worker."""
MOST_REQUESTS = 8
"""Requests to each worker before the question is given up: items that are hardly ever changed tell nothing."""
CHANCE = 1e-6
"""The chance that as many independent reads agree; below it they are not independent."""
MOST_SECONDS = 8.0
"""Time for two workers to start and answer; some data sets take longer to open, and are then not judged."""
_WORKERS = 2  # any two show it


def examine(subject: Subject) -> Answer:
    """Start two workers as the loader would, and compare what they read."""
    loader = subject.loader
    if not isinstance(loader, DataLoader):
        raise Skip("the data are not read by a torch DataLoader")
    if loader.num_workers == 0:
        raise Skip("the loader has no worker processes (num_workers = 0)")
    if loader.num_workers == 1:
        raise Skip("the loader has one worker process only")
    if isinstance(loader.dataset, IterableDataset):
        return _shares(loader)
    return _draws(loader)


def _draws(loader: DataLoader[Any]) -> Answer:
    places = [0, len(loader.dataset) // 2]  # pyright: ignore[reportArgumentType]
    requests = [[places[request % 2]] * READS for request in range(MOST_REQUESTS) for _ in range(_WORKERS)]
    seen: list[list[str]] = [[], []]
    groups: list[list[str]] = []
    started = time.perf_counter()
    answers = _answers(loader, requests)
    chance = 1.0
    for one, other in _pairs(answers):
        for worker, items in enumerate((one, other)):
            seen[worker] += items
        groups.append(one)
        chance = _agreement(groups)
        if chance < CHANCE or seen[0] != seen[1] or time.perf_counter() - started > MOST_SECONDS:
            break
    answers.close()
    drawn = any(len(set(group)) > 1 for group in groups)
    same = seen[0] == seen[1]
    equal = sum(a == b for a, b in zip(*seen, strict=True))
    measured = {"workers": loader.num_workers, "reads": len(seen[0]), "random": drawn, "equal": equal}
    if not drawn and not same:  # each worker reads its own constant: drawn once, when the worker begins
        return Answer(measured=measured, value="items differ between workers", expected="different draws")
    if not drawn:
        return Answer(measured=measured, value="nothing is drawn for an item", expected="different draws, or none")
    if same and chance >= CHANCE:
        raise Skip("the items are changed too seldom to tell whether workers draw alike")
    findings = (_duplicate(loader, len(seen[0])),) if same else ()
    return Answer(
        findings=findings,
        measured=measured,
        value=f"{equal} of {len(seen[0])} draws equal in two workers",
        expected="different draws",
    )


def _shares(loader: DataLoader[Any]) -> Answer:
    """Read the beginning of an iterable data set in both workers: without sharing, both yield the same samples."""
    answers = _answers(loader, None)
    first: list[list[str]] = [items for items in itertools.islice(answers, 2) if items]
    answers.close()
    if len(first) < 2:
        raise Skip("the iterable data set gives too few samples for two workers")
    known = set(first[0])
    equal = sum(item in known for item in first[1])
    measured = {"workers": loader.num_workers, "reads": len(first[1]), "equal": equal}
    if len(known) < 2:
        raise Skip("the samples at the beginning of a pass are all the same")
    findings: tuple[Finding, ...] = ()
    if first[0] == first[1]:
        findings = (
            SAMPLES_READ_TWICE.finding(
                evidence=(
                    Evidence(name="first samples of a worker that another yields too", value=equal),
                    Evidence(name="samples compared", value=len(first[1])),
                    Evidence(name="workers, and so copies of each sample", value=loader.num_workers, threshold=1),
                ),
                remedies=(
                    Remedy(
                        text="in __iter__ ask torch.utils.data.get_worker_info(), and yield a share for each worker"
                    ),
                ),
            ),
        )
    return Answer(
        findings=findings,
        measured=measured,
        value=f"{equal} of {len(first[1])} first samples in two workers",
        expected="none",
    )


def _answers(loader: DataLoader[Any], requests: list[list[int]] | None) -> Generator[list[str]]:
    """Yield the hashes of the items of each request, the workers taking turns; raise `Skip` where they fail."""
    common: dict[str, Any] = {
        "num_workers": _WORKERS,
        "collate_fn": _hashes,
        "worker_init_fn": loader.worker_init_fn,
        "multiprocessing_context": loader.multiprocessing_context,
        "timeout": MOST_SECONDS,
        "prefetch_factor": 1,
        "generator": torch.Generator().manual_seed(0),
    }
    if requests is None:
        probe: DataLoader[Any] = DataLoader(loader.dataset, batch_size=READS, **common)
    else:
        probe = DataLoader(loader.dataset, batch_sampler=requests, **common)
    batches: Any = iter(())
    try:
        batches = iter(probe)
        yield from batches
    except Exception as problem:  # whatever a worker raises: it could not start, or its data set fails
        words = str(problem).strip().splitlines()
        last = words[-1] if words else ""
        raise Skip(f"worker processes could not read the data: {type(problem).__name__}: {last}") from None
    finally:
        # Now, and not when the garbage is collected: a traceback may hold the iterator, and its workers wait.
        end = getattr(batches, "_shutdown_workers", None)
        if end is not None:
            end()


def _pairs(answers: Iterator[list[str]]) -> Iterator[tuple[list[str], list[str]]]:
    for one in answers:
        other = next(answers, None)
        if other is None:
            return
        yield one, other


def _hashes(items: list[Any]) -> list[str]:
    """Return a hash of each item: run in a worker, so that nothing large has to be sent."""
    return [digest({str(place): part for place, part in enumerate(_parts(item))}) for item in items]


def _parts(item: Any) -> list[torch.Tensor]:
    if isinstance(item, torch.Tensor):
        return [item]
    if isinstance(item, np.ndarray | np.generic | int | float | bool):
        return [torch.as_tensor(np.asarray(item))]
    if isinstance(item, dict):
        return [part for key in sorted(item, key=str) for part in _parts(item[key])]
    if isinstance(item, tuple | list):
        return [part for each in item for part in _parts(each)]
    if hasattr(item, "__array__"):  # a picture
        return [torch.as_tensor(np.array(item))]
    return [torch.tensor(list(str(item).encode()), dtype=torch.uint8)]


def _agreement(groups: list[list[str]]) -> float:
    """Return the chance that independent reads agree as often, from how often reads within a worker do."""
    pairs = equal = 0
    for group in groups:
        for a, b in itertools.combinations(group, 2):
            pairs, equal = pairs + 1, equal + (a == b)
    reads = sum(map(len, groups))
    return math.exp(reads * math.log((equal + 1) / (pairs + 1))) if pairs else 1.0


def _duplicate(loader: DataLoader[Any], reads: int) -> Finding:
    init = loader.worker_init_fn
    own = "the data set holds a generator of its own, of which every worker gets a copy"
    if init is not None:
        name = getattr(init, "__name__", type(init).__name__)
        own = f"worker_init_fn ({name}) gives every worker the same seed, or {own}"
    return DUPLICATE_WORKER_RANDOMNESS.finding(
        because=f"{DUPLICATE_WORKER_RANDOMNESS.because}: {own}",
        evidence=(
            Evidence(name="reads of one item that agree in two workers, in order", value=f"{reads} of {reads}"),
            Evidence(name="the same item differs from read to read within a worker", value=True),
            Evidence(name="workers of the loader", value=loader.num_workers),
        ),
        remedies=(
            Remedy(text="draw from torch's generator (torch.rand), which torch seeds differently in each worker"),
            Remedy(
                text="or seed the own generator from torch.utils.data.get_worker_info().seed when a worker begins "
                "(worker_init_fn), which also differs in every epoch"
            ),
        ),
    )


CHECK = Check(
    name="worker-randomness",
    question="do the workers of the loader draw different random numbers?",
    kinds=(DUPLICATE_WORKER_RANDOMNESS, SAMPLES_READ_TWICE),
    examine=examine,
    quick=False,
    seconds=8.0,
)
