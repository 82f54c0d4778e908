"""The whole state of a run between two steps: what a checkpoint holds, and what a resumed run goes on from.

Each entry below is one that the next step, or the end of the run, would come out differently without. Where a head
trains on the features of a frozen body, the snapshot is the head's, and the best weights are of the whole model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from trainwright.errors import RunError
from trainwright.randomness import generators, set_generators
from trainwright.records import Finding, from_plain, to_plain
from trainwright.training.loop import Place
from trainwright.training.snapshot import Snapshot
from trainwright.training.stopping import Best

if TYPE_CHECKING:
    from trainwright.training.course import Course


def take(course: Course) -> dict[str, Any]:
    """Return the state of `course` as a tree of plain values and tensors that later steps cannot reach.

    To be called between two steps. What the run has recorded so far is not in it: that is in the log.
    """
    training = course.training
    clip = training.step.clip
    return {
        "place": asdict(training.place),
        "snapshot": Snapshot.take(training, training.place.step).tree(),
        "rates": training.step.rates.kept(),
        "gradients": _gradients(course),
        "clip": {"norm": clip.norm, "value": clip.value},
        "refused": list(training.refused),
        "repair": None if training.repair is None or training.place.step == 0 else training.repair.kept(),
        "still": None if training.stillness is None else training.stillness.kept(),
        "resting": [name for name, module in training.model.named_modules() if not module.training],
        "best": asdict(course.best),
        "best_state": course.best_state,  # replaced by a better one, never changed
        "best_values": None if course.best_values is None else dict(course.best_values),
        "looked": course.looked,
        "next_visit": course.next_visit,
        "announced": sorted(course.announced),
        "left_out": sorted(course.left_out),
        "checked": [to_plain(finding) for finding in course.checked],
        "seconds": course.elapsed,
        "generators": _plain(generators()),
    }


def put_back(course: Course, kept: Mapping[str, Any]) -> None:
    """Let `course`, made anew from the same settings, go on from what `take` returned of it.

    Raises `RunError` where `kept` is nothing that `take` can have returned.
    """
    try:
        _put_back(course, kept)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as problem:
        raise RunError(
            "the checkpoint does not hold the state of this run",
            evidence=f"{type(problem).__name__}: {problem}",
            remedy="resume with the version that wrote it, or remove it and resume from the one before",
        ) from problem


def _put_back(course: Course, kept: Mapping[str, Any]) -> None:
    training = course.training
    if training.step.team.sharded:
        from trainwright.training.sharding import divided  # torch's part for it takes long to import

        kept = divided(kept, training.model)
    snapshot = Snapshot.of(kept["snapshot"])
    if set(snapshot.weights) != set(training.model.state_dict()):  # of a head on features, or of the model around it
        raise RunError(
            "the part of the model that trains is not the one that trained before",
            evidence=f"{len(snapshot.weights)} tensors were kept of it, and it has {len(training.model.state_dict())}",
            remedy="leave what decides on features as it was: train.compile, and the data of the run",
        )
    snapshot.restore(training)
    training.place = Place(**kept["place"])
    training.step.rates.performed = snapshot.performed
    training.step.rates.put_back(kept["rates"], training.place.step)
    training.step.clip = replace(training.step.clip, **kept["clip"])
    if training.stillness is not None and kept["still"] is not None:
        training.stillness.put_back(kept["still"], training.place.step)
    for name, weight in training.model.named_parameters():
        weight.grad = kept["gradients"][name].to(weight.device) if name in kept["gradients"] else None
    training.refused[:] = kept["refused"]
    if training.repair is not None and kept["repair"] is not None:
        training.repair.put_back(kept["repair"])
    for name, module in training.model.named_modules():
        module.training = name not in kept["resting"]
    course.best = Best(**kept["best"])
    course.best_state, course.best_values = kept["best_state"], kept["best_values"]
    course.looked, course.next_visit = kept["looked"], kept["next_visit"]
    course.announced, course.left_out = set(kept["announced"]), set(kept["left_out"])
    course.checked = [from_plain(Finding, plain) for plain in kept["checked"]]
    course.seconds = kept["seconds"]
    set_generators(kept["generators"])


def _gradients(course: Course) -> dict[str, torch.Tensor]:
    """Return the gradients of the last step, where the next thing to happen is that layers are measured with them."""
    training, step = course.training, course.training.place.step
    ends = step == training.planned_steps or course.best.exhausted(course.patience)
    if not ends and not training.monitor.samples_layers(step):
        return {}
    found = {name: weight.grad for name, weight in training.model.named_parameters()}
    return {name: grad.clone() for name, grad in found.items() if grad is not None and not grad.is_sparse}


def _plain(state: dict[str, Any]) -> dict[str, Any]:
    """Return generators' states without numpy's array."""
    name, keys, *rest = state["numpy"]
    return {**state, "numpy": (name, np.asarray(keys).tolist(), *rest)}
