"""Rules about the targets, one chart each."""

from __future__ import annotations

import math
from typing import Any

import pytest
from doctor_charts import call, entered, evidence, healthy, info, judge, quantities, steps, targets, value

from trainwright.records import Finding, OutputFacts

ENCODING = "labels-out-of-range"
CONSTANT = "constant-targets"
PADDING = "padding-counted-in-loss"
SCALE = "targets-not-scaled"
NOTHING = "no-valid-targets"
BCE = "binary_cross_entropy_with_logits"


def found(kind: str, facts: OutputFacts, **changes: Any) -> Finding | None:
    return judge(kind, healthy(info=info(**{"loss": "", "output": facts} | changes)))


class TestEncoding:
    @pytest.mark.parametrize(
        ("target", "title"),
        [
            (entered(minimum=1, maximum=10), "a label is outside"),
            (entered(floating=True), "the class ids are floats"),
            (entered(floating=True, whole=False), "the targets are quantities"),
            (entered(floating=True, whole=False, byte_scaled=True, maximum=9 / 255), "divided by 255"),
            (entered(shape=(64, 1)), "the class ids lie in a column"),
            (entered(shape=(64, 10), maximum=1, most=1, fewest=1), "one-hot rows"),
            (
                entered(shape=(64, 10), floating=True, whole=False, byte_scaled=True, maximum=1 / 255),
                "divided by 255",
            ),
        ],
    )
    def test_each_form_that_is_no_class_id_has_its_own_words(self, target: Any, title: str) -> None:
        finding = found(ENCODING, call(target=target))
        assert finding is not None
        assert title in finding.title
        assert finding.severity == "error"

    @pytest.mark.parametrize(
        "target",
        [
            entered(),
            entered(minimum=None, maximum=None, counted=0),
            entered(shape=(64, 10), floating=True, whole=False, maximum=0.9),
            entered(shape=(64, 10), floating=True, maximum=1, most=1, fewest=1),
            entered(minimum=math.nan, maximum=math.nan),
        ],
        ids=["ids", "none that counts", "soft labels", "one-hot floats", "no number"],
    )
    def test_ids_and_probabilities_are_fine(self, target: Any) -> None:
        assert found(ENCODING, call(target=target)) is None

    def test_what_the_loss_ignores_is_no_label_wherever_it_lies(self) -> None:
        ids = entered(ignored=255, minimum=0, maximum=9)
        assert found(ENCODING, call(target=ids), loss="cross_entropy", targets=targets(maximum=255)) is None
        assert found(ENCODING, call(target=ids), loss="cross_entropy", targets=targets(maximum=17)) is not None

    @pytest.mark.parametrize(
        ("low", "high", "whole", "remedy"),
        [
            (-1, 1, True, "(target + 1) / 2"),
            (0, 255, True, "divide by 255"),
            (1, 2, True, "subtract 1"),
            (-3.2, 2.5, False, "regression loss"),
            (0, 3, True, "cross_entropy"),
        ],
    )
    def test_an_answer_beyond_zero_and_one_has_its_own_remedy(
        self, low: float, high: float, whole: bool, remedy: str
    ) -> None:
        target = entered(shape=(64, 1), floating=True, minimum=low, maximum=high, whole=whole)
        finding = found(ENCODING, call(BCE, shape=(64, 1), target=target))
        assert finding is not None
        assert remedy in finding.remedies[0].text
        assert "lower end" in finding.because

    def test_answers_between_zero_and_one_are_fine_but_a_yes_of_one_byte_is_not(self) -> None:
        soft = quantities(minimum=0.0, maximum=0.9)
        assert found(ENCODING, call(BCE, shape=(64, 1), target=soft)) is None
        scaled = quantities(minimum=0.0, maximum=1 / 255, byte_scaled=True)
        finding = found(ENCODING, call(BCE, shape=(64, 1), target=scaled))
        assert finding is not None
        assert finding.title == "the labels were divided by 255"


class TestConstant:
    @pytest.mark.parametrize(
        ("function", "target", "samples", "severity"),
        [
            ("cross_entropy", entered(minimum=3, maximum=3), 63, None),
            ("cross_entropy", entered(minimum=3, maximum=3), 64, "warning"),
            ("cross_entropy", entered(minimum=3, maximum=3), 240, "error"),
            (BCE, entered(minimum=3, maximum=3), 239, None),
            (BCE, entered(minimum=3, maximum=3), 240, "warning"),
            (BCE, entered(minimum=3, maximum=3), 1024, "error"),
            ("mse_loss", entered(minimum=3, maximum=3), 64, "error"),
            ("mse_loss", quantities(minimum=3, maximum=3), 15, None),
            ("mse_loss", quantities(minimum=3, maximum=3), 16, "error"),
        ],
    )
    def test_how_many_must_be_seen_follows_from_how_rare_another_value_may_be(
        self, function: str, target: Any, samples: int, severity: str | None
    ) -> None:
        facts = call(function, target=target)
        finding = found(CONSTANT, facts, targets=targets(minimum=3, maximum=3, distinct=1, samples=samples))
        assert (finding.severity if finding else None) == severity
        assert finding is None or value(finding, "samples") == samples

    def test_targets_that_no_loss_takes_may_be_what_they_like(self) -> None:
        same = targets(minimum=0, maximum=0, distinct=1)
        assert found(CONSTANT, call("", target=entered(minimum=0, maximum=0)), targets=same) is None
        assert found(CONSTANT, call("mse_loss", target=quantities(minimum=0.3, maximum=0.3)), targets=same) is None


class TestIgnored:
    def test_none_that_counts_among_all_is_an_error(self) -> None:
        facts = call(target=entered(counted=0, minimum=None, maximum=None))
        finding = found(NOTHING, facts)
        assert finding is not None
        assert (value(finding, "that count"), value(finding, "looked at"), value(finding, "leaves out")) == (
            0,
            1000,
            -100,
        )

    def test_none_among_the_first_is_nothing_where_others_count(self) -> None:
        facts = call(target=entered(counted=0, minimum=None, maximum=None))
        assert found(NOTHING, facts, loss="cross_entropy", targets=targets(minimum=0, maximum=4)) is None
        assert found(NOTHING, call(target=entered())) is None
        assert found(NOTHING, call(target=entered(total=0, counted=0))) is None

    @pytest.mark.parametrize(("share", "seen"), [(0.05, False), (0.06, True)])
    def test_padding_counts_from_a_twentieth(self, share: float, seen: bool) -> None:
        finding = found(PADDING, call(target=entered(padding=share, padding_id=0)))
        assert (finding is not None) == seen
        assert finding is None or finding.remedies[0].text == "pass ignore_index=0 to the loss"


class TestScale:
    @staticmethod
    def judged(mean: float, std: float, low: float = -1.0, high: float = 1.0, **changes: Any) -> Finding | None:
        facts = call("mse_loss", shape=(64, 1), minimum=low, maximum=high, target=quantities())
        return found(SCALE, facts, targets=targets(mean=mean, std=std, integral=False), **changes)

    @pytest.mark.parametrize(
        ("mean", "std", "seen"), [(0.0, 1e3, False), (0.0, 1.1e3, True), (1e3, 1.0, False), (1.1e3, 1.0, True)]
    )
    def test_magnitude_alone_is_a_note(self, mean: float, std: float, seen: bool) -> None:
        finding = self.judged(mean, std)
        assert (finding is not None) == seen
        if finding is not None:
            assert finding.severity == "note"
            crossed = "standard deviation of" if std > 1e3 else "|mean|"
            assert evidence(finding, crossed).threshold == 1e3

    def test_a_head_at_the_mean_or_on_the_scale_makes_up_for_it(self) -> None:
        assert self.judged(1e4, 1.0, 9999.9, 10000.1) is None
        assert self.judged(1e4, 3e3, 9000.0, 11000.0) is None
        assert self.judged(0.0, 3e3, -1.0, 1.0) is not None

    def test_a_loss_that_overflowed_makes_it_a_warning(self) -> None:
        facts = call("mse_loss", shape=(64, 1), target=quantities())
        chart = healthy(
            info=info(loss="mse", output=facts, targets=targets(mean=0.0, std=1e5)), steps=steps([1.0, math.inf])
        )
        finding = judge(SCALE, chart)
        assert finding is not None
        assert finding.severity == "warning"

    @pytest.mark.parametrize("stats", [{"mean": None}, {"std": 0.0}, {"std": math.nan}, {"mean": math.inf}])
    def test_without_a_mean_and_a_spread_nothing_is_said(self, stats: dict[str, Any]) -> None:
        facts = call("mse_loss", shape=(64, 1), target=quantities())
        assert found(SCALE, facts, targets=targets(**({"mean": 1e6, "std": 1.0} | stats))) is None
