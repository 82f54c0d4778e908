from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import pytest

from trainwright.doctor.curves import RULES, examine_curves
from trainwright.records import Chart, EvalRecord, Event, Finding, RunInfo, StepRecord

Curve = Callable[[float], float]


def chart(
    losses: Sequence[float],
    validation: Sequence[float] = (),
    *,
    accuracy: Sequence[float] = (),
    rates: Sequence[float] | None = None,
    norms: Sequence[float] | None = None,
    moving: str = "",
) -> Chart:
    """Return the chart of a log; the evaluations are spread evenly over the steps."""
    steps = [
        StepRecord(
            step=step,
            epoch=0,
            loss=loss,
            rate=rates[step] if rates else math.nan,
            samples=0,
            gradient_norm=norms[step] if norms else None,
        )
        for step, loss in enumerate(losses)
    ]
    evals = [
        EvalRecord(
            step=(place + 1) * max(len(losses), len(validation)) // len(validation) - 1,
            epoch=0,
            split="validation",
            loss=loss,
            loss_error=math.nan,
            metrics={"accuracy": accuracy[place]} if accuracy else {},
            samples=0,
        )
        for place, loss in enumerate(validation)
    ]
    return Chart(
        info=RunInfo(), steps=steps, evals=evals, events=(Event(step=0, name="log", detail={"moving": moving}),)
    )


def curve(shape: Curve, count: int = 200, *, noise: float = 0.05, seed: int = 0) -> list[float]:
    """Return `count` points of a curve over 0 to 1, with noise that grows with its level."""
    chance = random.Random(seed)
    places = [(place + 0.5) / count for place in range(count)]
    return [shape(place) * math.exp(chance.gauss(0, noise)) for place in places]


def falling(place: float) -> float:
    return 2.3 * math.exp(-3 * place) + 0.2


def found(given: Chart) -> list[tuple[str, str]]:
    return [(finding.code, finding.severity) for finding in examine_curves(given).findings]


def one(given: Chart) -> Finding:
    [finding] = examine_curves(given).findings
    return finding


HEALTHY: dict[str, Chart] = {
    "a loss that falls": chart(curve(falling), curve(falling, 10)),
    "the noise of tiny batches": chart(curve(falling, noise=0.6)),
    "ten epochs": chart(curve(falling, 10), curve(falling, 10), accuracy=curve(lambda place: 0.3 + place / 2, 10)),
    "targets of ten thousand": chart(
        [1e8 * loss for loss in curve(falling)], [1e8 * loss for loss in curve(falling, 9)]
    ),
    "a warmup": chart(curve(lambda place: 2.3 if place < 0.2 else 2.5 * math.exp(-2 * place) + 0.2)),
    "cycles of the rate": chart(curve(lambda place: 1.0 + 0.3 * math.sin(40 * place) - 0.6 * place)),
    "negative log densities": chart([1 - step / 10 for step in range(200)], [1 - step / 3 for step in range(30)]),
    "fine-tuning near the optimum": chart(curve(lambda place: 1.9 - 0.01 * place, noise=0.02)),
    "a guess's loss that is left": chart(curve(lambda place: 2.303 - 2 * place)),
    "overconfidence, while more are right": chart(
        curve(falling), [0.5, 0.4, 0.3, 0.35, 0.4, 0.45, 0.5], accuracy=[0.5, 0.6, 0.7, 0.74, 0.76, 0.78, 0.8]
    ),
    "a best that is passed by noise": chart(curve(falling), curve(lambda place: 0.5, 30, noise=0.1)),
    "accuracies of unequal classes": chart(
        curve(falling), [0.5 - place / 40 for place in range(12)], accuracy=[0.98] * 12
    ),
    "a rate that was rounded to zero": chart(curve(falling), rates=[0.0] * 200),
    "a schedule that ends at zero": chart(curve(falling), rates=[max(0.0, 1 - step / 190) for step in range(200)]),
    "infinities while a scaler looks for its scale": chart(curve(falling), norms=[math.inf] * 5 + [1.0] * 195),
    "a pair of networks": chart(curve(lambda place: 0.5 + 4 * place), moving="a pair"),
    "a loss with more terms from half way on": chart(
        curve(lambda place: 1.0 if place < 0.5 else 5.0), curve(lambda place: 1.2 - place, 10)
    ),
    "memorised to zero": chart(curve(lambda place: max(0.0, 2 - 3 * place))),
    "validation losses of two digits": chart(curve(falling), [0.69] * 8),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_nothing_but_notes_is_said_of_a_healthy_curve(name: str) -> None:
    assert [code for code, severity in found(HEALTHY[name]) if severity != "note"] == []


@pytest.mark.parametrize("seed", range(20))
def test_noise_alone_raises_no_alarm(seed: int) -> None:
    noisy = chart(curve(falling, noise=0.4, seed=seed), curve(falling, 12, noise=0.1, seed=seed + 100))
    flat = chart(curve(lambda place: 1.7, noise=0.4, seed=seed), curve(lambda place: 1.7, 12, noise=0.1, seed=seed))
    for given in (noisy, flat):
        assert [severity for _, severity in found(given) if severity != "note"] == []


def test_a_loss_that_becomes_nan_by_itself_is_not_finite() -> None:
    finding = one(chart([*curve(falling, 100), *[math.nan] * 5]))
    assert (finding.code, finding.severity, finding.step) == ("TW803", "error", 100)
    assert finding.evidence[1].value == 0  # none of the later ones is a number
    assert found(chart([2.0, 1.5, math.inf])) == [("TW803", "error")]


def test_a_loss_that_grew_before_it_became_nan_is_blamed_on_the_rate() -> None:
    finding = one(chart([2.0, 3.0, 9.0, 80.0, 1e6, math.inf, math.nan, math.nan]))
    assert (finding.code, finding.severity, finding.step) == ("TW601", "error", 5)


def test_a_gradient_that_stays_nan_is_found_though_the_logged_loss_is_zero() -> None:
    given = chart([*curve(falling, 50), *[0.0] * 50], norms=[*[1.0] * 50, *[math.nan] * 50])
    assert ("TW803", "error") in found(given)
    assert next(finding.step for finding in examine_curves(given).findings if finding.code == "TW803") == 50


@pytest.mark.parametrize("count", [8, 60, 1000])
def test_a_loss_three_times_its_start_has_diverged(count: int) -> None:
    grown = curve(lambda place: 2.0 * math.exp(3 * place), count)
    assert found(chart(grown)) == [("TW601", "error")]
    assert ("TW601", "error") in found(chart(grown, curve(lambda place: 2.0 * math.exp(3 * place), 6)))


def test_a_loss_that_rises_back_for_good_was_lost_unless_the_rate_is_on_its_way_up() -> None:
    lost = curve(lambda place: falling(place) if place < 0.6 else 2.0)
    assert found(chart(lost)) == [("TW601", "warning")]
    assert "TW601" not in dict(found(chart(lost, rates=[0.1 + (step > 120) for step in range(200)])))


def test_a_rate_of_zero_and_a_schedule_that_is_over_are_found() -> None:
    flat = curve(lambda place: 1.7)
    assert found(chart(flat, rates=[0.0] * 200)) == [("TW602", "warning")]
    over = chart(flat, [1.2345678] * 5, rates=[max(0.0, 1 - step / 20) for step in range(200)])
    assert found(over) == [("TW603", "warning")]


def test_a_validation_loss_that_repeats_to_its_last_digit_shows_a_model_that_never_changes() -> None:
    finding = one(chart(curve(lambda place: 2.3, noise=0.1), [2.317465] * 6))
    assert (finding.code, finding.severity) == ("TW505", "warning")


def test_a_loss_of_equal_chances_from_start_to_end_is_a_guess() -> None:
    assert found(chart(curve(lambda place: math.log(10), noise=0.01))) == [("TW902", "warning")]
    with_accuracy = chart(curve(lambda place: math.log(7), noise=0.01), [1.9, 2.0, 1.95, 1.92], accuracy=[1 / 7] * 4)
    assert ("TW902", "warning") in found(with_accuracy)
    better = chart(curve(lambda place: math.log(10), noise=0.01), [1.9, 2.0, 1.95, 1.92], accuracy=[0.6] * 4)
    assert "TW902" not in dict(found(better))


def test_a_validation_loss_that_rises_while_the_training_loss_falls_is_overfitting() -> None:
    rising = [1.5, 1.0, 0.8, 0.82, 0.9, 1.0, 1.1, 1.2]
    for count in (8, 200):
        finding = one(chart(curve(falling, count), rising))
        assert (finding.code, finding.severity) == ("TW901", "warning")
        assert finding.evidence[0].value == 0.8


def test_a_best_that_was_passed_is_noted_where_it_is_not_overfitting() -> None:
    given = chart(curve(lambda place: 2.3 - place), [1.5, 1.2, 0.9, 0.9, 0.91, 1.5])
    assert found(given) == [("TW903", "note")]


def test_an_accuracy_that_falls_or_rests_while_the_loss_falls_contradicts_it() -> None:
    losses = [2.0 - place / 10 for place in range(12)]
    falls = chart(curve(falling), losses, accuracy=[0.5 - place / 50 for place in range(12)])
    assert found(falls) == [("TW905", "warning")]
    assert found(chart(curve(falling), losses, accuracy=[0.1] * 12)) == [("TW905", "warning")]
    assert found(chart(curve(falling), losses, accuracy=[0.1 + place / 50 for place in range(12)])) == []


def test_a_flat_loss_at_a_rate_still_at_work_is_a_plateau_and_after_a_decay_is_not() -> None:
    flat = curve(lambda place: max(2.3 - 3 * place, 1.1))
    assert found(chart(flat, rates=[0.1] * 200)) == [("TW607", "note")]
    assert found(chart(flat)) == [("TW607", "note")]
    assert found(chart(flat, rates=[0.1 * (1 - step / 200) for step in range(200)])) == []


def test_what_cannot_be_judged_is_said_with_the_reason() -> None:
    bare = examine_curves(chart(curve(falling)))
    assert bare.not_judged["overfitting"] == "no validation loss was logged"
    assert bare.not_judged["scheduler-wrong-frequency"] == "the learning rate was not logged"
    assert bare.not_judged["metric-contradicts-loss"] == "no accuracy was logged beside the validation loss"
    assert "only curves" in bare.not_judged["dead-relu"]
    assert examine_curves(chart([], [1.0] * 5)).not_judged["plateau"] == "no training loss was logged"
    assert "2 times" in examine_curves(chart([1.0, 0.5])).not_judged["learning-rate-too-high"]
    assert "below zero" in examine_curves(HEALTHY["negative log densities"]).not_judged["plateau"]
    assert examine_curves(HEALTHY["a pair of networks"]).not_judged["learning-rate-too-high"] == "a pair"


def test_each_kind_is_judged_or_not_judged_and_nothing_is_both() -> None:
    for given in HEALTHY.values():
        examination = examine_curves(given)
        judged = {*examination.healthy, *(finding.kind for finding in examination.findings)}
        assert not judged & examination.not_judged.keys()
        assert {rule.kind.kind for rule in RULES} >= judged


@pytest.mark.parametrize("odd", [[], [math.nan], [math.inf] * 9, [0.0] * 30, [-1.0] * 30, [1e308] * 30, [1e-320] * 30])
def test_the_same_chart_gets_the_same_findings_however_odd_it_is(odd: list[float]) -> None:
    for validation in ([], odd):
        given = chart(odd, validation, accuracy=validation, rates=odd, norms=odd)
        assert found(given) == found(given)
