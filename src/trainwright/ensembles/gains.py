"""What gained and what lost: every method measured on samples that it was not fitted on, beside the best single one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from trainwright.ensembles.bootstrap import Bootstrap
from trainwright.ensembles.chance import chance_notes
from trainwright.ensembles.combine import scaled
from trainwright.ensembles.mean_member import mean_member, over_mean
from trainwright.ensembles.measures import log_likelihoods, squared_errors
from trainwright.ensembles.methods import SINGLE, Method
from trainwright.ensembles.out_of_fold import Tried, tried
from trainwright.ensembles.pool import Pool
from trainwright.randomness import permutation
from trainwright.records.ensemble import Gain, Gains, MethodRow, Verdict

FOLDS = 5
"""Parts of the validation data: four fifths fit nearly what all of it would, and every sample is judged by."""
FEWEST = 50
"""Samples below which the parts would be too small to fit on: all are then fitted and judged on, and it says so."""
TEMPERATURE = "temperature"
_OF_ITSELF = "its gain is over the single best as it is, without a temperature"


@dataclass(frozen=True, kw_only=True, eq=False)
class Judgement:
    """The table, and what was chosen: its shares in the pool, and its temperature.

    An average has the temperature that it was compared with; the best single network one where that alone gained.
    `single_temperature` is what the single one is compared with.
    """

    gains: Gains
    shares: torch.Tensor
    temperature: float | None
    single_shares: torch.Tensor
    single_temperature: float | None
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
        rows.append(_row(single, gain, None, _verdict(gain), name=TEMPERATURE, note=_OF_ITSELF))
    if len(members) > 1:
        rows.append(mean_member(pool, members, calibrate=calibrate, folds=folds))
    for one, gain, plain, accuracy in zip(others, found, raw, hits, strict=True):
        note = one.method.note
        if not gain.is_beyond_noise and plain.is_beyond_noise and calibrate:
            note = _joined(note, "what it gains is calibration, which a temperature gives the single network too")
        if accuracy is not None and accuracy.high < 0:
            note = _joined(note, "its accuracy is lower")
        if one.cost.networks > 1 and len(members) > 1:
            note = _joined(note, over_mean(one.compared, rows))
        rows.append(_row(one, gain, accuracy, _verdict(gain), note=note))
    chosen = _chosen(bootstrap, every, found, pool)
    temperature, name = chosen.temperature, chosen.method.name
    if chosen is single and temperature is not None:
        cools = _compared(bootstrap, single.raw, [single.cool], pool)[0].is_beyond_noise
        temperature, name = (temperature, TEMPERATURE) if cools else (None, name)
    gains = Gains(
        rows=tuple(rows),
        criterion="nll" if pool.has_classes else "rmse",
        baseline=SINGLE,
        chosen=name,
        folds=int(folds.max()) + 1,
        validation_samples=samples,
    )
    notes = chance_notes(pool, list(members)) if len(members) > 1 else []
    if gains.folds == 1:
        notes.append(
            f"{samples} validation samples are too few to divide: each method is measured on what it was fitted on"
        )
    return Judgement(
        gains=gains,
        shares=chosen.shares,
        temperature=temperature,
        single_shares=single.shares,
        single_temperature=single.temperature,
        notes=tuple(notes),
    )


def on_test(judgement: Judgement, pool: Pool, noise: torch.Tensor | None = None, *, seed: int = 0) -> Gains:
    """Return the table with the test scores of the best single network and of what was chosen, looked at once.

    `pool` holds the answers of the same networks to the test split; `noise` is of what was chosen. Like on validation,
    an average is compared with the single network after a temperature of its own each, both fitted on validation; the
    temperature itself is compared with the single network as it is.
    """
    gains = judgement.gains
    shares, temperature = judgement.shares, judgement.temperature
    alone, alone_at = judgement.single_shares, judgement.single_temperature
    gain = None
    if gains.chosen != gains.baseline:
        one = _losses(pool, alone, None if gains.chosen == TEMPERATURE else alone_at)
        gain = _compared(Bootstrap(pool.truth.samples, seed), one, [_losses(pool, shares, temperature)], pool)[0]
    rows = []
    for row in gains.rows:
        if row.method == gains.chosen and row.method != gains.baseline:
            scaled_too = None if temperature is None else pool.scores(shares, temperature=temperature)
            row = replace(row, test=pool.scores(shares, noise=noise), test_scaled=scaled_too, test_gain=gain)
        elif row.method == gains.baseline:
            scaled_too = None if alone_at is None else pool.scores(alone, temperature=alone_at)
            row = replace(row, test=pool.scores(alone), test_scaled=scaled_too)
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
) -> MethodRow:
    return MethodRow(
        method=name or one.method.name,
        cost=one.cost,
        scores=one.scores,
        scaled=one.cooled,
        gain=gain,
        accuracy_gain=accuracy,
        verdict=verdict,
        note=note,
    )


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
