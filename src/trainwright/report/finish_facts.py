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
    terms = ", each after a temperature of its own" if row.scaled is not None and row.cost.networks > 1 else ""
    said = f"{gains.chosen} gains {gain_phrase(row.gain)} {criterion_name(gains)} over the best single network{terms}"
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
        rows.append(("compared", "after one temperature for each method: NLL, ECE and Brier; raw NLL is without it"))
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
    no, yes = (f"'{name}'" for name in info.classes) if len(info.classes) == 2 else ("class 0", "class 1")
    which = "after the temperature" if info.temperature is not None else "as they are, with no temperature"
    return (
        f"{yes} from probability {number(one.exact)} on, which costs {number(one.at_exact)} a sample on validation, "
        f"where a false alarm ({no} taken for {yes}) costs {number(alarm)} and a miss ({yes} taken for {no}) "
        f"{number(miss)}; from one half on it is {number(one.halved)}, and from {number(one.value)} on, which was best "
        f"on validation, {number(one.expected)}; probabilities {which}"
    )


_COSTS = ("nets", "steps", "ms per 1,000", "memory")


def scores_head(gains: Gains) -> tuple[str, ...]:
    """Return the headings of the scores: the NLL that is compared, and beside it the raw one where they differ."""
    if gains.criterion == "rmse":
        return ("RMSE", "NLL")
    return ("accuracy", "NLL", "ECE", "Brier", *(("raw NLL",) if _cooled(gains) else ()))


def head_of(gains: Gains) -> tuple[str, ...]:
    """Return the table's headings."""
    return ("method", *_COSTS, *scores_head(gains), f"gain in {criterion_name(gains)}", "95 % interval", "")


def test_head_of(gains: Gains) -> tuple[str, ...]:
    """Return the headings of the table of what was tested."""
    return ("method", *scores_head(gains), f"gain in {criterion_name(gains)}", "95 % interval")


def _cooled(gains: Gains) -> bool:
    return any(row.scaled is not None for row in gains.rows)


def cells(row: MethodRow, gains: Gains) -> list[str]:
    """Return a row of the table as text."""
    cost = row.cost
    steps = "–" if cost.training_steps is None else compact(cost.training_steps)
    start = [row.method, str(cost.networks), steps, number(1000 * cost.seconds, digits=3), f"{compact(cost.size)}B"]
    gain = ["", ""] if row.gain is None else [gain_phrase(row.gain), interval_phrase(row.gain)]
    return [*start, *measured(row.compared, row.scores, gains), *gain, verdict_word(row, gains)]


def test_cells(row: MethodRow, gains: Gains) -> list[str]:
    """Return what a method came to on test."""
    assert row.test is not None
    assert row.test_compared is not None
    gain = ["", ""] if row.test_gain is None else [gain_phrase(row.test_gain), interval_phrase(row.test_gain)]
    return [row.method, *measured(row.test_compared, row.test, gains), *gain]


def measured(scores: Scores, raw: Scores, gains: Gains) -> list[str]:
    """Return the scores that are compared as text, with the NLL of the predictions as they are behind them."""
    if gains.criterion == "rmse":
        return [_value(scores.rmse), _value(scores.nll)]
    accuracy = "–" if scores.accuracy is None else f"{100 * scores.accuracy:.2f} %"
    shown = [accuracy, _value(scores.nll), _value(scores.ece, 3), _value(scores.brier)]
    return [*shown, _value(raw.nll)] if _cooled(gains) else shown


def verdict_word(row: MethodRow, gains: Gains) -> str:
    """Return what became of a method."""
    if row.method == gains.chosen:
        return "chosen"
    if row.verdict == "lost" and row.gain is not None and row.gain.value > 0:
        return "not beyond noise"
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
