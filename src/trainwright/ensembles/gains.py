"""What gained and what lost: every method measured on samples that it was not fitted on, beside the best single one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from trainwright.ensembles.bootstrap import Bootstrap
from trainwright.ensembles.combine import scaled
from trainwright.ensembles.measures import log_likelihoods, squared_errors
from trainwright.ensembles.methods import SINGLE, Method
from trainwright.ensembles.out_of_fold import Tried, tried
from trainwright.ensembles.pool import Pool
from trainwright.randomness import permutation
from trainwright.records.ensemble import Cost, Gain, Gains, MethodRow, Scores, Verdict

FOLDS = 5
"""Parts of the validation data: four fifths fit nearly what all of it would, and every sample is judged by."""
FEWEST = 50
"""Samples below which the parts would be too small to fit on: all are then fitted and judged on, and it says so."""
TEMPERATURE = "temperature"
MEAN_MEMBER = "mean member"


@dataclass(frozen=True, kw_only=True, eq=False)
class Judgement:
    """The table, and what was chosen: its shares in the pool, and its temperature where that gained too."""

    gains: Gains
    shares: torch.Tensor
    temperature: float | None
    single_shares: torch.Tensor
    notes: tuple[str, ...]


def judge(
    pool: Pool, members: Sequence[int], methods: Sequence[Method], *, calibrate: bool, seed: int = 0
) -> Judgement:
    """Measure `methods`, of which the first is the best single network, and choose.

    `members` are the places of the networks that the mean member is the mean of. A method is compared with the best
    single network on equal terms: where temperatures are fitted, both have one. Of the methods that gain beyond noise
    the cheapest is taken, and a dearer one only where it gains over that beyond noise as well.
    """
    samples = pool.truth.samples
    folds = permutation(seed, 0, samples) % FOLDS if samples >= FEWEST else torch.zeros(samples, dtype=torch.long)
    bootstrap = Bootstrap(samples, seed)
    every = [tried(pool, method, calibrate=calibrate, folds=folds) for method in methods]
    single, others = every[0], every[1:]
    found = _compared(bootstrap, single.cool, [one.cool for one in others], pool)
    raw = _compared(bootstrap, single.raw, [one.raw for one in others], pool)
    hits = _hits(bootstrap, single, others, pool)
    rows = [_baseline(single)]
    if single.cooled is not None:
        gain = _compared(bootstrap, single.raw, [single.cool], pool)[0]
        rows.append(_row(single, gain, None, _verdict(gain), name=TEMPERATURE, scores=single.cooled))
    if len(members) > 1:
        rows.append(_mean_member(pool, members))
    for one, gain, plain, accuracy in zip(others, found, raw, hits, strict=True):
        note = one.method.note
        if not gain.is_beyond_noise and plain.is_beyond_noise and calibrate:
            note = _joined(note, "what it gains is calibration, which a temperature gives the single network too")
        if accuracy is not None and accuracy.high < 0:
            note = _joined(note, "its accuracy is lower")
        rows.append(_row(one, gain, accuracy, _verdict(gain), note=note))
    chosen = _chosen(bootstrap, every, found, pool)
    temperature, cools = None, False
    if chosen.temperature is not None:
        cools = _compared(bootstrap, chosen.raw, [chosen.cool], pool)[0].is_beyond_noise
        temperature = chosen.temperature if cools else None
    name = chosen.method.name
    if chosen is single and cools:
        name = TEMPERATURE
    gains = Gains(
        rows=tuple(rows),
        criterion="nll" if pool.has_classes else "rmse",
        baseline=SINGLE,
        chosen=name,
        folds=int(folds.max()) + 1,
        validation_samples=samples,
    )
    notes = []
    if gains.folds == 1:
        notes.append(
            f"{samples} validation samples are too few to divide: each method is measured on what it was fitted on"
        )
    return Judgement(
        gains=gains, shares=chosen.shares, temperature=temperature, single_shares=single.shares, notes=tuple(notes)
    )


def on_test(judgement: Judgement, pool: Pool, noise: torch.Tensor | None = None, *, seed: int = 0) -> Gains:
    """Return the table with the test scores of the best single network and of what was chosen, looked at once.

    `pool` holds the answers of the same networks to the test split; `noise` is of what was chosen.
    """
    gains = judgement.gains
    alone = pool.scores(judgement.single_shares)
    whole = pool.scores(judgement.shares, temperature=judgement.temperature, noise=noise)
    gain = None
    if gains.chosen != gains.baseline:
        one, two = _losses(pool, judgement.single_shares, None), _losses(pool, judgement.shares, judgement.temperature)
        gain = _compared(Bootstrap(pool.truth.samples, seed), one, [two], pool)[0]
    rows = []
    for row in gains.rows:
        if row.method == gains.chosen:
            row = replace(row, test=whole, test_gain=gain)
        elif row.method == gains.baseline:
            row = replace(row, test=alone)
        rows.append(row)
    return replace(gains, rows=tuple(rows), test_samples=pool.truth.samples)


def _losses(pool: Pool, shares: torch.Tensor, temperature: float | None) -> torch.Tensor:
    predicted = pool.predicted(shares)
    if not pool.has_classes:
        return squared_errors(predicted, pool.truth)
    return -log_likelihoods(scaled(predicted, temperature), pool.truth)


def _chosen(bootstrap: Bootstrap, every: Sequence[Tried], gains: Sequence[Gain], pool: Pool) -> Tried:
    current = every[0]
    gained = [one for one, gain in zip(every[1:], gains, strict=True) if gain.is_beyond_noise]
    for one in sorted(gained, key=lambda one: (one.cost.networks, one.judged)):
        if current is every[0] or _compared(bootstrap, current.cool, [one.cool], pool)[0].is_beyond_noise:
            current = one
    return current


def _compared(bootstrap: Bootstrap, base: torch.Tensor, others: Sequence[torch.Tensor], pool: Pool) -> list[Gain]:
    if not others:
        return []
    # A probability of zero for what happened is an infinite loss; differences of such are none.
    losses = torch.stack([base, *others], 1)
    losses = losses.clamp(max=_MOST_LOSS) if pool.has_classes else losses
    return bootstrap.gains(losses[:, 0], losses[:, 1:], pool.truth, root=not pool.has_classes)


_MOST_LOSS = 1e6


def _hits(bootstrap: Bootstrap, single: Tried, others: Sequence[Tried], pool: Pool) -> list[Gain | None]:
    if not pool.has_classes or not others:
        return [None] * len(others)
    return list(bootstrap.gains(1 - single.hits, torch.stack([1 - one.hits for one in others], 1), pool.truth))


def _verdict(gain: Gain) -> Verdict:
    return "gained" if gain.is_beyond_noise else "lost"


def _baseline(single: Tried) -> MethodRow:
    return MethodRow(
        method=SINGLE, cost=single.cost, scores=single.scores, scaled=single.cooled, verdict="baseline",
        note=single.method.note,
    )  # fmt: skip


def _row(
    one: Tried,
    gain: Gain,
    accuracy: Gain | None,
    verdict: Verdict,
    *,
    name: str = "",
    note: str = "",
    scores: Scores | None = None,
) -> MethodRow:
    return MethodRow(
        method=name or one.method.name,
        cost=one.cost,
        scores=scores or one.scores,
        scaled=one.cooled,
        gain=gain,
        accuracy_gain=accuracy,
        verdict=verdict,
        note=note,
    )


def _mean_member(pool: Pool, members: Sequence[int]) -> MethodRow:
    """Return the mean over the members, as they are: nothing is fitted."""
    shares = torch.eye(len(pool.networks), dtype=torch.float64)
    each = [pool.scores(shares[place]) for place in members]
    costs = [pool.cost(shares[place]) for place in members]
    steps = [cost.training_steps for cost in costs if cost.training_steps is not None]
    return MethodRow(
        method=MEAN_MEMBER,
        cost=Cost(
            networks=1,
            training_steps=round(sum(steps) / len(steps)) if steps else None,
            seconds=sum(cost.seconds for cost in costs) / len(costs),
            size=round(sum(cost.size for cost in costs) / len(costs)),
        ),
        scores=Scores(
            samples=pool.truth.samples,
            accuracy=_mean([one.accuracy for one in each]),
            nll=_mean([one.nll for one in each]),
            ece=_mean([one.ece for one in each]),
            brier=_mean([one.brier for one in each]),
            rmse=_mean([one.rmse for one in each]),
        ),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
