"""Which settings a search may move, and whether every value of its space is one that a run can have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from trainwright.errors import RecipeError, UsageError
from trainwright.records.findings import Scalar
from trainwright.records.space import Axis, Space
from trainwright.search.space import checked, configuration
from trainwright.search.space_toml import from_toml
from trainwright.stages.recipe import Recipe
from trainwright.stages.sections import CATALOGUES, FIND

_BUDGET = "all trials are compared at the same shares of one budget, which it sets; fix it, and let `prune` stop trials"
_SPEED = "it changes how fast a run is, not what it learns; set it in the recipe"
_RUNGS = "trials are scored at their rungs alone, so it would change the final run, not them; set it in the recipe"
NOT_SEARCHED: Mapping[str, str] = {
    "data": "trials on other data do not compare; start a search for each",
    "doctor": "it watches a run, and changes nothing that could be better or worse; set it in the recipe",
    "tune": "it is the search itself; set it beside the space",
    "train.epochs": _BUDGET,
    "train.steps": _BUDGET,
    "train.seed": "a seed is luck, and no setting; tune.repeats trains each configuration under several",
    "train.order_seed": "an order is luck, and no setting; all trials are compared on one",
    "train.device": _SPEED,
    "train.threads": _SPEED,
    "train.compile": _SPEED,
    "train.checkpoint_activations": _SPEED,
    "train.verify": "it checks a run before it starts, and trials are not checked one by one; set it in the recipe",
    "train.loggers": "it writes a run down, and changes nothing about it; set it in the recipe",
    "train.patience": _RUNGS,
    "train.evaluate_every_steps": _RUNGS,
}
"""Sections and settings that a search cannot move, and why."""


def why_not_searched(setting: str) -> str:
    """Return why a setting cannot be searched, "" where it can."""
    return NOT_SEARCHED.get(setting) or NOT_SEARCHED.get(setting.partition(".")[0], "")


def space_of(recipe: Recipe) -> Space:
    """Return the space of `[tune]`, each name a setting that exists and takes all its values; raises `RecipeError`."""
    if not recipe.tune.space:
        raise recipe.problem(
            "tune.space",
            "[tune.space] is empty: there is nothing to search; write 'optimizer.lr' = { log_uniform = [1e-5, 1e-1] }",
        )
    space, problems = {}, []

    def tell(name: str, text: str) -> None:
        problems.extend(recipe.problem(f"tune.space.{name}" if name else "tune.space", text).problems)

    for name, plain in recipe.tune.space.items():
        key = name.partition(".")[2]
        why = why_not_searched(name)
        if isinstance(plain, Mapping) and not key and not any(isinstance(value, list) for value in plain.values()):
            inner = next(iter(plain), "lr")
            tell(name, f"'{name}' is a table of its own; put the name in quotes, \"{name}.{inner}\" = {{ ... }}")
        elif why or not key:
            tell(name, f"'{name}' cannot be searched: {why or 'name a setting with its section, such as optimizer.lr'}")
        else:
            try:
                space[name] = from_toml(name, plain)
            except UsageError as problem:
                tell(name, "; ".join(filter(None, (problem.what, problem.evidence, problem.remedy))))
    if not problems:
        try:
            space = checked(space)
            for name, text in misfits(recipe, space, {name: name for name in space}, toml=True):
                tell(name, text)
        except UsageError as problem:
            tell("", "; ".join(filter(None, (problem.what, problem.evidence, problem.remedy))))
    if problems:
        raise RecipeError(problems, source=recipe.path or "the recipe")
    return space


def check_given(recipe: Recipe, space: Space, homes: Mapping[str, str], *, own_loss: bool) -> None:
    """Raise `UsageError` where a name of the space is a setting that a search of a factory's models cannot move, the
    same as another, or cannot have one of its values. `homes` are the settings by the names of the space.
    """
    named: dict[str, str] = {}
    for name, setting in homes.items():
        why = why_not_searched(setting)
        if setting.startswith("model."):
            why = "the model is the factory's; give the factory an argument, and name that"
        if setting.startswith("loss.") and own_loss:
            why = "the loss was given as a function; pass it by its name, with its settings"
        if why:
            reason, _, remedy = why.partition("; ")
            raise UsageError(f"'{name}' cannot be searched", evidence=reason, remedy=remedy)
        if setting and setting in named:
            raise UsageError(
                "the space has the same setting twice",
                evidence=f"'{named[setting]}' and '{name}' are both {setting}",
                remedy="leave one of them out",
            )
        named[setting] = name
    for name, text in misfits(recipe, space, homes, toml=False):
        what, _, remedy = text.partition("; ")
        raise UsageError(what, evidence=f"'{name}' of the space", remedy=remedy)


def misfits(recipe: Recipe, space: Space, homes: Mapping[str, str], *, toml: bool) -> Iterator[tuple[str, str]]:
    """Yield each name of which some value is none that a run can have, and what is wrong with it, with the remedy."""
    searched = {setting: name for name, setting in homes.items() if setting}
    if recipe.optimizer.options.get("lr") == FIND and "optimizer.lr" in searched:
        yield searched["optimizer.lr"], "the rate is to be found and to be searched; leave out one of the two"
        return
    told = False
    for name, axis in space.items():
        section, _, key = homes[name].partition(".")
        if FIND in axis.choices and homes[name] == "optimizer.lr":
            yield name, "a rate that is searched cannot be found; name rates alone, or set lr = 'find' and leave it out"
            return
        if section not in CATALOGUES or key in ("", "name"):
            continue
        for value, home in _without(recipe, section, key, axis, space, searched):
            known = [one for one in CATALOGUES[section].catalogue if _has(section, one, key)]
            if not known:  # no entry at all has it: what the recipe says of it below has the nearest name
                continue
            fitting = [one for one in space[home].choices if one in known] or known[:3]
            when = f'when = {{ "{home}" = {fitting} }}'.replace("'", '"') if toml else f"when=({home!r}, {fitting!r})"
            told = True
            added = "" if fitting[0] in space[home].choices else f"add {' or '.join(map(repr, fitting))} to it, and "
            yield name, f"'{value}' of {home} has no {key}, which is searched with it too; {added}write {when}"
            break
    if told:
        return
    for name, units in _corners(space):
        changes = {homes[one]: value for one, value in configuration(space, units).items() if homes[one]}
        try:
            recipe.changed(changes)
        except RecipeError as problem:
            text = str(problem.problems[0])
            named = next((one for one, setting in homes.items() if setting and _speaks_of(text, setting)), name)
            yield named, text if ";" in text else f"{text}; take what it cannot be out of the space"
            return


def _speaks_of(text: str, setting: str) -> bool:
    """Say whether a problem of a recipe is of this setting: "optimizer.lr ...", "optimizer 'sgd' has no key 'lr'"."""
    section, _, key = setting.partition(".")
    return text.startswith(f"{setting} ") or (text.startswith(f"{section} ") and f"has no key '{key}'" in text)


def _without(
    recipe: Recipe, section: str, key: str, axis: Axis, space: Space, searched: Mapping[str, str]
) -> Iterator[tuple[Scalar, str]]:
    """Yield each entry that a section's name is searched over, together with an option of which it knows nothing."""
    home = searched.get(f"{section}.name", "")
    if home:
        allowed = axis.when_in if axis.when == home else space[home].choices
        yield from ((value, home) for value in allowed if not _has(section, str(value), key))


def _has(section: str, name: str, key: str) -> bool:
    room = CATALOGUES[section]
    return name not in room.catalogue or key in room.options(name) or key == "rates"


def _corners(space: Space) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield places at which every end of every range and every value of every choice comes up once."""
    for name, axis in space.items():
        count = len(axis.choices) if axis.scale == "choice" else 2
        for place in range(count):
            unit = (place + 0.5) / count if axis.scale == "choice" else float(place)
            units = {**dict.fromkeys(space, 0.5), name: unit}
            other, wanted = axis.when, axis.when_in[0] if axis.when_in else None
            while other:  # or the axis would not apply
                units[other] = (space[other].choices.index(wanted) + 0.5) / len(space[other].choices)
                other, wanted = space[other].when, space[other].when_in[0] if space[other].when_in else None
            yield name, units
