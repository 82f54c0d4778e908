"""What can train further networks of the same kind: from a recipe, from what `fit` was given, or from a study."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from trainwright.data.batches import is_pair
from trainwright.data.feed import Feed
from trainwright.errors import UsageError
from trainwright.records import Location
from trainwright.records.findings import Scalar
from trainwright.records.study import Trial
from trainwright.search.entrant import Enter, Entrant
from trainwright.stages.entrants import Factory, from_dataset, from_factory, made
from trainwright.stages.finish_sources import Found
from trainwright.stages.given import changes_of, prepare_given
from trainwright.stages.named import Loss
from trainwright.stages.recipe import Recipe
from trainwright.stages.setup import Setup, prepare

_SECTIONS = ("loss", "optimizer", "schedule", "augment", "train")
_OF_MEMBERS = {"doctor.level": "off", "train.verify": "off", "train.order_seed": -1}
"""What further members have in place of the first one's: nobody looks on, and each has the order of its own seed."""


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """`setup(seed)` gives a fresh training under a seed, `enter` the same as a row of an array where a row will do.

    `values` are those of a search's best configuration, {} where there was none. `once` says that training data are in
    memory and neither changed nor drawn unevenly. `start` gives the weights that the first run began with, None where
    nobody can make them again.
    """

    setup: Callable[[int], Setup]
    enter: Enter
    train: Feed
    validation: Feed | None
    evaluation_loss: Loss
    threads: int
    once: bool
    values: Mapping[str, Scalar]
    start: Callable[[], Mapping[str, torch.Tensor]] | None = None

    def entrant(self, seed: int) -> Entrant:
        """Return the training under a seed, to be trained beside others."""
        return self.enter(Trial(number=0, configuration=0, round=0, chunk=0, values=self.values, seed=seed))


def of_recipe(found: Found, data_root: str | None = None) -> Workshop:
    """Return the workshop of runs that came from a recipe, whose data are read already."""
    assert found.recipe is not None
    assert found.dataset is not None
    recipe, dataset = found.recipe.changed(_OF_MEMBERS), found.dataset
    base = prepare(recipe, dataset, data_root)
    return Workshop(
        setup=lambda seed: prepare(recipe.changed({"train.seed": seed}), dataset, data_root),
        enter=from_dataset(recipe, dataset, torch.device(base.recipe.train.device)),
        train=base.splits["train"],
        validation=base.splits.get("validation"),
        evaluation_loss=base.evaluation_loss,
        threads=int(base.recipe.train.threads),
        once=once(recipe),
        values={},
        start=lambda: prepare(recipe, dataset, data_root).model.state_dict(),
    )


def of_given(
    found: Found, factory: Factory | None, train: Any, validation: Any, *, loss: Any, settings: Mapping[str, Any]
) -> Workshop:
    """Return the workshop of runs that `fit` made: their settings, with `settings` over them, and a model's factory.

    Raises `UsageError` where the model's factory or the training data are missing.
    """
    if factory is None or train is None:
        missing = [name for name, value in (("model", factory), ("train", train)) if value is None]
        raise UsageError(
            "further networks are to be trained, and it is not known how",
            evidence=f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing",
            remedy="pass model=make_model, a function that makes a new one, and train=(x, y)",
        )
    known = {
        name: setting.value
        for name, setting in found.info.settings.items()
        if name.partition(".")[0] in _SECTIONS and not (name.startswith("loss.") and loss is not None)
    }
    if not is_pair(train):
        known.pop("train.batch_size", None)  # such data make their own batches
    if isinstance(loss, str):
        known["loss.name"], loss = loss, None
    known |= {
        **_OF_MEMBERS,
        "train.loggers": [],
        **changes_of(dict(settings), "finish()"),
    }
    recipe, caller, make = Recipe.of(None, **known), Location(), factory

    def setup(seed: int) -> Setup:
        own = recipe.changed({"train.seed": seed})
        return prepare_given(
            own, made(make, {}, seed), train, validation, loss=loss, optimizer=None, caller=caller
        )  # fmt: skip

    base = setup(recipe.train.seed)
    return Workshop(
        setup=setup,
        enter=from_factory(recipe, make, train, validation, loss=loss, base=base, names={}, caller=caller),
        train=base.splits["train"],
        validation=base.splits.get("validation"),
        evaluation_loss=base.evaluation_loss,
        threads=int(base.recipe.train.threads),
        once=once(recipe),
        values={},
    )


def once(recipe: Recipe) -> bool:
    """Say whether the training samples come as they are, each once in an epoch."""
    return not any(recipe.augment.strengths.values()) and recipe.train.sampler == "shuffled"
