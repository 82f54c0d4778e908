"""What a finished model's report says in words: the same on the terminal and on the page."""

from __future__ import annotations

from trainwright.records.ensemble import EnsembleInfo, Gain, Gains, MethodRow, Scores
from trainwright.report.numbers import compact, number, plural
from trainwright.report.signs import HEALTHY, SIGNS, Sign


def finish_verdict(info: EnsembleInfo) -> tuple[Sign, str]:
    """Return the sentence that says what came of it, with its sign."""
    gains = info.gains
    tried = sum(row.verdict in ("gained", "lost") for row in gains.rows)
    if gains.chosen == gains.baseline:
        return SIGNS["note"], f"nothing gained beyond noise of {plural(tried, 'method')}: the best single network stays"
    row = gains.row(gains.chosen)
    if row.gain is None:
        return HEALTHY, f"{gains.chosen} is the final model"
    said = f"{gains.chosen} gains {gain_phrase(row.gain)} {criterion_name(gains)} over the best single network"
    if row.test_gain is None:
        return HEALTHY, said
    if row.test_gain.is_beyond_noise:
        return HEALTHY, f"{said}, and {gain_phrase(row.test_gain)} on test"
    on_test = "which is a loss" if row.test_gain.high < 0 else "which may be noise"
    return SIGNS["warning"], f"{said}, and on test {gain_phrase(row.test_gain)}, {on_test}"


def criterion_name(gains: Gains) -> str:
    """Return what is compared, as words."""
    return "NLL" if gains.criterion == "nll" else "RMSE"


def head_facts(info: EnsembleInfo) -> list[tuple[str, str]]:
    """Return names and values for the head of a report."""
    gains = info.gains
    rows = [
        ("task", info.task),
        ("judged on", f"{plural(gains.validation_samples, 'validation sample')}{_folds(gains)}"),
    ]
    if gains.test_samples is not None:
        rows.append(("tested on", f"{plural(gains.test_samples, 'sample')}, once"))
    if any(row.scaled is not None for row in gains.rows):
        rows.append(("compared", "after one temperature for each method"))
    if len(info.members) > 1:
        rows.append(("averages", info.average))
    if info.temperature is not None:
        rows.append(("temperature", number(info.temperature)))
    if info.noise:
        rows.append(("noise", ", ".join(number(value) for value in info.noise)))
    if info.threshold is not None:
        rows.append(("threshold", threshold_phrase(info)))
    return rows


def threshold_phrase(info: EnsembleInfo) -> str:
    """Return the threshold for costs, and what it saves."""
    one = info.threshold
    if one is None:
        return ""
    alarm, miss = one.costs
    return (
        f"class 1 from probability {number(one.exact)} on, where a false alarm costs {number(alarm)} and a miss "
        f"{number(miss)}; on validation {number(one.value)} cost least, {number(one.expected)} a sample "
        f"({number(one.halved)} at one half)"
    )


HEAD = (
    "method",
    "nets",
    "steps",
    "ms per 1,000",
    "memory",
    "accuracy",
    "NLL",
    "ECE",
    "Brier",
    "gain",
    "95 % interval",
    "",
)
VALUES_HEAD = ("method", "nets", "steps", "ms per 1,000", "memory", "RMSE", "NLL", "gain", "95 % interval", "")


def head_of(gains: Gains) -> tuple[str, ...]:
    """Return the table's headings."""
    return HEAD if gains.criterion == "nll" else VALUES_HEAD


def cells(row: MethodRow, gains: Gains) -> list[str]:
    """Return a row of the table as text."""
    cost = row.cost
    steps = "–" if cost.training_steps is None else compact(cost.training_steps)
    start = [row.method, str(cost.networks), steps, number(1000 * cost.seconds, digits=3), f"{compact(cost.size)}B"]
    gain = ["", ""] if row.gain is None else [gain_phrase(row.gain), interval_phrase(row.gain)]
    return [*start, *measured(row.scores, gains), *gain, verdict_word(row, gains)]


def test_cells(row: MethodRow, gains: Gains) -> list[str]:
    """Return what a method came to on test."""
    assert row.test is not None
    gain = ["", ""] if row.test_gain is None else [gain_phrase(row.test_gain), interval_phrase(row.test_gain)]
    return [row.method, *measured(row.test, gains), *gain]


def measured(scores: Scores, gains: Gains) -> list[str]:
    """Return the scores as text."""
    if gains.criterion == "rmse":
        return [_value(scores.rmse), _value(scores.nll)]
    accuracy = "–" if scores.accuracy is None else f"{100 * scores.accuracy:.2f} %"
    return [accuracy, _value(scores.nll), _value(scores.ece, 3), _value(scores.brier)]


def verdict_word(row: MethodRow, gains: Gains) -> str:
    """Return what became of a method."""
    if row.method == gains.chosen:
        return "chosen"
    return {"gained": "gained", "lost": "lost", "baseline": "compared with", "told": ""}[row.verdict]


def gain_phrase(gain: Gain) -> str:
    """Return a gain with its sign."""
    return f"{gain.value:+.3g}"


def interval_phrase(gain: Gain) -> str:
    """Return the interval of a gain."""
    return f"{gain.low:+.2g} to {gain.high:+.2g}"


def member_phrase(info: EnsembleInfo) -> list[str]:
    """Return each member with its share."""
    return [f"{member.name}, share {member.share:.3g}" for member in info.members]


def _folds(gains: Gains) -> str:
    return (
        f", what is fitted on {gains.folds - 1} of {gains.folds} parts judged on the other" if gains.folds > 1 else ""
    )


def _value(value: float | None, digits: int = 4) -> str:
    return "–" if value is None else number(value, digits=digits)
