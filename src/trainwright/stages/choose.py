"""What suits the data: loss, network, optimizer, schedule and the rest, each with its reason and its source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainwright import defaults
from trainwright.parts import initializers, losses, models, norms, optimizers, schedules
from trainwright.records import DataShape, ModelSpec, Task

_IMBALANCE = 5.0  # times as many samples of the most frequent class as of the rarest, from which it is worth a word
_FEW_SAMPLES = 2_000


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a choice depends on: the task, the shape of a sample, how many there are to train on, and of which class."""

    task: Task
    shape: DataShape
    samples: int
    class_counts: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One setting of a recipe, why it is what it is, and who says so."""

    setting: str
    value: Any
    reason: str
    source: str


def choose(facts: Facts, given: Mapping[str, Any]) -> tuple[Choice, ...]:
    """Return what to use for `facts`. `given` holds what was asked for ("model.name"), on which the rest depends.

    A choice for something that was given is not made.
    """
    choices = [choice for choice in _choices(facts, given) if choice.setting not in given]
    return tuple(choices)


def _choices(facts: Facts, given: Mapping[str, Any]) -> Iterator[Choice]:
    yield _loss(facts)
    network = _network(facts)
    yield network
    name = given.get("model.name", network.value)
    spec = models.CATALOGUE.get(name)
    if spec is not None:
        yield from _inside(name)
    optimizer = Choice(
        setting="optimizer.name",
        value="adamw",
        reason=f"{optimizers.CATALOGUE['adamw'].summary}; best for {optimizers.CATALOGUE['adamw'].best_for}",
        source=optimizers.CATALOGUE["adamw"].reference,
    )
    yield optimizer
    measured = _measured(facts, spec, given)
    if given.get("optimizer.name", optimizer.value) == optimizer.value:
        for setting, number in measured.items():
            if setting.startswith("optimizer."):
                yield Choice(setting=setting, value=number.value, reason=number.meaning, source=number.source)
    yield schedule_for(given.get("optimizer.name", optimizer.value))
    for setting, number in measured.items():
        if not setting.startswith("optimizer."):
            value = int(number.value) if float(number.value).is_integer() else number.value
            if setting == "train.batch_size":
                value = min(int(number.value), facts.samples)
            yield Choice(setting=setting, value=value, reason=number.meaning, source=number.source)


def _measured(facts: Facts, spec: ModelSpec | None, given: Mapping[str, Any]) -> Mapping[str, defaults.Default]:
    """Return the settings that suited a network when it was measured, as far as they go for these samples."""
    if spec is None or (spec.tokens and facts.shape.vocabulary is None):  # measured on text
        return {}
    long = "train.epochs" in given  # the user has said how long
    return {name: number for name, number in spec.recommended.items() if name != "train.steps" or not long}


def _weighing(counts: Sequence[int]) -> str:
    """Return the setting that makes classes count alike: one logit has the weight of a yes."""
    return f"loss.pos_weight = {counts[0] / counts[1]:.3g}" if len(counts) == 2 else "loss.weights = 'balanced'"


def schedule_for(optimizer: str) -> Choice:
    """Return the schedule that suits an optimizer: none where it searches its own step, or averages its path."""
    spec = optimizers.CATALOGUE[optimizer]
    name, reason = "warmup_cosine", schedules.CATALOGUE["warmup_cosine"].summary
    if spec.closure:
        name, reason = "constant", f"'{optimizer}' finds the length of each step by a line search"
    elif spec.averages:
        name, reason = "constant", f"'{optimizer}' averages its path, which takes the place of a decay"
    return Choice(setting="schedule.name", value=name, reason=reason, source=schedules.CATALOGUE[name].reference)


def _loss(facts: Facts) -> Choice:
    name = losses.automatic(facts.task, facts.shape.outputs)
    spec = losses.CATALOGUE[name]
    return Choice(
        setting="loss.name", value=name, reason=f"the task is {facts.task}: {spec.summary}", source=spec.reference
    )


def _network(facts: Facts) -> Choice:
    name = models.automatic(facts.shape)
    spec = models.CATALOGUE[name]
    if facts.shape.vocabulary is not None:
        samples = f"text of {facts.shape.vocabulary} different tokens"
    elif facts.shape.groups:
        samples = f"rows of a table with {len(facts.shape.groups)} columns"
    else:
        samples = f"of shape {'x'.join(map(str, facts.shape.input_shape))}"
    return Choice(
        setting="model.name", value=name, reason=f"samples are {samples}: {spec.summary}", source=spec.reference
    )


def _inside(name: str) -> Iterator[Choice]:
    """Yield initialisation and normalisation of a built-in network, with the guides' advice."""
    options = models.CATALOGUE[name].options
    norm = options.get("norm")
    if norm is not None:
        spec = norms.CATALOGUE[str(norm.default)]
        yield Choice(
            setting="model.norm", value=spec.name, reason=f"{spec.summary}; {spec.best_for}", source=spec.reference
        )
    yield Choice(
        setting="model.init",
        value="auto",
        reason=f"he_normal where a ReLU follows ({initializers.CATALOGUE['he_normal'].best_for}), and a last layer so "
        "small that the loss begins where guessing begins",
        source=initializers.CATALOGUE["he_normal"].reference,
    )


def recommended_rate(model: str, optimizer: str, *, text: bool = False) -> float:
    """Return the learning rate that an optimizer is given for a network where nobody says otherwise.

    `text` says that the samples are tokens: what was measured on those holds for nothing else.
    """
    spec = models.CATALOGUE.get(model)
    fits = spec is not None and optimizer == "adamw" and (text or not spec.tokens)
    number = spec.recommended.get("optimizer.lr") if spec is not None and fits else None
    return number.value if number is not None else float(optimizers.CATALOGUE[optimizer].options["lr"].default)  # type: ignore[arg-type]


def advice(facts: Facts) -> Sequence[str]:
    """Return what is worth a thought but is not done without being asked: plain sentences."""
    said = []
    classes = facts.shape.vocabulary is None  # letters are not drawn as samples, and their frequency is their nature
    if classes and facts.class_counts and min(facts.class_counts) > 0:
        ratio = max(facts.class_counts) / min(facts.class_counts)
        if ratio >= _IMBALANCE:
            said.append(
                f"the most frequent class has {ratio:.0f} times as many samples as the rarest: where the rare one "
                f"matters most, set {_weighing(facts.class_counts)}, or train.sampler = 'balanced' (G3)"
            )
    if facts.samples < _FEW_SAMPLES:
        said.append(
            f"{facts.samples:,} samples are few: dropout, weight decay and early stopping (train.patience) matter more "
            "than the optimizer (G1, G3)"
        )
    if len(facts.shape.input_shape) == 3:
        said.append(
            "images gain from augmentation, such as augment.flip and augment.shift, where a mirrored or moved image "
            "still is of its class (G0, G1)"
        )
    if facts.shape.vocabulary is None and facts.samples > 0:
        said.append(
            f"the learning rate is the most important number; {defaults.ADAM_LEARNING_RATE.value:g} is what the guides "
            "give for Adam, and a finder or a search says more"
        )
    return said
