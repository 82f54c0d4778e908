"""The loss before the first step, the penalty, and ten steps at the planned rate."""

from __future__ import annotations

import dataclasses
import math
from functools import partial

import cases_start as cases
import pytest
import torch
from cases_start import classes, made, mlp, optimized, values
from torch import nn
from torch.nn import functional as F

from trainwright.checks.check import Skip
from trainwright.checks.initial_loss import CHECK as INITIAL_LOSS
from trainwright.checks.learning_rate import CHECK as LEARNING_RATE
from trainwright.checks.penalty import CHECK as PENALTY
from trainwright.checks.penalty import examine as examine_penalty
from trainwright.checks.run import run_check
from trainwright.checks.subject import Subject
from trainwright.parts.losses import CATALOGUE
from trainwright.parts.penalties import Penalty
from trainwright.stages.subject import subject_of


def with_head_at_zero(loss: object, batch: tuple[torch.Tensor, torch.Tensor], outputs: int) -> Subject:
    model = mlp(batch[0].shape[1], 16, outputs)
    for parameter in model[-1].parameters():
        nn.init.zeros_(parameter)
    return subject_of(model, loss, batch)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "loss",
    [
        F.cross_entropy,
        partial(F.cross_entropy, label_smoothing=0.2),
        nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0, 10.0])),
        CATALOGUE["cross_entropy"].factory(weights=(1.0, 5.0, 1.0, 1.0), label_smoothing=0.1),
    ],
    ids=["plain", "smoothed", "weighted", "both"],
)
def test_an_output_that_favours_no_class_has_log_c_whatever_smoothing_and_weights(loss: object) -> None:
    result = run_check(made(lambda: with_head_at_zero(loss, classes(), 4))(), INITIAL_LOSS)
    assert result.status == "passed"
    assert result.measured["loss"] == pytest.approx(math.log(4), rel=1e-5)
    assert result.measured["guess"] == pytest.approx(math.log(4), rel=1e-5)


def test_the_weight_of_yes_is_in_the_expected_value() -> None:
    def build() -> Subject:
        x, y = classes(number=2)
        loss = nn.BCEWithLogitsLoss(pos_weight=torch.tensor([3.0]))
        return with_head_at_zero(loss, (x, y.float()[:, None]), 1)

    result = run_check(made(build)(), INITIAL_LOSS)
    assert result.measured["guess"] == pytest.approx(2 * math.log(2), rel=1e-5)
    assert CATALOGUE["bce_with_logits"].initial is not None
    assert result.measured["guess"] == pytest.approx(CATALOGUE["bce_with_logits"].initial(1, pos_weight=3.0), rel=1e-5)


def test_the_best_constant_answer_is_the_entropy_of_the_labels_seen() -> None:
    def build() -> Subject:
        x, _ = classes()
        return with_head_at_zero("cross_entropy", (x, (torch.arange(128) % 8 == 0).long()), 2)

    result = run_check(made(build)(), INITIAL_LOSS)
    entropy = -(math.log(1 / 8) / 8 + 7 * math.log(7 / 8) / 8)
    assert result.measured["best_constant"] == pytest.approx(entropy, rel=1e-3)
    assert "frequencies" in result.expected


def test_for_a_regression_it_is_the_variance_of_the_targets() -> None:
    def build() -> Subject:
        x, y = values()
        return with_head_at_zero("mse", (x, 5 + y), 1)

    result = run_check(made(build)(), INITIAL_LOSS)
    y = made(build)().y
    assert result.measured["best_constant"] == pytest.approx(float(y.var(correction=0)), rel=1e-3)
    assert result.measured["guess"] == pytest.approx(float(y.square().mean()), rel=1e-5)


def test_pretrained_weights_and_unknown_losses_are_skipped_with_their_reason() -> None:
    subject = made(lambda: subject_of(mlp(8, 16, 4), "cross_entropy", classes()))()
    told = run_check(dataclasses.replace(subject, pretrained=True), INITIAL_LOSS)
    foreign = made(lambda: subject_of(mlp(8, 16, 1), lambda z, y: z.exp().mean(), classes()))()
    unknown = run_check(foreign, INITIAL_LOSS)
    assert (told.status, unknown.status) == ("skipped", "skipped")
    assert "pretrained" in told.reason
    assert "no known one" in unknown.reason


def test_a_deep_network_of_fresh_batch_norms_is_seen_as_training_will_see_it() -> None:
    def build() -> Subject:
        layers = [module for _ in range(8) for module in (nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())]
        for layer in layers:
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=1.0)
        model = nn.Sequential(nn.Conv2d(1, 8, 3), *layers, nn.Flatten(), nn.Linear(288, 3)).eval()
        return subject_of(model, "cross_entropy", (torch.randn(48, 1, 8, 8), torch.arange(48) % 3))

    result = run_check(made(build)(), INITIAL_LOSS)
    assert result.status == "passed", result.findings
    assert result.measured["loss"] < 2.5


def test_weights_that_nobody_called_pretrained_are_noted_and_no_more() -> None:
    subject = dataclasses.replace(made(lambda: cases.not_reset(fresh=False))(), pretrained=None)
    [finding] = run_check(subject, INITIAL_LOSS).findings
    assert (finding.kind, finding.severity) == ("initial-loss-too-low", "note")


def test_luck_on_two_clusters_is_no_knowledge() -> None:
    def build() -> Subject:
        y = torch.arange(128) % 2
        x = 8 * torch.randn(2, 6)[y] + torch.randn(128, 6)
        model = mlp(6, 32, 2)
        return subject_of(model, "cross_entropy", (x, y))

    for seed in range(12):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            result = run_check(build(), INITIAL_LOSS)
        assert not [finding for finding in result.findings if finding.kind == "initial-loss-too-low"]


def test_a_loss_that_is_no_number_is_an_error_at_once() -> None:
    def build() -> Subject:
        model = mlp(8, 16, 4)
        with torch.no_grad():
            model[0].weight[0, 0] = math.nan  # type: ignore[index]
        return subject_of(model, "cross_entropy", classes())

    result = run_check(made(build)(), INITIAL_LOSS)
    assert result.status == "failed"
    assert result.findings[0].kind == "non-finite-loss"


def test_decoupled_decay_and_decay_by_the_gradient_are_told_apart() -> None:
    def build(name: str) -> Subject:
        model = mlp(8, 16, 4)
        return subject_of(
            model, "cross_entropy", classes(), optimizer=optimized(model, name, lr=1e-2, weight_decay=0.1)
        )

    forms = {name: run_check(made(partial(build, name))(), PENALTY) for name in ("AdamW", "SGD", "Adam")}
    assert {name: result.measured["decay_form"] for name, result in forms.items()} == {
        "AdamW": "decoupled",
        "SGD": "decoupled",  # without momentum and scaling it comes to the same
        "Adam": "by the gradient",
    }
    assert forms["AdamW"].measured["decay_share"] == pytest.approx(1e-3, rel=1e-3)


def test_state_from_earlier_steps_does_not_pass_for_decay() -> None:
    def build() -> Subject:
        model, (x, y) = mlp(8, 16, 4), classes()
        optimizer = cases.NeverDecays(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        optimizer.zero_grad()
        return subject_of(model, "cross_entropy", (x, y), optimizer=optimizer)

    assert run_check(made(build)(), PENALTY).status == "failed"


def test_a_decay_too_small_for_float32_is_a_note() -> None:
    model = mlp(8, 16, 4)
    optimizer = optimized(model, lr=1e-4, weight_decay=1e-6)
    [finding] = run_check(subject_of(model, "cross_entropy", classes(), optimizer=optimizer), PENALTY).findings
    assert finding.severity == "note"
    assert "float32" in finding.because


def test_a_penalty_inside_the_loss_is_seen_by_its_own_way_to_the_weights() -> None:
    model = mlp(8, 16, 4)
    penalty = Penalty(model, l2=1e-2)

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(output, target) + penalty()

    result = run_check(subject_of(model, loss, classes()), PENALTY)
    assert result.status == "passed"
    assert result.measured["penalty_gradient"] > 0


def test_without_any_regularisation_there_is_nothing_to_judge() -> None:
    with pytest.raises(Skip, match="no weight decay is planned, and no penalty"):
        examine_penalty(subject_of(mlp(8, 16, 4), "cross_entropy", classes()))


def test_a_warmup_that_is_planned_turns_a_rise_at_the_full_rate_into_a_note() -> None:
    def build(schedule: object) -> Subject:
        model = mlp(8, 32, 32, 4)
        return subject_of(
            model,
            "cross_entropy",
            classes(),
            optimizer=optimized(model, "Adam", lr=2.0),
            schedule=schedule,
            planned_steps=1000,
        )

    sudden = run_check(made(lambda: build(None))(), LEARNING_RATE)
    slow = run_check(made(lambda: build(lambda step: min(1.0, step / 100)))(), LEARNING_RATE)
    if sudden.findings:  # both see the full rate
        assert slow.measured["losses"] == sudden.measured["losses"]
        assert slow.findings[0].severity in ("note", "warning")


def test_the_finding_of_a_high_rate_names_one_at_which_the_loss_falls() -> None:
    [finding] = run_check(made(lambda: cases.stepping("SGD", 30.0))(), LEARNING_RATE).findings
    assert finding.severity == "error"
    change = finding.remedies[0].change
    assert change is not None
    lower = run_check(made(lambda: cases.stepping("SGD", float(change["optimizer.lr"])))(), LEARNING_RATE)
    assert lower.status == "passed"


def test_a_loss_that_is_maximised_is_named_so_and_is_no_matter_of_the_rate() -> None:
    def build() -> Subject:
        model = mlp(8, 32, 4)
        return subject_of(model, "cross_entropy", classes(), optimizer=optimized(model, "SGD", lr=0.5, maximize=True))

    [finding] = run_check(made(build)(), LEARNING_RATE).findings
    assert (finding.kind, finding.severity) == ("loss-maximised", "error")


def test_fine_tuning_at_a_tiny_rate_is_left_in_peace() -> None:
    subject = dataclasses.replace(made(lambda: cases.stepping("Adam", 1e-8))(), pretrained=True)
    assert run_check(subject, LEARNING_RATE).status == "passed"


def test_a_rate_that_a_scheduler_has_set_low_is_tried_in_full() -> None:
    def build() -> Subject:
        model = mlp(8, 32, 4)
        optimizer = optimized(model, "SGD", lr=0.1)
        torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1e-6, total_iters=100)
        return subject_of(model, "cross_entropy", classes(), optimizer=optimizer)

    result = run_check(made(build)(), LEARNING_RATE)
    assert result.status == "passed"
    assert result.measured["rate"] == pytest.approx(0.1)
