"""What a search says of itself beside its findings: what was asked and not done, and scores that fall behind."""

from __future__ import annotations

from collections.abc import Iterator

from trainwright.records.study import StudyInfo
from trainwright.report.numbers import number, plural
from trainwright.stages.sections import TuneSection

WORSE = 0.1
"""A score fell behind where it ends so much above its own best, as a share of that: a loss on a few hundred samples
that has levelled off moves by some hundredths from one rung to the next."""
MOST = 0.5
"""... and so do at least this share of the trials that went to the end: one trial's fall may be its own values'."""


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
    if asked.score != "error":  # which a handful of samples moves by more
        yield from _fell_behind(info)


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
