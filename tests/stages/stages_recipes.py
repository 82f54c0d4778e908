"""Recipes drawn at random."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st

from trainwright.parts import augment, schedules
from trainwright.parts.catalogue import option_problem
from trainwright.records import Option
from trainwright.runs import loggers
from trainwright.stages.sections import CATALOGUES, SECTIONS, known_keys

calmly = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

KEYS = sorted({key for section in SECTIONS for key in known_keys(section)})

texts = st.text(st.characters(exclude_categories=["Cs"]))


# --- valid recipes, as many as there may be ---


def values_of(option: Option) -> st.SearchStrategy[Any]:
    """Return everything that an option may be set to."""
    words = st.sampled_from(option.choices) if option.choices else st.nothing()
    if isinstance(option.default, bool):
        return st.booleans()
    if isinstance(option.default, str):
        return words
    if isinstance(option.default, tuple):
        return st.lists(numbers_of(option), max_size=4) | words
    return numbers_of(option) | words


def numbers_of(option: Option) -> st.SearchStrategy[float]:
    least, most = max(option.minimum, -1e9), min(option.maximum, 1e9)
    if isinstance(option.default, int):
        return st.integers(math.ceil(least), int(most))
    found = st.floats(least, most) | st.integers(math.ceil(least), math.floor(most))
    return found.filter(lambda value: option_problem("x", value, option) is None)


@st.composite
def parts(draw: st.DrawFn, section: str) -> dict[str, Any]:
    room = CATALOGUES[section]
    name = draw(st.sampled_from(sorted(room.catalogue)))
    options = {key: values_of(option) | st.just("auto") for key, option in room.options(name).items()}
    if section == "optimizer":
        options["rates"] = st.dictionaries(texts, st.floats(0, 100), max_size=3)
    drawn = draw(st.fixed_dictionaries({}, optional=options))
    if section == "schedule":
        assume(schedules.problem(name, {key: value for key, value in drawn.items() if value != "auto"}) is None)
    return {"name": name, **drawn}


counts = st.integers(0, 10**30)
shares = st.floats(0, 1, exclude_max=True) | st.just(0)
recipes = st.fixed_dictionaries(
    {},
    optional={
        "data": st.fixed_dictionaries(
            {},
            optional={
                "source": texts,
                "target": texts | st.lists(texts, max_size=3),
                "task": st.sampled_from(["auto", "classification", "multi-label", "regression"]),
                "normalise": st.sampled_from(["standard", "none"]),
                "validation": shares,
                "test": shares,
                "test_source": texts,
                "split_seed": st.integers(-1, 10**6),
                "ignore": st.lists(texts, max_size=4),
                "context": st.integers(1, 10**6),
                "image_size": st.integers(0, 10**6),
            },
        ),
        "augment": st.fixed_dictionaries(
            {}, optional={name: values_of(spec.strength) | st.just("auto") for name, spec in augment.CATALOGUE.items()}
        ),
        **{section: parts(section) for section in CATALOGUES},
        "train": st.fixed_dictionaries(
            {},
            optional={
                "epochs": st.integers(1, 10**9) | st.just("auto"),
                "steps": counts,
                "batch_size": st.integers(1, 10**9) | st.just("auto"),
                "accumulate": st.integers(1, 10**30),
                "seed": counts,
                "precision": st.sampled_from(["fp32", "bf16", "fp16"]),
                "clip_norm": st.floats(0, allow_nan=False),
                "clip_value": st.floats(0, allow_nan=False),
                "ema": shares,
                "sampler": st.sampled_from(["shuffled", "balanced"]),
                "compile": st.booleans(),
                "checkpoint_activations": st.booleans(),
                "loggers": st.lists(st.sampled_from(sorted(loggers.CATALOGUE)), max_size=2),
                "patience": counts,
                "evaluate_every_steps": counts,
                "device": texts,
                "threads": st.integers(1, 1024) | st.just("auto"),
            },
        ),
        "doctor": st.fixed_dictionaries({}, optional={"level": st.sampled_from(["off", "light", "full"])}),
    },
)
