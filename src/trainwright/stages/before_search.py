"""What is looked at once before a search, so that not every trial of it must fail to say the same."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from trainwright.data.batches import Batches
from trainwright.errors import DataError, ModelError, UsageError
from trainwright.records.findings import Scalar
from trainwright.records.space import Space
from trainwright.search.space import configuration
from trainwright.stages.before_run import check_before_run
from trainwright.stages.entrants import Factory, divided, made
from trainwright.stages.facts import check_loss
from trainwright.stages.setup import Setup
from trainwright.stages.study_problem import shapes
from trainwright.stages.train import blocking

PLACES = (0.5, 0.0, 1.0, 0.25, 0.75, 0.125, 0.375, 0.625, 0.875)
"""Where on all axes together a configuration is looked for that a model can be built of."""


def check_factory(factory: Any) -> None:
    """Raise `UsageError` for what is no function that builds a model."""
    if isinstance(factory, nn.Module):
        raise UsageError(
            "the model's factory is a model",
            evidence=f"it is a {type(factory).__name__}; every trial needs one of its own",
            remedy="pass a function that builds a new one on every call, such as lambda: Net()",
        )
    if not callable(factory):
        raise UsageError(
            "the model's factory must be a function that builds a model",
            evidence=f"it is a {type(factory).__name__}",
            remedy="pass a function whose arguments the space names: def net(width=64): ...",
        )
    try:
        inspect.signature(factory)
    except (ValueError, TypeError):
        raise UsageError(
            "nobody can see which arguments the model's factory takes",
            evidence=f"{factory!r} tells Python no signature",
            remedy="wrap it in a function of your own, with the arguments that are searched",
        ) from None


def first_setup(
    factory: Factory,
    space: Space,
    names: Mapping[str, str],
    seed: int,
    prepare: Callable[[nn.Module], Setup],
) -> Setup:
    """Return the setup of the first configuration of the space that a model can be built of: one that cannot is a trial
    that fails, and no more. Raises `ModelError` where none can, and where the factory is no function of its arguments.
    """
    problem: ModelError | None = None
    for place in PLACES:
        own = divided(configuration(space, dict.fromkeys(space, place)), names)[0]
        try:
            model, twin = made(factory, own, seed), made(factory, own, seed)
        except ModelError as found:
            problem = problem or found
            continue
        _check_twins(model, twin, own)
        try:
            return prepare(model)
        except ModelError as found:
            problem = problem or found
    assert problem is not None
    raise problem


def _check_twins(model: nn.Module, twin: nn.Module, values: Mapping[str, Scalar]) -> None:
    given = ", ".join(f"{name} = {value!r}" for name, value in values.items()) or "nothing"
    if shapes(model) != shapes(twin):
        raise ModelError(
            "the model's factory builds another model on every call",
            evidence=f"given {given}, it built {_difference(model, twin)}",
            remedy="let the model depend on the factory's arguments alone",
        )
    first = {value.untyped_storage().data_ptr() or id(value): name for name, value in model.named_parameters()}
    for name, value in twin.named_parameters():
        if value.requires_grad and (value.untyped_storage().data_ptr() or id(value)) in first:
            raise ModelError(
                "two models of the factory share a parameter, so that one trial would train the other",
                evidence=f"'{name}' of two calls is the same memory",
                remedy="let the factory build a new model, with new modules, on every call",
            )


def _difference(model: nn.Module, twin: nn.Module) -> str:
    one, other = ({name: tuple(value.shape) for name, value in each.named_parameters()} for each in (model, twin))
    name = next(name for name in [*one, *other] if one.get(name) != other.get(name))
    return f"'{name}' {one.get(name, 'not at all')}, then {other.get(name, 'not at all')}"


def check_ready(setup: Setup) -> None:
    """Raise `DataError`, `ModelError` or `RecipeError` where no trial of a search could be trained, or be scored."""
    skips = setup.recipe.doctor.repair == "apply"
    for name, feed in setup.splits.items():
        if isinstance(feed, Batches) and not (skips and name == "train"):
            _check_finite(name, feed.in_order())
    found = blocking(setup)
    if found:
        facts = (f"{one.name}: {one.value}" for one in found[0].evidence)
        remedies: Sequence[str] = [remedy.text for remedy in found[0].remedies]
        raise DataError(found[0].title, evidence="; ".join(facts), remedy=next(iter(remedies), ""))
    check_before_run(setup)
    for feed in (setup.splits["train"], setup.splits["validation"]):
        x, y = feed.take(len(setup.reference))
        check_loss(setup.model, setup.loss if feed is setup.splits["train"] else setup.evaluation_loss, x, y)


def _check_finite(split: str, batches: Iterator[tuple[torch.Tensor, torch.Tensor]]) -> None:
    passed = 0
    for x, y in batches:
        for what, values in (("inputs", x), ("targets", y)):
            if values.is_floating_point() and not bool(torch.isfinite(values).all()):  # syncs an accelerator
                bad = ~torch.isfinite(values.reshape(len(values), -1)).all(1)
                sample = passed + int(bad.nonzero()[0])
                raise DataError(
                    f"the {what} of the {split} data are not all finite numbers",
                    evidence=f"sample {sample} is the first; {int(bad.sum())} of the {len(values)} around it are alike",
                    remedy="mend or leave out these samples: no trial could be trained or compared on them",
                )
        passed += len(x)
