"""Do samples of an indexable data set keep their labels when they are read again, under other random numbers?

Inputs may change, by augmentation. A label that changes is told: as a warning where its input stays the same, as a note
where the input changes too, since a data set may make its samples anew on purpose. Targets that are no class ids are
not compared: noise that a network is to predict is drawn anew for every read, and rightly.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset

from trainwright.checks.subject import Subject
from trainwright.doctor.kinds_datasets import LABELS_UNRELATED_TO_INPUTS
from trainwright.randomness import isolated
from trainwright.records import Evidence, Finding, Remedy

SAMPLES = 24
"""Samples that are read twice: of labels that are drawn from two classes, half of them differ."""
SECONDS = 0.5
"""Time after which no further sample is read."""


def labels_redrawn(subject: Subject) -> list[Finding]:
    """Return a finding where the same place of the data set has another class at a second read."""
    places = _places(subject.loader)
    started = time.perf_counter()
    read, changed, fixed = 0, [], 0
    for place in places:
        try:
            first, second = (_item(subject, place, again) for again in (0, 1))
        except Exception:  # what cannot be read one by one is read by the loader alone
            return []
        if first is None or second is None:
            return []
        (x, y), (other_x, other_y) = first, second
        read += 1
        if y != other_y:
            changed.append(place)
            fixed += _same(x, other_x)
        if time.perf_counter() - started > SECONDS:
            break
    if not changed:
        return []
    kept = fixed > 0
    return [
        LABELS_UNRELATED_TO_INPUTS.finding(
            severity="warning" if kept else "note",
            title="labels change from read to read" if kept else "samples and their labels are made anew at each read",
            because="the same input has another label in the next epoch, so no answer can be right twice"
            if kept
            else "no sample comes twice: fine where data are made up, a mistake where they are kept in files",
            evidence=(
                Evidence(name="samples with another label at a second read", value=len(changed), threshold=0),
                Evidence(name="samples read twice, by their place in the data set", value=read),
                Evidence(name="of those with another label, inputs that stayed the same", value=fixed),
                Evidence(name="first such place", value=changed[0]),
            ),
            remedies=(Remedy(text="draw labels once, when the data set is made, or from the sample's own place"),),
        )
    ]


def _places(loader: Any) -> list[int]:
    dataset = loader.dataset if isinstance(loader, DataLoader) else None
    if dataset is None or isinstance(dataset, IterableDataset) or loader.batch_sampler is None:
        return []
    try:
        size = len(dataset)  # type: ignore[arg-type]
    except TypeError:
        return []
    return list(range(0, size, max(1, size // SAMPLES)))[:SAMPLES]


def _item(subject: Subject, place: int, again: int) -> tuple[Any, int] | None:
    """Return one sample and its class, None where it is no pair with a whole number."""
    with isolated(subject.seed, "read", again, place):
        item = subject.loader.dataset[place]
    if not isinstance(item, tuple | list) or len(item) != 2:
        return None
    y = item[1]
    if isinstance(y, torch.Tensor | np.ndarray | np.generic):
        whole = torch.as_tensor(y)
        return None if whole.numel() != 1 or whole.is_floating_point() else (item[0], int(whole))
    return (item[0], y) if isinstance(y, int) else None


def _same(x: Any, other: Any) -> bool:
    if isinstance(x, torch.Tensor | np.ndarray) and isinstance(other, torch.Tensor | np.ndarray):
        one, two = torch.as_tensor(x), torch.as_tensor(other)
        return one.shape == two.shape and bool((one == two).all())
    return False
