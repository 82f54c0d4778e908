"""What there is to tell of a search, in words and numbers that the terminal, the page and the JSON share."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence

from trainwright.records import Finding, Trial
from trainwright.records.space import Axis
from trainwright.records.study import Edge, Importance, Move, StudyInfo, is_guessing
from trainwright.records.study_final import FinalRun
from trainwright.records.study_reading import Alone
from trainwright.report.numbers import duration, number, plural, scalar
from trainwright.report.safe import prose
from trainwright.report.signs import HEALTHY, SIGNS, Sign
from trainwright.report.summary import severity_counts, worst_first

STATUSES = ("finished", "pruned", "failed", "stopped", "running")
Progress = list[tuple[int, float]]


def progress(info: StudyInfo) -> Progress:
    """Return (steps of all trials so far, score of the best trial then), a point for each time that it changed.

    Best is who came furthest, then by score, so the score can rise where a trial that goes on grows worse. Chunks
    count in their order, as one worker trains them; trials that failed are left out, their steps are not.
    """
    chunks: dict[tuple[int, int], list[Trial]] = {}
    for trial in info.trials:
        chunks.setdefault((trial.round, trial.chunk), []).append(trial)
    points: Progress = []
    spent, best = 0, (0, math.inf)
    for _, trials in sorted(chunks.items()):
        for stop in sorted({budget for trial in trials for budget in trial.budgets}):
            scores = [trial.scores[trial.budgets.index(stop)] for trial in trials if _stood(trial, stop)]
            if not scores:
                continue
            # A best trial that goes on takes its place with it: of two at the same step the better counts.
            found = (-stop, min(scores))
            if found < best:
                best = found
                points.append((spent + sum(min(trial.steps, stop) for trial in trials), found[1]))
        spent += sum(trial.steps for trial in trials)
    if points and spent > points[-1][0]:
        points.append((spent, points[-1][1]))
    return points


def _stood(trial: Trial, stop: int) -> bool:
    return stop in trial.budgets and trial.status != "failed"


def counts_phrase(trials: Sequence[Trial]) -> str:
    """Return how many trials there are of each status: 6 finished, 41 pruned, 7 failed."""
    counts = Counter(trial.status for trial in trials)
    return ", ".join(f"{counts[status]:,} {status}" for status in STATUSES if counts[status])


def failures(trials: Sequence[Trial]) -> list[tuple[str, int]]:
    """Return the reasons of those that failed, most frequent first."""
    reasons = Counter(prose(trial.reason) or "no reason was given" for trial in trials if trial.status == "failed")
    return reasons.most_common()


def move_phrase(move: Move) -> str:
    """Return what became of an axis: widened from 0.001 to 0.1, to 0.001 to 1."""
    before, after = range_phrase(move.before), range_phrase(move.after)
    return f"{move.action} at {after}" if before == after else f"{move.action} to {after}, from {before}"


def range_phrase(axis: Axis) -> str:
    """Return what an axis spans: 0.001 … 0.1 (log), or its choices."""
    if axis.scale == "choice":
        return ", ".join(scalar(value) for value in axis.choices)
    low, high = (int(end) if axis.whole else end for end in (axis.low, axis.high))
    return f"{number(low)} … {number(high)}" + (" (log)" if axis.scale == "log" else "")


def edge_phrase(edge: Edge) -> str:
    """Return in one sentence which end the best values hug."""
    end = number(edge.axis.low if edge.side == "low" else edge.axis.high)
    side = "lower" if edge.side == "low" else "upper"
    why = "a hard limit" if edge.is_limit else "what lies beyond was not tried"
    return f"{prose(edge.name)}: the best value, {scalar(edge.value)}, is at the {side} end {end} ({why})"


def importance_phrase(one: Importance) -> str:
    """Return a share with its standard deviation: 62 % ± 8."""
    return f"{100 * one.share:.0f} % ± {100 * one.deviation:.0f}"


def values_phrase(values: Mapping[str, object]) -> str:
    """Return a configuration on one line."""
    return ", ".join(f"{prose(name)} = {setting(value)}" for name, value in values.items())


def alone_phrases(alone: Alone) -> tuple[str, str]:
    """Return how the best trial is trained by itself, and how any other one is."""
    shared = ", ".join(f"{name} = {setting(value)}" for name, value in alone.settings.items())
    return (
        f"trial {alone.number} by itself, with the losses that it had here: {prose(alone.call)}",
        f"another trial: its values, and its seed as train.seed; all trials share {shared}",
    )


def setting(value: object) -> str:
    """Return a value of a parameter; whole numbers and words as they are, fractions with four digits."""
    return scalar(value) if isinstance(value, bool | int | float | str) else prose(str(value))


def final_rows(final: FinalRun) -> list[tuple[str, str]]:
    """Return the final run as names and sentences: what the search promised, what fresh seeds kept, against what."""
    rows = [
        ("search score", f"{number(final.search_score)}, that of the best trial after its last step"),
        ("fresh seeds", f"{_mean(final.fresh_scores)}: each at its best checkpoint of {plural(final.steps, 'step')}"),
        ("optimism", _optimism(final)),
    ]
    if final.kept_step is not None:
        rows.insert(1, ("kept model", _kept(final)))
    if final.default_scores:
        rows.append(("default", _mean(final.default_scores)))
    if final.test_scores:
        rows.append(("untouched split", _mean(final.test_scores)))
    if final.default_test_scores:
        rows.append(("default on it", _mean(final.default_test_scores)))
    if final.default_scores:
        where = " on the untouched split" if final.is_gain_untouched else ""
        rows.append(("gain" + where, gain_phrase(final)))
    return rows


def gain_phrase(final: FinalRun) -> str:
    """Return how much better the winner is than the default, and whether its repeats' noise could explain that."""
    if final.gain is None:
        return ""
    if final.gain_error is None:
        return f"{number(final.gain)}; how much of it is noise, one pair of runs cannot say"
    told = f"{number(final.gain)} ± {number(final.gain_error, digits=2)} (standard error)"
    if final.is_beyond_noise:
        return f"{told}: beyond the noise of its repeats"
    return f"{told}: within the noise of its repeats, so the winner may be no better than the default"


def _optimism(final: FinalRun) -> str:
    if not math.isfinite(final.optimism):
        return "unknown: a run under a fresh seed failed"
    told = number(abs(final.optimism), digits=3)
    words = f"{told}: the search's score was better than fresh seeds reach"
    if final.optimism <= 0:
        words = f"none: fresh seeds are better by {told}"
    untouched = statistics.fmean(final.test_scores) - final.search_score if final.test_scores else math.nan
    if not math.isfinite(untouched):
        return words
    than = "worse" if untouched > 0 else "better"
    return (
        f"{words}; on the untouched split they are {than} than the search's score by {number(abs(untouched), digits=3)}"
    )


def _kept(final: FinalRun) -> str:
    """Return which model is kept."""
    loss = "" if final.kept_loss is None else f", validation loss {number(final.kept_loss)}"
    best = "" if final.kept_step == final.steps else ": its best checkpoint"
    return f"the run under the first fresh seed, after {final.kept_step:,} of {plural(final.steps, 'step')}{loss}{best}"


def _mean(scores: Sequence[float]) -> str:
    finite = [score for score in scores if math.isfinite(score)]
    if not finite:
        return f"all {len(scores)} failed"
    told = f"{number(math.fsum(finite) / len(finite))}, "
    if len(finite) > 1:
        told += f"mean of {len(finite)} runs, from {number(min(finite))} to {number(max(finite))}"
    else:
        told += "one run"
    lost = len(scores) - len(finite)
    return f"{told}; {lost} more failed" if lost else told


def head_facts(info: StudyInfo) -> list[tuple[str, str]]:
    """Return what was asked and what it took."""
    plan = info.plan
    rungs = "" if plan.eta <= 1 else f", halving keeps one in {plan.eta}"
    done = len({trial.configuration for trial in info.trials})
    repeats = f", {plan.repeats} seeds each" if plan.repeats > 1 else ""
    seconds = sum(trial.seconds for trial in info.trials)
    facts = [
        ("sampler", f"{prose(plan.sampler)}, {plural(max(plan.rounds, len(info.rounds)), 'round')}{rungs}"),
        ("trials", f"{done:,} of {plan.trials:,}{repeats}: {counts_phrase(info.trials) or 'none yet'}"),
        ("steps", f"{info.steps:,} over all trials, at most {plan.budget:,} in one"),
        ("time", duration(seconds) if seconds else ""),
    ]
    return [(name, value) for name, value in facts if value]


def study_verdict(info: StudyInfo, findings: Sequence[Finding]) -> tuple[Sign, str]:
    """Return the sign and the one sentence that a reader in a hurry needs."""
    best = info.best
    ended = {"running": "still running", "finished": "finished", "stopped": "stopped"}[info.status]
    why = f" ({prose(info.reason)})" if info.reason else ""
    told = f"best score {number(best.score)}" if best is not None and best.score is not None else "no trial has a score"
    guessing = best is not None and info.status != "running" and is_guessing(best.score, info.plan.guess)
    told += f", no better than guessing ({number(info.plan.guess or 0.0)})" if guessing else ""
    sentence = f"{ended}{why}: {told}"
    troubles = [finding for finding in worst_first(findings) if finding.severity != "note"]
    if troubles:
        return SIGNS[troubles[0].severity], f"{sentence}, with {severity_counts(troubles)}"
    if best is None:
        return SIGNS["error" if info.status == "finished" else "note"], sentence
    return (SIGNS["warning"] if guessing else HEALTHY), sentence
