"""The course of finishing: networks into a pool, methods measured, one chosen, and looked at on test once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from trainwright.data.feed import Feed
from trainwright.ensembles import methods as ways
from trainwright.ensembles.calibration import threshold_of
from trainwright.ensembles.combine import scaled
from trainwright.ensembles.ensemble import Ensemble
from trainwright.ensembles.gains import Judgement, judge, on_test
from trainwright.ensembles.measures import reliability
from trainwright.ensembles.network import Network, alike
from trainwright.ensembles.pool import Pool, pool_of
from trainwright.ensembles.predictor import Predictor, predictor
from trainwright.parts.outputs import Form
from trainwright.records.ensemble import Averaging, EnsembleInfo, Gains, MemberFacts

_TIMED = 256  # samples that the predictor is timed on


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is wanted of a course. `costs` are those of a false alarm and of a miss, None for no threshold."""

    average: Averaging = "probabilities"
    calibrate: bool = True
    costs: tuple[float, float] | None = None
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Extra:
    """Networks beside the members, and the method that they are: averaged weights, snapshots, a distilled network.

    Several networks are averaged. `note` says what a reader should know, `method` is the row's name. Those of a
    `library` may be taken by greedy selection too.
    """

    method: str
    networks: tuple[Network, ...]
    note: str = ""
    library: bool = False


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a course begins with. `members` were each trained like any other; `test` is looked at once, at the end."""

    name: str
    members: tuple[Network, ...]
    form: Form
    validation: Feed
    test: Feed | None = None
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


Further = Callable[[Pool, Judgement], Sequence[Extra]]
"""What needs the judgement of the members: a network that is taught by what was chosen."""


def finish(material: Material, asked: Asked, extras: Sequence[Extra] = (), further: Further | None = None) -> Ensemble:
    """Measure every method on the validation data, choose, and return the final model with its table.

    Raises what `alike` and `pool_of` raise where the networks do not go together or the data not with them.
    """
    x, _ = material.validation.take(_TIMED)
    networks = [*material.members, *(network for extra in extras for network in extra.networks)]
    pool = pool_of(alike(networks, x), material.validation, material.form, asked.average)
    members = range(len(material.members))
    judgement = _judged(pool, members, extras, asked)
    more = list(further(pool, judgement)) if further is not None else []
    if more:
        extras = [*extras, *more]
        networks = [*networks, *(network for extra in more for network in extra.networks)]
        added = pool_of(alike([pool.networks[0], *networks[len(pool.networks) :]], x)[1:], material.validation,
                        material.form, asked.average)  # fmt: skip
        pool = pool.plus(added)
        judgement = _judged(pool, members, extras, asked)
    return _finished(material, asked, pool, judgement, x)


def _judged(pool: Pool, members: Sequence[int], extras: Sequence[Extra], asked: Asked) -> Judgement:
    calibrate = asked.calibrate and pool.has_classes
    return judge(pool, members, _methods(members, extras, calibrate), calibrate=calibrate, seed=asked.seed)


def _methods(members: Sequence[int], extras: Sequence[Extra], calibrate: bool) -> list[ways.Method]:
    found = [ways.single_best(members, calibrate=calibrate)]
    count = len(members)
    library = list(members)
    place = count
    others: list[ways.Method] = []
    for extra in extras:
        own = range(place, place + len(extra.networks))
        place += len(own)
        library += own if extra.library else []
        if len(own) == 1:
            others.append(ways.only(extra.method, own[0], extra.note))
        else:
            others.append(ways.mean_of(extra.method, own, extra.note))
    if count > 1:
        found.append(ways.mean_of(f"ensemble of {count}", members))
    if len(library) > 1:
        told = f"greedy ensemble of {len(library)}" if len(library) > count else "greedy ensemble"
        found.append(ways.greedy_of(told, library, calibrate=calibrate))
    return [*found, *others]


def _finished(material: Material, asked: Asked, pool: Pool, judgement: Judgement, x: torch.Tensor) -> Ensemble:
    used = [place for place, share in enumerate(judgement.shares.tolist()) if share > 0]
    networks = [pool.networks[place] for place in used]
    shares = judgement.shares[used]
    gains = judgement.gains
    noise = None if pool.has_classes else pool.noise(judgement.shares)
    if material.test is not None:
        # Nobody else is looked at on test: what is not seen there cannot be chosen by it.
        seen = ((judgement.shares > 0) | (judgement.single_shares > 0)).nonzero().squeeze(1).tolist()
        some = replace(judgement, shares=judgement.shares[seen], single_shares=judgement.single_shares[seen])
        test = pool_of([pool.networks[place] for place in seen], material.test, material.form, asked.average)
        gains = on_test(some, test, noise, seed=asked.seed)
    compute: Predictor | None = predictor(networks, x) if len(networks) > 1 else None
    if compute is not None:
        gains = _timed(gains, compute)
    facts = tuple(
        MemberFacts(name=network.name, share=share, steps=network.steps, folder=network.folder)
        for network, share in zip(networks, shares.tolist(), strict=True)
    )
    info = EnsembleInfo(
        name=material.name,
        task=material.form.task,
        average=asked.average,
        members=facts,
        gains=gains,
        temperature=judgement.temperature,
        noise=() if noise is None else tuple(noise.tolist()),
        classes=material.classes,
        lane="loop" if compute is None else compute.lane,
        notes=(*material.notes, *judgement.notes, *_told(compute)),
        **_calibration(pool, judgement, asked),
    )
    return Ensemble(networks, shares, material.form, info, predictor=compute)


def _timed(gains: Gains, compute: Predictor) -> Gains:
    """Return the table with the time of what is kept, as it is computed: perhaps as one program."""
    seconds = compute.stacked_seconds if compute.lane == "stacked" else compute.loop_seconds
    rows = [
        replace(row, cost=replace(row.cost, seconds=1000 * (seconds or row.cost.seconds / 1000)))
        if row.method == gains.chosen
        else row
        for row in gains.rows
    ]
    return replace(gains, rows=tuple(rows))


def _told(compute: Predictor | None) -> tuple[str, ...]:
    if compute is None:
        return ()
    way = "as one program" if compute.lane == "stacked" else "one after the other"
    return (f"the members are computed {way}: {compute.reason}",)


def _calibration(pool: Pool, judgement: Judgement, asked: Asked) -> dict[str, Any]:
    if not pool.has_classes:
        return {}
    plain = pool.predicted(judgement.shares)
    cooled = scaled(plain, judgement.temperature)
    found: dict[str, Any] = {"bins": reliability(cooled, pool.truth)}
    if judgement.temperature is not None:
        found["bins_before"] = reliability(plain, pool.truth)
    if asked.costs is not None:
        found["threshold"] = threshold_of(cooled, pool.truth, asked.costs)
    return found
