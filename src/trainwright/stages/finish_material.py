"""What members are judged by: validation and test data in whatever form they were given, and how outputs are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from trainwright.data.arrays import pair_tensors
from trainwright.data.batches import batches_of, is_pair
from trainwright.data.dataset import Dataset
from trainwright.data.feed import Feed
from trainwright.ensembles.course import Material
from trainwright.ensembles.ensemble import taken_by
from trainwright.ensembles.network import Network
from trainwright.errors import UsageError
from trainwright.parts import losses
from trainwright.parts.outputs import Form
from trainwright.records import RunInfo, Task
from trainwright.stages.splits import dataset_batches

if TYPE_CHECKING:
    from trainwright.stages.finish_sources import Found

_BATCH = 256


def material_of(found: Found, validation: Any, test: Any, *, networks: Sequence[Network] = ()) -> Material:
    """Return what a course begins with: `networks` are the members, by default those that were found.

    Raises `UsageError` where there is nothing to judge by, or what is judged by is to be tested on too.
    """
    dataset, members = found.dataset, tuple(networks or found.networks)
    if not members:
        raise UsageError("there is nothing to finish", remedy="let it train members: methods=('seeds',)")
    if validation is None and dataset is not None:
        validation = split_of(found, "validation")
    if validation is None:
        raise UsageError(
            "there are no validation data to judge by",
            evidence="none were given" + ("" if dataset is None else ", and the recipe holds none out"),
            remedy="pass validation=(x, y) that no member was trained on, or set data.validation above 0",
        )
    if test is None and dataset is not None:
        test = split_of(found, "test")
    feed = feed_of(validation, members[0], "validation")
    tested = None if test is None else feed_of(test, members[0], "test")
    return Material(
        name=found.info.name,
        members=members,
        form=found.form,
        validation=feed,
        test=tested,
        classes=() if dataset is None else dataset.classes,
    )


def split_of(found: Found, name: str) -> Feed | None:
    """Return a split of the recipe's data as batches, None where there is none."""
    assert found.dataset is not None
    assert found.recipe is not None
    spec = losses.CATALOGUE[found.recipe.loss.name]
    device = next(found.networks[0].model.parameters()).device
    return dataset_batches(found.recipe, found.dataset, _BATCH, device, spec).get(name)


def form_of(info: RunInfo, dataset: Dataset | None = None) -> Form:
    """Return how the outputs of a run are to be read."""
    spec = losses.CATALOGUE.get(info.loss)
    task: Task = info.task or "classification"
    scaled = dataset is not None and task == "regression"
    return Form(
        task=task,
        expects=spec.expects if spec is not None else "logits",
        mean=dataset.target_mean if dataset is not None and scaled else (),
        std=dataset.target_std if dataset is not None and scaled else (),
    )


def feed_of(data: Any, network: Network, name: str) -> Feed:
    """Return data that were given as batches for `network`: a pair, or an iterable of pairs; a feed stays as it is."""
    device = next((str(weight.device) for weight in network.model.parameters()), "cpu")
    if is_pair(data):
        x, y = pair_tensors(list(data), f"the {name} data")
        y = y.float() if y.dtype == torch.float64 else y
        return batches_of((taken_by(network, x), y), batch_size=_BATCH, seed=0, device=device)
    if hasattr(data, "in_order") and hasattr(data, "take"):
        return data
    return batches_of(data, batch_size=_BATCH, seed=0, device=device)
