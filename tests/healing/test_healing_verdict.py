"""Whether a patch helped, told from the losses of both versions and from what was found in them."""

from __future__ import annotations

import math

import pytest

from trainwright.healing.verdict import Trial, judge

KIND = "missing-zero-grad"
HIGH = tuple(2.3 + 0.05 * (-1) ** step for step in range(100))
LOW = tuple(0.3 + 0.05 * (-1) ** step for step in range(100))


def trial(losses: tuple[float, ...], *kinds: str, failed: str = "") -> Trial:
    return Trial(losses=losses, kinds=frozenset(kinds), failed=failed)


def test_a_lower_loss_and_no_finding_is_help() -> None:
    verdict = judge(trial(HIGH, KIND), trial(LOW), KIND, 1.0)
    assert (verdict.outcome, verdict.gone, verdict.fixed) == ("helped", True, True)
    assert verdict.before == pytest.approx(2.3)
    assert verdict.after == pytest.approx(0.3)


def test_what_batches_differ_by_is_no_difference() -> None:
    verdict = judge(trial(HIGH, KIND), trial(tuple(loss - 0.01 for loss in HIGH)), KIND, 1.0)
    assert (verdict.outcome, verdict.fixed) == ("no difference", True)


def test_a_few_peaks_do_not_hide_that_a_loss_is_far_lower() -> None:
    thrown = tuple(50.0 if step % 10 == 0 else 1.5 for step in range(100))
    assert judge(trial(thrown, KIND), trial(LOW), KIND, 1.0).outcome == "helped"


def test_a_higher_loss_is_worse_and_fixes_nothing() -> None:
    verdict = judge(trial(LOW, KIND), trial(HIGH), KIND, 1.0)
    assert (verdict.outcome, verdict.gone, verdict.fixed) == ("worse", True, False)


def test_a_finding_that_stays_is_not_fixed_by_a_lower_loss() -> None:
    assert not judge(trial(HIGH, KIND), trial(LOW, KIND), KIND, 1.0).fixed


def test_a_finding_that_takes_longer_is_judged_by_the_loss_alone() -> None:
    assert judge(trial(HIGH), trial(LOW), KIND, 1.0).fixed
    same = judge(trial(HIGH), trial(HIGH), KIND, 1.0)
    assert (same.gone, same.fixed) == (None, False)


def test_a_loss_that_the_patch_divides_is_compared_without_that() -> None:
    quarter = tuple(loss / 4 for loss in HIGH)
    assert judge(trial(HIGH, KIND), trial(quarter), KIND, 0.25).outcome == "no difference"


def test_a_loss_that_became_another_quantity_is_not_compared() -> None:
    verdict = judge(trial(HIGH, KIND), trial(LOW), KIND, None)
    assert (verdict.outcome, verdict.fixed, verdict.before) == ("not comparable", True, None)


def test_losses_that_are_no_numbers_any_more_are_worse_and_the_other_way_round() -> None:
    broken = (*HIGH[:50], *[math.nan] * 50)
    assert judge(trial(broken, KIND), trial(HIGH), KIND, 1.0).outcome == "helped"
    assert judge(trial(HIGH, KIND), trial(broken), KIND, 1.0).outcome == "worse"


def test_a_program_that_made_no_step_is_measured_by_its_own_start() -> None:
    falling = tuple(2.0 - 0.015 * step for step in range(100))
    verdict = judge(trial((), KIND), trial(falling), KIND, 1.0)
    assert verdict.outcome == "helped"
    assert verdict.before == pytest.approx(2.0, abs=0.1)


def test_a_program_that_fails_once_it_is_mended_is_worse() -> None:
    verdict = judge(trial(HIGH, KIND), trial((), failed="NameError"), KIND, 1.0)
    assert (verdict.outcome, verdict.fixed) == ("worse", False)
