"""The verb finish: trained runs to one final model, with what gained and what lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from torch import nn

from trainwright.data.feed import Feed
from trainwright.doctor.kinds import find_kind
from trainwright.ensembles.calibration import check_costs, not_two
from trainwright.ensembles.course import Asked, Extra, Further, Material
from trainwright.ensembles.course import finish as measured
from trainwright.ensembles.ensemble import Ensemble
from trainwright.ensembles.gains import TEMPERATURE
from trainwright.ensembles.network import Network
from trainwright.ensembles.pool import pool_of
from trainwright.errors import UsageError, did_you_mean
from trainwright.records import Evidence, Finding, Remedy
from trainwright.records.ensemble import Averaging
from trainwright.runs import durable
from trainwright.runs.layout import RECIPE
from trainwright.runs.reader import read_run
from trainwright.runs.writer import check_free
from trainwright.stages.finish_material import feed_of, material_of, split_of
from trainwright.stages.finish_overlap import check_apart
from trainwright.stages.finish_sources import Found, found_of, is_study, run_of
from trainwright.stages.finish_study import of_study, rung_of
from trainwright.stages.finish_training import Bench, Say, soup_extras
from trainwright.stages.finish_workshop import Workshop, of_given, of_recipe
from trainwright.stages.finished import write_finished
from trainwright.stages.recipe import Recipe
from trainwright.stages.sections import MOST_TRAINED
from trainwright.stages.tune import Study

SEEDS = 5
METHODS = ("seeds", "snapshots", "ema", "polyak", "swa", "soup", "distil")
"""What can be trained or built beside what is given; ensembles, greedy selection and temperatures cost no training."""
Method = Literal["seeds", "snapshots", "ema", "polyak", "swa", "soup", "distil"]


def finish(
    study_or_runs: Any,
    validation: Any = None,
    *,
    test: Any = None,
    train: Any = None,
    methods: Sequence[Method] | None = None,
    average: Averaging = "probabilities",
    seeds: int = SEEDS,
    cycles: int = 5,
    calibrate: bool = True,
    costs: tuple[float, float] | None = None,
    shared_start: bool = False,
    model: Callable[[], nn.Module] | None = None,
    loss: Any = None,
    folder: str | Path | None = None,
    data_root: str | None = None,
    seed: int = 0,
    say: Say | None = None,
    **settings: Any,
) -> Ensemble:
    """Make one final model of trained runs, and say what gained and what lost.

    `study_or_runs` is a `Study`, a `Run`, the folder of either, or a list of runs or folders. `validation` is what
    `fit` takes, a pair `(x, y)` or an iterable of pairs; of a study and of runs that came from a recipe it may be left
    out, as may `test`. Everything is fitted and chosen on validation; `test` is looked at once, by what was chosen and
    by the best single run. `average` says what of the members is averaged. With `calibrate`, methods are compared after
    one temperature each: an average that is chosen keeps its own, a single network has one where it gains. `costs`, of
    a false alarm and of a miss, ask for a threshold between two classes. With `folder` the final model is kept there,
    for `tw.load`, `predict`, `export` and `report`.

    `methods` names what is trained or built beside what is given: "seeds" (members up to `seeds` in all, as one array;
    what a study does where nothing is named), "snapshots" (one training of `cycles` cycles), "ema", "polyak", "swa",
    "soup" (of snapshots, and of the members where they began from the same weights: all by one `model.start`, or as
    `shared_start` says, which lets the further members of a recipe begin as the first run did), "distil".
    For runs of `fit` these need `model`, which makes a new network, and `train`; `loss` and `settings` are those of
    `fit`, by default what the first run had. `model` also makes the network of folders whose run was given in Python.
    `say` is told what goes on.

    Raises `UsageError` where there is nothing to finish or to judge by, `RunError` for a run that cannot be read,
    `DataError` and `ModelError` for runs that do not go together.
    """
    searched = isinstance(study_or_runs, Study)
    wanted = tuple(methods) if methods is not None else ("seeds",) if searched else ()
    _check(wanted, average, seeds, cycles, costs)
    target = Path(folder) if folder is not None else None
    if target is not None:
        check_free(target)
        durable.check_writable(target)  # before hours of training, not after them
    shop: Workshop | None = None
    if isinstance(study_or_runs, Study):
        found, shop, splits = of_study(study_or_runs)
        validation = splits.get("validation") if validation is None else validation
        test = splits.get("test") if test is None else test
    else:
        found = found_of(study_or_runs, model, data_root)
        searched = found.study is not None
        wanted = ("seeds",) if methods is None and searched else wanted
        if (wanted or searched) and found.recipe is not None:
            shop = of_recipe(found, data_root)
            found = replace(found, extras=rung_of(found.study, shop.enter, found.recipe))
        elif set(wanted) - {"soup"}:
            material_of(found, validation, test)  # what cannot be judged is told before anything is built
            shop = of_given(found, model, train, validation, loss=loss, settings=settings)
    if costs is not None and found.dataset is not None and len(found.dataset.classes) != 2:
        raise not_two(len(found.dataset.classes))
    asked = Asked(average=average, calibrate=calibrate, costs=costs, seed=seed)
    plan = _Plan(methods=wanted, seeds=seeds, cycles=cycles, shared_start=shared_start, say=say or (lambda text: None))
    feed = shop.train if shop is not None else None if train is None else feed_of(train, found.networks[0], "training")
    made = _carried_out(found, shop, feed, (validation, test), asked, plan)
    made.findings = findings_of(made)
    if target is not None:
        check_free(target)
        write_finished(target, made, found.info, found.facts, found.versions)
        made.folder = target
    return made


def finish_folders(
    folders: Sequence[Path],
    changes: Mapping[str, Any] | None = None,
    *,
    folder: Path | None,
    costs: tuple[float, float] | None = None,
    data_root: str | None = None,
    say: Say | None = None,
) -> Ensemble:
    """Finish stored runs as `[finish]` of the first one's recipe says, `changes` (`{"finish.members": 5}`) over it.

    The folder of a study stands for that of its final run, and for the trials of its last rung. Raises what `finish`
    raises, and `RecipeError` for changes that are none.
    """
    first = run_of(folders[0])
    given = Recipe.read(first / RECIPE) if "[data]" in read_run(first).recipe else Recipe.of()
    section = given.changed(changes or {}).finish
    of_search = is_study(folders[0]) and not section.methods
    return finish(
        list(folders),
        methods=None if of_search else section.methods,  # type: ignore[arg-type]
        average=section.combine,
        seeds=section.members or (SEEDS if of_search else 1),
        cycles=max(section.snapshots, 1),
        calibrate=section.calibrate != "off",
        shared_start=section.shared_start,
        costs=costs,
        folder=folder,
        data_root=data_root,
        say=say,
    )


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What is to be trained or built, and who is told."""

    methods: Sequence[str]
    seeds: int
    cycles: int
    shared_start: bool
    say: Say


def _carried_out(
    found: Found, shop: Workshop | None, train: Feed | None, data: tuple[Any, Any], asked: Asked, plan: _Plan
) -> Ensemble:
    """Train what is asked for, and measure all of it together. `data` are the validation and the test data."""
    networks = list(found.networks)
    like = networks[0] if networks else Network(name="", model=nn.Identity())
    bench = Bench(shop, asked.seed, like, plan.say) if shop is not None else None
    # Told before anything is trained, as far as there is a network that the data can be read for.
    told_apart = _apart(found, material_of(found, *data), data, train) if networks else None
    if bench is not None and "seeds" in plan.methods and len(networks) < plan.seeds:
        networks += bench.members(plan.seeds - len(networks), shared_start=plan.shared_start)
    material = material_of(found, *data, networks=networks)
    told_apart = _apart(found, material, data, train) if told_apart is None else told_apart
    extras = list(found.extras)
    snapshots: list[Extra] = []
    if bench is not None and "snapshots" in plan.methods:
        snapshots = bench.snapshots(plan.cycles)
        extras += snapshots
    if bench is not None:
        extras += bench.averages([name for name in plan.methods if name in ("ema", "polyak", "swa")])
    notes: list[str] = []
    if "soup" in plan.methods:
        made, notes = _soups(
            networks, snapshots, train, plan, lambda some: pool_of(some, material.validation, found.form)
        )
        extras += made
    further: Further | None = None
    if bench is not None and "distil" in plan.methods:
        further = lambda pool, judgement: bench.distilled(pool, judgement, asked)  # noqa: E731
    ensemble = measured(material, asked, extras, further)
    told = (*(bench.notes if bench is not None else ()), *notes, *told_apart)
    return ensemble.with_notes(told)


def _apart(found: Found, material: Material, data: tuple[Any, Any], train: Feed | None) -> list[str]:
    """Return what is to be said of data that share samples; those that a recipe divided itself are apart.

    Raises `UsageError` where what judges is drawn from what was fitted.
    """
    if found.dataset is not None and data == (None, None):
        return []
    if train is None:
        train = found.train if found.dataset is None else split_of(found, "train")
    return check_apart({"test": material.test, "validation": material.validation, "training": train})


def _soups(
    networks: Sequence[Network], snapshots: Sequence[Extra], train: Feed | None, plan: _Plan, judge: Any
) -> tuple[list[Extra], list[str]]:
    """Return the soups that are legal, and what is to be told: members of different starts make none."""
    if train is None:
        return [], ["no soup: its statistics of batch normalisation need training data; pass train="]
    extras, notes = [], []
    shared_start = plan.shared_start or _start_of(networks) != ""
    if shared_start:
        plan.say("looking for hills between the members")
        made, told = soup_extras(networks, judge, train)
        extras, notes = [*extras, *made], [*notes, *told]
    elif len(networks) > 1:
        notes.append("no soup of the members: nothing says that they began from the same weights (shared_start)")
    if not snapshots and not shared_start and len(networks) == 1:
        notes.append("no soup: there is a single network, and no snapshots were asked for")
    for extra in snapshots:
        made, told = soup_extras(extra.networks, judge, train, " of snapshots")
        extras, notes = [*extras, *made], [*notes, *told]
    return extras, notes


def _start_of(networks: Sequence[Network]) -> str:
    """Return the weights that all networks began from by their recipes, "" where one did not, or nobody knows."""
    starts = {str(network.recipe.get("model", {}).get("start") or "") for network in networks}
    return starts.pop() if len(networks) > 1 and len(starts) == 1 else ""


def _check(methods: Sequence[str], average: str, seeds: int, cycles: int, costs: tuple[float, float] | None) -> None:
    if costs is not None:
        check_costs(costs)
    for name in methods:
        if name not in METHODS:
            raise UsageError(f"finish knows no method '{name}'", remedy=did_you_mean(name, METHODS))
    if average not in ("probabilities", "logits"):
        raise UsageError(f"average cannot be {average!r}", remedy="use 'probabilities' or 'logits'")
    for name, count in (("seeds", seeds), ("cycles", cycles)):
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MOST_TRAINED:
            raise UsageError(
                f"{name} must be a whole number from 1 to {MOST_TRAINED}",
                evidence=f"it is {count!r}",
                remedy="five are usual: by then most of what an ensemble gains is there",
            )


def findings_of(ensemble: Ensemble) -> list[Finding]:
    """Return what is wrong with the members: probabilities too sure of themselves, as a temperature proves."""
    row = next((row for row in ensemble.gains.rows if row.method == TEMPERATURE), None)
    if row is None or row.verdict != "gained" or (ensemble.info.temperature or 0.0) <= 1:
        return []
    before = ensemble.gains.row(ensemble.gains.baseline).scores
    evidence = [Evidence(name="temperature", value=ensemble.info.temperature or 1.0, threshold=1.0)]
    if before.ece is not None:
        evidence.append(Evidence(name="expected calibration error", value=before.ece))
    remedy = Remedy(text="divide the log-probabilities by the temperature, as the finished model does")
    return [find_kind("overconfident").finding(evidence=tuple(evidence), remedies=(remedy,))]
