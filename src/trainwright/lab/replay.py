"""A real search played again, trial by trial: where it looked, what it found, and what its order was worth."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path

from trainwright.errors import RunError
from trainwright.lab.controls import fact, line
from trainwright.lab.framing import plot
from trainwright.lab.schema import Axis, Marker, Plot, Result, Series, Span, Table, Verdict
from trainwright.records import Axis as SearchAxis
from trainwright.records import Trial
from trainwright.records.study import StudyInfo
from trainwright.search.importance import importance
from trainwright.search.study import read_study

WIDE = 5.0
"""Times the median from which a score has run away, and the axis is logarithmic."""
FEWEST = 3
"""Scored trials below which there is nothing to play."""


def replay_of(folder: str) -> Result:
    """Return the search in `folder` as it went. Raises `RunError` where there is none, or it has hardly begun."""
    info = read_study(Path(folder))
    trials = [trial for trial in info.trials if trial.score is not None and math.isfinite(trial.score)]
    names = _names(info, trials)
    if len(trials) < FEWEST or not names:
        raise RunError(
            "there is nothing to play yet",
            evidence=f"{len(trials)} trials with a score, and {len(names)} settings that are numbers",
            remedy="wait until the search has scored more trials",
        )
    scores = [float(trial.score or 0.0) for trial in trials]
    best = trials[scores.index(min(scores))]
    so_far = [min(scores[: place + 1]) for place in range(len(scores))]
    shuffled = expected_best(scores)
    order = tuple(float(place + 1) for place in range(len(scores)))
    found = next(place for place, score in enumerate(so_far) if score == so_far[-1])
    distinct = {name: len({trial.values[name] for trial in trials if name in trial.values}) for name in names}
    text = (
        f"{Path(folder).name}: {len(trials)} trials in {len(info.rounds)} round{'s' * (len(info.rounds) != 1)}, "
        f"{distinct[names[0]]} different values of {names[0]}; the best score, {min(scores):.4g}, came at trial "
        f"{found + 1}"
    )
    return Result(
        verdict=Verdict(sign="note", text=text),
        plots=(
            *(_across(info, trials, scores, name) for name in names[:2]),
            plot(
                "best score so far, in the order of the search and in any other",
                Axis(label="trial"),
                Axis(label="score", log=_is_wide(so_far)),
                [
                    line("in the order of the search", so_far, "train", x=order, style="steps", played=True),
                    line("mean over all orders", shuffled, "reference", x=order, dash="dashed"),
                ],
                spans=_rounds(trials),
            ),
        ),
        tables=(_table(info, names),),
        evidence=(
            fact("trials with a score", len(trials)),
            fact("trials that failed", sum(trial.status == "failed" for trial in info.trials)),
            *(fact(f"different values of {name}", count) for name, count in distinct.items()),
            fact("best score", min(scores)),
            fact("trial of the best score", found + 1),
            fact("mean trial of the best score over all orders", (len(scores) + 1) / (scores.count(min(scores)) + 1)),
            fact("median score", statistics.median(scores)),
            *(fact(f"best value of {name}", best.values[name]) for name in names if name in best.values),
        ),
        python=f"""from pathlib import Path
from trainwright.search.study import read_study

for trial in read_study(Path({folder!r})).trials:
    print(trial.number, trial.round, trial.score, dict(trial.values))
""",
        frames=len(trials),
        frame_label="trial",
    )


def expected_best(scores: Sequence[float]) -> list[float]:
    """Return the mean, over all orders of the same trials, of the best score after the first, the second, ... trial.

    Exact: of n scores in ascending order the k-th, from k = 1, is the best of m drawn ones with probability
    C(n - k, m - 1) / C(n, m), which is m / n for the first and shrinks by (n - k - m + 1) / (n - k) to the next.
    """
    ordered, count = sorted(scores), len(scores)
    means = []
    for drawn in range(1, count + 1):
        chance, mean = drawn / count, 0.0
        for place in range(1, count - drawn + 2):
            mean += chance * ordered[place - 1]
            chance *= (count - place - drawn + 1) / max(count - place, 1)
        means.append(mean)
    return means


def _names(info: StudyInfo, trials: Sequence[Trial]) -> list[str]:
    """Return the settings that are numbers, those that mattered most first where that can be said."""
    space = info.rounds[0].space if info.rounds else {}
    numbers = [name for name, axis in space.items() if axis.scale != "choice"]
    numbers = [name for name in numbers if sum(name in trial.values for trial in trials) >= FEWEST]
    shares = {each.name: each.share for each in importance(info)}
    return sorted(numbers, key=lambda name: -shares.get(name, 0.0))


def _across(info: StudyInfo, trials: Sequence[Trial], scores: Sequence[float], name: str) -> Plot:
    """Return each trial's score over one setting, round by round, with the last round's range."""
    space: list[SearchAxis] = [each.space[name] for each in info.rounds if name in each.space]
    log = space[0].scale == "log"
    places = [float(trial.values[name]) if name in trial.values else math.nan for trial in trials]
    final = space[-1]
    best = places[list(scores).index(min(scores))]
    spans = ()
    if len(space) > 1 and (final.low, final.high) != (space[0].low, space[0].high):
        spans = (
            Span(x0=final.low, x1=final.high, text=f"range of the last round: {final.low:.3g} to {final.high:.3g}"),
        )
    return plot(
        f"the score of each trial over {name}",
        Axis(label=name, log=log),
        Axis(label="score", log=_is_wide(scores)),
        [Series(name="trials", x=tuple(places), y=tuple(scores), role="train", style="points", played=True)],
        markers=[Marker(x=best, y=min(scores), text="the best", sign="healthy")] if math.isfinite(best) else [],
        spans=spans,
    )


def _is_wide(scores: Sequence[float]) -> bool:
    """Say whether a few scores are so high that the others would lie on the axis."""
    return min(scores) > 0 and max(scores) > WIDE * statistics.median(scores)


def _rounds(trials: Sequence[Trial]) -> tuple[Span, ...]:
    """Return where each round but the first began, among the trials that have a score."""
    begins = [place for place in range(1, len(trials)) if trials[place].round != trials[place - 1].round]
    ends = [*begins[1:], len(trials) - 1]
    return tuple(
        Span(x0=float(begin + 1), x1=float(end + 1), text=f"round {trials[begin].round + 1} from trial {begin + 1}")
        for begin, end in zip(begins, ends, strict=True)
    )


def _table(info: StudyInfo, names: Sequence[str]) -> Table:
    rows = []
    for each in info.rounds:
        members = [trial for trial in info.trials if trial.round == each.number]
        scored = [trial.score for trial in members if trial.score is not None and math.isfinite(trial.score)]
        ranges = [
            f"{each.space[name].low:.3g} to {each.space[name].high:.3g}" if name in each.space else None
            for name in names
        ]
        moves = ", ".join(f"{move.name} {move.action}" for move in each.moves)
        rows.append((each.number + 1, len(members), min(scored) if scored else None, *ranges, moves or None))
    return Table(
        title="the rounds: how far each looked, and its best score",
        columns=("round", "trials", "best score", *names, "moved before it"),
        rows=tuple(rows),
    )
