"""Schedulers, modes, precision, decay, the model and its data, as a foreign loop was seen to use them."""

from __future__ import annotations

from typing import Any

import pytest
from doctor_charts import CONSTANT, call, entered, info, steps, targets, value
from doctor_loops import (
    HERE,
    MADE,
    ask,
    flat,
    found,
    group,
    loop,
    looped,
    optimizer,
    scheduler,
    sighting,
    watched,
    with_norms,
)

from trainwright.doctor.loop_model import loss_without_graph
from trainwright.records import Chart, Location, SchedulerFacts, SightingName


def scheduled(made: SchedulerFacts, **changes: Any) -> Chart:
    return watched(schedulers=(made,), **changes)


class TestFrequency:
    kind = "scheduler-wrong-frequency"
    per_batch = scheduler(horizon=5, calls=400, calls_in_first_epoch=20)

    def test_a_cosine_over_epochs_that_is_stepped_every_batch_is_an_error_after_the_first_epoch(self) -> None:
        early = scheduler(horizon=5, calls=20, calls_in_first_epoch=20, optimizer_steps=20, epochs=1)
        finding = found(self.kind, scheduled(early, finished=False))
        assert (finding.severity, finding.where, finding.step) == ("error", HERE, 5)
        assert "set T_max to epochs * len(loader) (train.py:12)" in finding.remedies[0].text
        assert "comes back up" in finding.because
        assert value(finding, "LR so far") == "20 calls, 20 steps, 1 epochs"

    def test_where_the_run_is_over_a_length_of_its_epochs_is_an_error_however_short_they_were(self) -> None:
        made = scheduler(horizon=20, calls=400, calls_in_first_epoch=20)
        assert found(self.kind, scheduled(made)).severity == "error"

    def test_while_its_epochs_are_not_known_a_schedule_that_bounces_is_a_warning(self) -> None:
        made = scheduler(horizon=20, calls=60, calls_in_first_epoch=20, optimizer_steps=60, epochs=3)
        assert found(self.kind, scheduled(made, finished=False)).severity == "warning"

    def test_batches_and_epochs_both_step_it(self) -> None:
        other = Location(file="/home/me/train.py", line=50)
        made = scheduler(calls=420, horizon=400, call_places=(HERE, other), calls_in_first_epoch=21)
        finding = found(self.kind, scheduled(made))
        assert (finding.severity, value(finding, "lines")) == ("warning", "line 41 and line 50")

    def test_a_schedule_of_batches_that_is_stepped_every_epoch_never_leaves_its_start(self) -> None:
        finding = found(self.kind, scheduled(scheduler(horizon=400, low=0.099, last_rate=0.099)))
        assert (finding.severity, finding.where) == ("warning", HERE)
        assert "after each optimizer.step()" in finding.remedies[0].text

    @pytest.mark.parametrize(
        "made",
        [
            scheduler(),
            scheduler(horizon=400, calls=400, calls_in_first_epoch=20),
            scheduler("CosineAnnealingWarmRestarts", cyclic=True, horizon=5, calls=400, calls_in_first_epoch=20),
            scheduler("OneCycleLR", horizon=400, calls=400, first_rate=0.004, calls_in_first_epoch=20),
            scheduler("LinearLR", horizon=5, calls=400, first_rate=0.0, last_rate=0.1, calls_in_first_epoch=20),
            scheduler(
                "MultiStepLR",
                horizon=1000,
                calls=6000,
                optimizer_steps=6000,
                epochs=3,
                low=0.001,
                last_rate=0.001,
                calls_in_first_epoch=2000,
            ),
            scheduler("StepLR", horizon=None, calls=400, calls_in_first_epoch=20),
            scheduler("LambdaLR", horizon=None, calls=0),
            scheduler(horizon=200),
            scheduler(calls=400, horizon=400, call_places=(HERE, MADE), calls_in_first_epoch=20),
        ],
        ids=[
            "once an epoch",
            "every batch",
            "restarts",
            "one cycle",
            "a warmup that is over",
            "milestones in the first epoch",
            "no length",
            "never called",
            "stopped early",
            "two branches of one call",
        ],
    )
    def test_schedules_that_are_stepped_as_they_were_meant_are_healthy(self, made: SchedulerFacts) -> None:
        assert ask(self.kind, scheduled(made)) is None

    def test_milestones_of_epochs_that_are_passed_within_a_few_batches_are_an_error(self) -> None:
        made = scheduler("MultiStepLR", horizon=9, calls=390, optimizer_steps=390, calls_in_first_epoch=390, epochs=1)
        assert found(self.kind, scheduled(made, finished=False)).severity == "error"


class TestStepping:
    def test_a_scheduler_that_nobody_steps_is_named_where_it_was_made(self) -> None:
        finding = found("scheduler-never-stepped", scheduled(scheduler(calls=0, epochs=2), finished=False))
        assert (finding.severity, finding.where) == ("warning", MADE)

    def test_a_run_without_epochs_has_to_be_over(self) -> None:
        made = scheduler(calls=0, epochs=0, steps_per_epoch=None)
        assert ask("scheduler-never-stepped", scheduled(made, finished=False)) is None
        assert ask("scheduler-never-stepped", scheduled(made)) is not None

    def test_one_that_another_steps_from_inside_is_left_alone(self) -> None:
        inner, outer = scheduler(calls=0), scheduler("SequentialLR")
        assert ask("scheduler-never-stepped", watched(schedulers=(inner, outer))) is None

    def test_the_first_epoch_is_waited_for(self) -> None:
        assert ask("scheduler-never-stepped", scheduled(scheduler(calls=0, epochs=1))) is None

    def test_a_call_before_the_first_step_is_a_warning(self) -> None:
        chart = watched({"scheduler-before-optimizer": sighting(1, None, step=0)}, schedulers=(scheduler(),))
        finding = found("scheduler-before-optimizer", chart)
        assert finding.severity == "warning"
        assert finding.remedies[0].text == "move scheduler.step() (train.py:41) behind optimizer.step() (train.py:43)"

    def test_a_scaler_that_skips_its_first_steps_only_makes_it_look_so(self) -> None:
        seen: dict[SightingName, Any] = {"scheduler-before-optimizer": sighting(1), "scaler-skipped": sighting(1, 400)}
        assert ask("scheduler-before-optimizer", watched(seen)) is None

    def test_many_calls_move_a_resumed_run_on(self) -> None:
        made = scheduler(calls_before_first_step=50)
        chart = watched({"scheduler-before-optimizer": sighting(50)}, schedulers=(made,))
        assert ask("scheduler-before-optimizer", chart) is None


class TestWarmup:
    def chart(self, *, rate: Any = None, spike: float = 2.0, norm: float = 20.0, **changes: Any) -> Chart:
        losses = [CONSTANT, *[spike * CONSTANT] * 10, *[0.5 * CONSTANT] * 389]
        rows = with_norms([norm] * 20 + [1.0] * 380, losses, rate=rate)
        return looped(loop(attention=True, **changes), steps=rows)

    def test_a_spike_with_large_gradients_under_attention_and_adam_is_a_warning(self) -> None:
        finding = found("warmup-missing", self.chart())
        assert (finding.code, finding.severity) == ("TW606", "warning")

    @pytest.mark.parametrize(
        "chart",
        [
            {"spike": 1.1},
            {"norm": 5.0},
            {"rate": lambda share: min(1.0, 10 * share)},
            {"optimizers": (optimizer("SGD"),)},
        ],
        ids=["no spike", "no large gradients", "a warmup", "no Adam"],
    )
    def test_without_one_of_them_it_is_not(self, chart: dict[str, Any]) -> None:
        assert ask("warmup-missing", self.chart(**chart)) is None


class TestModes:
    def test_evaluation_mode_that_was_not_undone_is_an_error(self) -> None:
        seen = sighting(3, None, step=21, flipped=True, modules="2 Dropout")
        finding = found("training-in-eval-mode", watched({"training-in-evaluation-mode": seen}))
        assert (finding.severity, finding.step) == ("error", 21)
        assert value(finding, "modules") == "2 Dropout"

    def test_what_is_undone_at_the_next_epoch_is_a_warning(self) -> None:
        seen = sighting(30, None, flipped=True, restored=True)
        assert found("training-in-eval-mode", watched({"training-in-evaluation-mode": seen})).severity == "warning"

    def test_from_the_start_and_untrained_it_is_a_warning(self) -> None:
        seen: dict[SightingName, Any] = {"training-in-evaluation-mode": sighting(5, None, step=0)}
        assert found("training-in-eval-mode", watched(seen)).severity == "warning"

    def test_fine_tuning_that_begins_in_evaluation_mode_may_mean_it(self) -> None:
        seen: dict[SightingName, Any] = {"training-in-evaluation-mode": sighting(5, None, step=0)}
        knows = looped(loop(seen), steps=steps(lambda share: 0.2 * CONSTANT))
        unknown = looped(loop(seen), targets=targets(constant_loss=None))
        loaded = watched({"training-in-evaluation-mode": sighting(5, None, step=0, loaded=True)})
        assert [ask("training-in-eval-mode", chart) for chart in (knows, unknown, loaded)] == [None] * 3

    def test_a_reinforcement_stage_with_an_optimizer_of_its_own_means_it(self) -> None:
        stages = (optimizer(steps=80), optimizer(steps=240))
        seen = sighting(240, None, step=80, flipped=True)
        assert ask("training-in-eval-mode", watched({"training-in-evaluation-mode": seen}, optimizers=stages)) is None

    def test_single_batches_in_evaluation_mode_are_let_pass(self) -> None:
        seen = sighting(2, None, flipped=True)
        assert ask("training-in-eval-mode", watched({"training-in-evaluation-mode": seen})) is None

    def test_an_evaluation_in_training_mode_is_a_warning(self) -> None:
        seen: dict[SightingName, Any] = {"evaluating-in-training-mode": sighting()}
        assert found("evaluating-in-train-mode", watched(seen)).severity == "warning"
        assert ask("evaluating-in-train-mode", watched(seen, turns=True)) is None
        assert ask("evaluating-in-train-mode", watched({"evaluating-in-training-mode": sighting(4)})) is None

    def test_dropout_that_forgot_the_mode_is_told_from_one_that_was_written_so(self) -> None:
        assert found("dropout-always-on", watched({"dropout-in-evaluation": sighting()})).code == "TW703"
        assert ask("dropout-always-on", watched({"dropout-in-evaluation": sighting(explicit=True)})) is None

    def test_graphs_of_evaluations_are_a_note(self) -> None:
        seen: dict[SightingName, Any] = {"gradients-tracked-in-evaluation": sighting(20, 20)}
        assert found("gradients-tracked-in-evaluation", watched(seen)).severity == "note"


class TestPrecision:
    def test_zeros_in_float16_without_a_scaler_are_an_error(self) -> None:
        seen = sighting(share=0.7, dtype="float16")
        assert found("fp16-underflow", watched({"gradients-underflowed": seen})).severity == "error"
        both: dict[SightingName, Any] = {"gradients-underflowed": seen, "scaler-skipped": sighting(1, 400)}
        assert ask("fp16-underflow", watched(both)) is None
        assert ask("fp16-underflow", watched({"gradients-underflowed": sighting(share=0.3, dtype="float16")})) is None

    @pytest.mark.parametrize(("skipped", "sick"), [(5, False), (10, False), (11, True), (50, True)])
    def test_a_scaler_may_search_for_its_scale_and_no_longer(self, skipped: int, sick: bool) -> None:
        seen = sighting(skipped, 50, skipped=skipped, steps=50)
        finding = ask("scaler-keeps-skipping", watched({"scaler-skipped": seen}))
        assert (finding is not None) == sick

    def test_first_skips_are_too_few_to_be_counted(self) -> None:
        assert ask("scaler-keeps-skipping", watched({"scaler-skipped": sighting(8, 20, skipped=8, steps=20)})) is None

    def test_half_precision_weights_that_do_not_move_are_a_warning(self) -> None:
        seen = sighting(share=0.97, dtype="bfloat16")
        finding = found("bf16-updates-lost", watched({"weights-mostly-unchanged": seen}))
        assert finding.title == "bfloat16 weights are too coarse for the updates"

    def test_float32_weights_and_rates_that_have_decayed_are_let_pass(self) -> None:
        single = watched({"weights-mostly-unchanged": sighting(share=0.97, dtype="float32")})
        facts = loop({"weights-mostly-unchanged": sighting(share=0.97, dtype="bfloat16")})
        decayed = looped(facts, steps=steps(flat, rate=lambda share: 1 - share))
        assert [ask("bf16-updates-lost", chart) for chart in (single, decayed)] == [None, None]

    def test_autocast_without_effect_is_a_warning(self) -> None:
        seen = sighting(dtype="bfloat16")
        assert found("autocast-not-applied", watched({"autocast-without-effect": seen})).where == HERE


class TestDecay:
    def test_a_decoupled_decay_that_takes_a_third_of_the_gains_is_a_warning(self) -> None:
        strong = optimizer("AdamW", [group(decay=1.0, rate=0.001, decoupled=True, undecayable=3, names=("bn.weight",))])
        finding = found("weight-decay-on-bias-or-norm", watched(optimizers=(strong,)))
        assert (finding.severity, finding.where.parameter) == ("warning", "bn.weight")

    @pytest.mark.parametrize("name", ["SGD", "AdamW"])
    def test_a_small_one_is_a_note(self, name: str) -> None:
        small = optimizer(name, [group(decay=5e-4, decoupled=name == "AdamW", undecayable=3)])
        assert found("weight-decay-on-bias-or-norm", watched(optimizers=(small,))).severity == "note"

    def test_two_groups_are_healthy(self) -> None:
        groups = [group(decay=0.1, decoupled=True), group(undecayable=5)]
        assert ask("weight-decay-on-bias-or-norm", watched(optimizers=(optimizer("AdamW", groups),))) is None

    @pytest.mark.parametrize(("decay", "severity"), [(0.01, "warning"), (5e-4, "note")])
    def test_l2_goes_through_adams_division(self, decay: float, severity: str) -> None:
        chart = watched(optimizers=(optimizer("Adam", [group(decay=decay)]),))
        finding = found("l2-inside-adam", chart)
        assert (finding.severity, finding.where) == (severity, MADE)
        assert ask("l2-inside-adam", watched(optimizers=(optimizer("SGD", [group(decay=decay)]),))) is None

    def test_an_epsilon_below_float16_is_zero(self) -> None:
        half = optimizer("Adam", [group(dtype="float16")])
        assert found("epsilon-wrong-for-dtype", watched(optimizers=(half,))).severity == "error"
        for well in (group(dtype="float16", epsilon=1e-4), group(dtype="bfloat16"), group()):
            assert ask("epsilon-wrong-for-dtype", watched(optimizers=(optimizer("Adam", [well]),))) is None
        zero = optimizer("Adam", [group(epsilon=0.0)])
        assert found("epsilon-wrong-for-dtype", watched(optimizers=(zero,))).severity == "warning"

    @pytest.mark.parametrize(
        "made",
        [
            optimizer("SGD", [group(rate=0.01, decay=1.0, decay_to_gradient=30.0)]),
            optimizer("AdamW", [group(decay=10.0, decoupled=True)]),
        ],
        ids=["outweighs the gradient", "halves the weights"],
    )
    def test_a_decay_of_a_run_that_stays_high_is_too_strong(self, made: Any) -> None:
        sick = looped(loop(optimizers=(made,)), steps=steps(flat))
        assert found("weight-decay-too-strong", sick).severity == "warning"
        assert ask("weight-decay-too-strong", watched(optimizers=(made,))) is None  # its loss fell all the same

    def test_adamw_at_a_tenth_is_healthy_whatever_the_gradient(self) -> None:
        made = optimizer("AdamW", [group(decay=0.1, decoupled=True, decay_to_gradient=100.0)])
        assert ask("weight-decay-too-strong", looped(loop(optimizers=(made,)), steps=steps(flat))) is None


class TestModel:
    def test_hidden_layers_are_named_with_the_attribute_that_holds_them(self) -> None:
        seen = sighting(1, 1, step=0, module="encoder", attribute="layers")
        finding = found("unregistered-submodule", watched({"parameters-unregistered": seen}))
        assert (finding.severity, finding.where.module, value(finding, "held in")) == (
            "error",
            "encoder",
            "encoder.layers",
        )
        assert "make self.layers an nn.ModuleList" in finding.remedies[0].text

    def test_an_optimizer_of_nothing_but_frozen_parameters_is_an_error(self) -> None:
        seen = sighting(1, 1, step=0, trainable=0)
        assert found("parameters-frozen", watched({"parameters-frozen": seen})).severity == "error"

    def test_a_frozen_backbone_in_a_group_of_its_own_gets_a_note(self) -> None:
        seen = sighting(1, 1, trainable=2)
        assert found("parameters-frozen", watched({"parameters-frozen": seen})).severity == "note"

    def test_parameters_whose_value_reaches_the_loss_must_get_a_gradient(self) -> None:
        seen = sighting(names="encoder.weight")
        assert found("parameters-without-gradient", watched({"parameters-without-gradient": seen})).severity == "error"

    def test_an_unused_head_gets_a_note_and_an_idle_expert_nothing(self) -> None:
        unused = watched({"parameters-without-gradient": sighting(feeds=False)})
        assert found("parameters-without-gradient", unused).severity == "note"
        idle: dict[SightingName, Any] = {"parameters-without-gradient": sighting(30, 40)}
        assert ask("parameters-without-gradient", watched(idle)) is None

    @pytest.mark.parametrize(
        ("samples", "count", "severity"),
        [(1, 1, "error"), (2, 20, "warning"), (4, 20, "warning"), (5, 20, None), (64, 20, None), (3, 1, None)],
    )
    def test_batch_norm_over_a_handful_of_values(self, samples: int, count: int, severity: str | None) -> None:
        seen = sighting(count, 20, samples=samples)
        finding = ask("batch-norm-tiny-batch", watched({"batch-of-one-normalised": seen}))
        assert (finding and finding.severity) == severity

    @pytest.mark.parametrize(
        ("facts", "sick"),
        [
            ({"missing": 10, "total": 10}, True),
            ({"missing": 10, "total": 10, "unexpected": 10}, True),
            ({"missing": 8, "total": 10, "unexpected": 8}, True),
            ({"missing": 2, "total": 10, "unexpected": 2}, False),
            ({"missing": 98, "total": 100, "unexpected": 0}, False),
            ({"missing": 5, "total": 10}, False),
            ({}, False),
        ],
        ids=["nothing fits", "a prefix", "most renamed", "a new head", "an adapter", "half, unknown", "no facts"],
    )
    def test_weights_that_fit_nowhere_were_not_loaded(self, facts: dict[str, Any], sick: bool) -> None:
        finding = ask("weights-not-loaded", watched({"keys-not-loaded": sighting(1, None, step=0, **facts)}))
        assert (finding is not None) == sick


class TestData:
    def test_labels_in_blocks_are_a_warning_in_the_first_epoch(self) -> None:
        seen = sighting(20, 20, entropy=0.05)
        finding = found("data-not-shuffled", watched({"labels-in-blocks": seen}))
        assert (finding.title, finding.where) == ("the training data come sorted by label", HERE)
        assert ask("data-not-shuffled", watched({"labels-in-blocks": sighting(20, 20, entropy=0.9)})) is None

    def test_the_same_order_in_three_epochs_is_a_warning(self) -> None:
        assert found("data-not-shuffled", watched({"batches-in-same-order": sighting(3, None, epochs=3)})) is not None
        assert ask("data-not-shuffled", watched({"batches-in-same-order": sighting(2, None, epochs=2)})) is None

    def test_series_and_tokens_have_an_order_that_is_meant(self) -> None:
        facts = loop({"batches-in-same-order": sighting(9, None, epochs=9)})
        series, full = looped(facts, task="regression"), looped(facts, steps_per_epoch=1)
        tokens = looped(facts, output=call(target=entered(copied=0.02)))
        assert [ask("data-not-shuffled", chart) for chart in (series, full, tokens)] == [None] * 3

    def test_equal_draws_in_different_workers_are_an_error(self) -> None:
        seen = sighting(30, 40, workers=4)
        assert found("duplicate-worker-randomness", watched({"worker-randomness-repeated": seen})).severity == "error"

    @pytest.mark.parametrize(("waiting", "count", "sick"), [(0.6, 50, True), (0.5, 50, False), (0.9, 15, False)])
    def test_waiting_for_data_is_a_note(self, waiting: float, count: int, sick: bool) -> None:
        finding = ask("slow-data-loading", watched(waiting_fraction=waiting, steps=count))
        assert (finding and finding.severity) == ("note" if sick else None)


def test_a_loss_that_leads_nowhere_is_named_with_what_cut_it() -> None:
    finding = loss_without_graph(watched({"loss-without-graph": sighting(1, None, step=0, operation="argmax")}))
    assert finding is not None
    assert (finding.code, finding.severity) == ("TW311", "error")
    assert loss_without_graph(Chart(info=info())) is None
