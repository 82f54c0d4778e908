"""What a search says of itself beside its findings: what was asked and not done, and scores that fall behind."""

from __future__ import annotations

from collections.abc import Iterator

from trainwright.records import RunInfo
from trainwright.records.study import StudyInfo, is_guessing
from trainwright.report.numbers import number, plural
from trainwright.search.rounds import usual
from trainwright.stages.sections import TuneSection

WORSE = 0.1
"""A score fell behind where it ends so much above its own best, as a share of that: a loss on a few hundred samples
that has levelled off moves by some hundredths from one rung to the next."""
MOST = 0.5
"""... and so do at least this share of the trials that went to the end: one trial's fall may be its own values'."""


def guess_of(info: RunInfo, score: str) -> float | None:
    """Return the score of the same answer for every sample, None where that is not known."""
    known = info.baselines
    if known is None:
        return None
    if score == "loss":
        return known.constant_loss
    if known.constant_metric is None:
        return None
    return 1.0 - known.constant_metric if score == "error" else known.constant_metric


def remarks(info: StudyInfo, asked: TuneSection) -> Iterator[str]:
    """Yield what a reader has to know of the search: of its rounds, its trials, its steps."""
    plan, done = info.plan, len({trial.configuration for trial in info.trials})
    if asked.rounds > asked.trials:
        rounds, trials = plural(plan.rounds, "round"), plural(asked.trials, "trial")
        yield f"{asked.rounds:,} rounds were asked for, and {trials}: there are {rounds}, of one trial at least"
    if plan.sampler == "grid" and info.status == "finished" and done < plan.trials:
        yield (
            f"the grid has {plural(done, 'point')}, fewer than the {plural(plan.trials, 'trial')} asked for: all of it "
            "was tried; widen the space, or use the sampler 'sobol' for more"
        )
    yield from _no_better(info)
    if asked.score != "error":  # which a handful of samples moves by more
        yield from _fell_behind(info)


def _no_better(info: StudyInfo) -> Iterator[str]:
    """Yield that nothing that was tried has learned anything, and what to try."""
    best, guess = info.best, info.plan.guess
    if best is None or guess is None or not is_guessing(best.score, guess) or info.status != "finished":
        return
    space = info.rounds[-1].space if info.rounds else {}
    rates = [
        f"search {name} from {axis.low:g} to {axis.high:g}" for name, one in space.items() if (axis := usual(name, one))
    ]
    advice = " and ".join(rates) or (
        "let the trials be longer, and ask trainwright verify whether inputs and targets belong together"
    )
    yield (
        f"everything that was tried is no better than guessing: the best score is {number(best.score or 0.0)}, and the "
        f"same answer for every sample has {number(guess)}: {advice}"
    )


def _fell_behind(info: StudyInfo) -> Iterator[str]:
    """Yield where the scores got worse with the steps: they are compared at the end, where they are worse than before.

    Of the trials that were scored at the last rung, which few reach where trials are pruned.
    """
    ended = [trial for trial in info.trials if trial.status == "finished" and len(trial.scores) > 1]
    worse = [trial for trial in ended if trial.scores[-1] > (1 + WORSE) * max(min(trial.scores), 0.0)]
    best = info.best
    if best is None or best not in worse or len(worse) < MOST * len(ended):
        return
    lowest = min(best.scores)
    steps = best.budgets[best.scores.index(lowest)]
    yield (
        f"scores get worse with the steps: the best trial stood at {number(lowest)} after {steps:,} of "
        f"{plural(best.steps, 'step')}, and at {number(best.scores[-1])} at the end, where trials are compared: "
        f"search with fewer steps (about {steps:,}), or with more regularisation"
    )
