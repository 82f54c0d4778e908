"""The calls around a step, from sightings made by hand: what is a mistake of the loop, and what is meant."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from doctor_charts import steps, value
from doctor_loops import HERE, MADE, ask, flat, found, group, loop, looped, optimizer, sighting, watched

from trainwright.records import Location, SightingName

REPEATED: dict[str, tuple[SightingName, str, str, dict[str, Any]]] = {
    "TW501": ("gradients-carried-over", "missing-zero-grad", "zero_grad() before the backward pass (train.py", {}),
    "TW502": ("gradients-erased", "gradients-erased-before-step", "move the zeroing (train.py:41)", {}),
    "TW504": ("step-without-backward", "missing-backward", "before optimizer.step() (train.py:41)", {}),
    "TW508": ("clipping-without-gradients", "clipping-without-effect", "the clipping (train.py:41) between", {}),
    "TW509": (
        "clipping-scaled-gradients",
        "clip-before-unscale",
        "before the clipping (train.py",
        {"scale": 65536.0},
    ),
    "TW510": ("accumulation-not-averaged", "accumulation-not-averaged", "divide the loss by 4", {"batches": 4}),
    "TW511": ("gradients-erased-while-accumulating", "zero-grad-inside-accumulation", "(train.py:41)", {}),
}
"""Code -> what was seen, the kind that it is, what the remedy says, and the facts."""
EACH = pytest.mark.parametrize("code", REPEATED)


@EACH
def test_a_mistake_of_every_turn_is_named_with_its_line_its_step_and_how_often(code: str) -> None:
    name, kind, remedy, facts = REPEATED[code]
    finding = found(kind, watched({name: sighting(step=1, **facts)}))
    assert (finding.code, finding.kind) == (code, kind)
    assert finding.severity == ("warning" if code == "TW510" else "error")
    assert (finding.where, finding.step) == (HERE, 1)
    assert "5 of 5" in [item.value for item in finding.evidence]
    assert remedy in finding.remedies[0].text


@EACH
def test_what_was_seen_twice_is_certain(code: str) -> None:
    name, kind, _, facts = REPEATED[code]
    assert ask(kind, watched({name: sighting(2, 2, **facts)})) is not None


@EACH
@pytest.mark.parametrize(("count", "chances"), [(1, 1), (1, None), (40, 100)])
def test_what_happens_once_or_now_and_then_is_no_mistake(code: str, count: int, chances: int | None) -> None:
    name, kind, _, facts = REPEATED[code]
    assert ask(kind, watched({name: sighting(count, chances, **facts)})) is None


@EACH
def test_a_loop_in_which_nothing_was_seen_is_healthy(code: str) -> None:
    assert ask(REPEATED[code][1], watched()) is None


def test_without_a_line_of_its_own_a_finding_points_to_the_call_that_it_is_about() -> None:
    unknown = sighting(where=Location())
    assert found("missing-zero-grad", watched({"gradients-carried-over": unknown})).where == HERE
    assert found("missing-backward", watched({"step-without-backward": unknown})).where.line == 43


def test_clipping_after_the_step_is_told_from_clipping_before_the_backward_pass() -> None:
    finding = found("clipping-without-effect", watched({"clipping-after-step": sighting()}))
    assert finding.title == "the gradients are clipped after the step"


@pytest.mark.parametrize("name", ["clipping-without-gradients", "clipping-after-step"])
def test_a_call_that_only_measures_the_norm_does_not_clip(name: SightingName) -> None:
    assert ask("clipping-without-effect", watched({name: sighting(limit=math.inf)})) is None


def test_measuring_the_scaled_norm_is_no_clipping() -> None:
    assert ask("clip-before-unscale", watched({"clipping-scaled-gradients": sighting(limit=math.inf)})) is None


def test_adversarial_pairs_call_backward_several_times_a_step_and_mean_it() -> None:
    seen = sighting(batches=2)
    assert ask("accumulation-not-averaged", watched({"accumulation-not-averaged": seen}, turns=True)) is None


def test_a_closure_zeroes_and_calls_backward_many_times_in_one_step() -> None:
    seen: dict[SightingName, Any] = {"gradients-erased-while-accumulating": sighting()}
    assert ask("zero-grad-inside-accumulation", watched(seen, closures=True)) is None


class TestMissingStep:
    def seen(self, count: int = 20, **facts: Any) -> dict[SightingName, Any]:
        return {"backward-without-step": sighting(count, None, step=0, **facts)}

    @pytest.mark.parametrize(
        ("facts", "changes"),
        [({"zeroed": 19}, {}), ({}, {"epochs": 1}), ({}, {"finished": True})],
        ids=["gradients are thrown away", "an epoch is over", "the run is over"],
    )
    def test_no_step_can_be_meant_to_come(self, facts: dict[str, Any], changes: dict[str, Any]) -> None:
        chart = watched(self.seen(**facts), **({"steps": 0, "epochs": 0, "finished": False} | changes))
        finding = found("missing-optimizer-step", chart)
        assert (finding.severity, finding.where) == ("error", HERE)
        assert value(finding, "backward passes") == 20
        assert finding.remedies[0].text == "call step() of Adam (train.py:12) after the backward pass (train.py:41)"

    def test_gradients_that_are_gathered_for_a_first_step_are_waited_for(self) -> None:
        assert ask("missing-optimizer-step", watched(self.seen(64), steps=0, epochs=0, finished=False)) is None
        late = watched(self.seen(200), steps=0, epochs=0, finished=False)
        assert ask("missing-optimizer-step", late) is not None

    def test_an_optimizer_of_which_nothing_is_known_is_named_as_such(self) -> None:
        finding = found("missing-optimizer-step", watched(self.seen(), steps=0, optimizers=()))
        assert finding.remedies[0].text == "call step() of the optimizer after the backward pass (train.py:41)"

    def test_a_few_passes_are_a_trial(self) -> None:
        assert ask("missing-optimizer-step", watched(self.seen(9, zeroed=9), steps=0)) is None


class TestGraphs:
    @pytest.mark.parametrize(("steps", "sick"), [(10, True), (50, True), (9, False), (2, False)])
    def test_a_graph_that_outlived_ten_steps_is_kept(self, steps: int, sick: bool) -> None:
        finding = ask("graph-kept-alive", watched({"graph-kept": sighting(3, None, steps=steps)}))
        assert (finding is not None) == sick

    def test_the_line_of_the_loss_is_named(self) -> None:
        finding = found("graph-kept-alive", watched({"graph-kept": sighting(30, None, where=Location(), steps=30)}))
        assert finding.where.line == 40
        assert "loss.item()" in finding.remedies[0].text


class TestClippingDominates:
    seen: Mapping[SightingName, Any] = MappingProxyType(
        {"clipping-nearly-all": sighting(1, None, share=0.99, coefficient=0.01)}
    )

    def test_with_sgd_steps_of_one_length_are_a_note(self) -> None:
        finding = found("clipping-dominates", watched(self.seen, optimizers=(optimizer("SGD"),)))
        assert (finding.severity, value(finding, "share of the steps")) == ("note", 0.99)

    def test_adam_rescales_gradients_anyway(self) -> None:
        assert ask("clipping-dominates", watched(self.seen)) is None

    @pytest.mark.parametrize(("share", "coefficient"), [(0.9, 0.01), (0.99, 0.3)])
    def test_protection_now_and_then_is_what_clipping_is_for(self, share: float, coefficient: float) -> None:
        seen: dict[SightingName, Any] = {"clipping-nearly-all": sighting(share=share, coefficient=coefficient)}
        assert ask("clipping-dominates", watched(seen, optimizers=(optimizer("SGD"),))) is None


class TestUnchangedWeights:
    def test_a_rate_of_zero_is_named_where_it_was_written(self) -> None:
        facts = loop({"weights-unchanged": sighting(40, 40, step=0, rate=0.0)})
        finding = found("weights-never-updated", looped(facts, steps=steps(flat, 40, rate=lambda share: 0.0)))
        assert (finding.title, finding.where.line) == ("the learning rate is zero", 9)

    def test_a_warmup_from_zero_is_waited_for(self) -> None:
        facts = loop({"weights-unchanged": sighting(10, 10, step=0, rate=0.0)}, steps=10)
        assert ask("weights-never-updated", looped(facts, steps=[])) is None

    def test_the_end_of_a_schedule_at_zero_is_no_fault(self) -> None:
        facts = loop({"weights-unchanged": sighting(200, 300, step=100, rate=0.0)})
        assert ask("weights-never-updated", looped(facts)) is None  # its steps had a rate

    def test_steps_at_a_real_rate_that_move_nothing_are_an_error_at_once(self) -> None:
        finding = found("weights-never-updated", watched({"weights-unchanged": sighting(3, 3, rate=0.01)}))
        assert (finding.severity, finding.where) == ("error", HERE)


class TestOwnership:
    def test_a_forgotten_minority_is_an_error_at_the_line_that_made_the_optimizer(self) -> None:
        seen = sighting(count=2, chances=2, share=0.2, names="head.weight, head.bias")
        finding = found("parameters-not-in-optimizer", watched({"parameters-unowned": seen}))
        assert (finding.severity, finding.where) == ("error", MADE)
        assert value(finding, "among them") == "head.weight, head.bias"

    def test_a_linear_probe_leaves_out_the_majority_and_gets_a_note(self) -> None:
        finding = found("parameters-not-in-optimizer", watched({"parameters-unowned": sighting(share=0.9)}))
        assert finding.severity == "note"

    def test_an_output_layer_is_never_left_out_on_purpose(self) -> None:
        seen = sighting(share=0.6, output_layer=True)
        finding = found("parameters-not-in-optimizer", watched({"parameters-unowned": seen}))
        assert (finding.severity, finding.title) == ("error", "the output layer is in no optimizer")

    def test_parameters_that_are_no_longer_the_models_are_named_first(self) -> None:
        seen: dict[SightingName, Any] = {
            "parameters-not-in-model": sighting(1, None, step=0, names="fc.weight"),
            "parameters-unowned": sighting(share=0.5),
        }
        finding = found("parameters-not-in-optimizer", watched(seen))
        assert (finding.severity, finding.step) == ("error", 0)
        assert "no longer has" in finding.title


class TestLifeOfAnOptimizer:
    @pytest.mark.parametrize(("count", "severity"), [(399, "error"), (19, "error"), (3, "error")])
    def test_one_for_each_step_or_epoch_is_an_error(self, count: int, severity: str) -> None:
        seen: dict[SightingName, Any] = {"optimizer-recreated": sighting(count, None, where=MADE)}
        finding = found("optimizer-recreated", watched(seen))
        assert (finding.severity, finding.where) == (severity, MADE)
        assert "(train.py:12) out of the loop" in finding.remedies[0].text

    def test_long_rounds_are_a_warning(self) -> None:
        seen: dict[SightingName, Any] = {"optimizer-recreated": sighting(3, None)}
        assert found("optimizer-recreated", watched(seen, steps=4000)).severity == "warning"

    def test_two_or_three_stages_are_meant(self) -> None:
        assert ask("optimizer-recreated", watched({"optimizer-recreated": sighting(2, None)})) is None

    def test_plain_sgd_has_nothing_to_lose(self) -> None:
        seen: dict[SightingName, Any] = {"optimizer-recreated": sighting(399, None)}
        assert ask("optimizer-recreated", watched(seen, optimizers=(optimizer("SGD"),))) is None
        with_momentum = optimizer("SGD", [group(momentum=0.9)])
        assert ask("optimizer-recreated", watched(seen, optimizers=(with_momentum,))) is not None

    def test_a_state_that_went_to_another_optimizer_is_lost(self) -> None:
        finding = found("optimizer-state-lost-on-resume", watched({"optimizer-state-lost": sighting(1, None, step=0)}))
        assert (finding.code, finding.severity, finding.step) == ("TW516", "error", 0)

    def test_a_rebound_parameter_is_named(self) -> None:
        seen: dict[SightingName, Any] = {"parameters-rebound": sighting(1, None, name="w")}
        finding = found("parameter-rebound", watched(seen))
        assert (finding.code, value(finding, "bound anew")) == ("TW517", "w")
