"""What a loss says beside what it should: its sign, its weight, its pairs, its tokens, and what it returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from cases_loss import CLASSES, IDS, VALUES, YES, D, X, flat, net
from cases_loss_more import CASES, FOLLOWING, SQUARE, TOKENS, Words, by_hand, negated, of, stepping, unbalanced
from cases_start import made
from checks_cases import Case
from torch import nn
from torch.nn import functional as F

from trainwright.checks.initial_loss import CHECK as INITIAL_LOSS
from trainwright.checks.learning_rate import CHECK as LEARNING_RATE
from trainwright.checks.loss_fits import CHECK as LOSS_FITS
from trainwright.checks.run import run_check
from trainwright.checks.subject import Subject
from trainwright.checks.tiny_batch import CHECK as TINY_BATCH
from trainwright.errors import ModelError
from trainwright.randomness import isolated
from trainwright.stages.subject import subject_of
from trainwright.stages.verify import verify_subject
from trainwright.vitals.output_order import order_of_ids

ALONE = [case for case in CASES if case.check == "loss-fits"]


@pytest.mark.parametrize("case", ALONE, ids=lambda case: case.name)
def test_a_planted_fault_of_the_loss_is_the_one_error_of_the_verdict(case: Case) -> None:
    found = verify_subject(case.sick(), [LOSS_FITS, INITIAL_LOSS, TINY_BATCH]).findings
    assert [finding.kind for finding in found] == [case.kind]


def against_a_judge(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(output, y) - 0.3 * F.cross_entropy(output.flip(1), y)


def pushed_away(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (4 - F.mse_loss(output[:, 0], VALUES[: len(output)])).relu()


def saturating(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return -F.binary_cross_entropy_with_logits(output, torch.zeros_like(output))


def advantage(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (F.cross_entropy(output, y, reduction="none") * VALUES[: len(y)]).mean()


def density(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (output[:, 1] + ((output[:, 0] - y) / output[:, 1].exp()) ** 2 / 2).mean() + 0 * F.mse_loss(output[:, 0], y)


def hinge(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return F.relu(1e-4 - output.abs()).mean() + 0 * F.l1_loss(output[:, 0], VALUES[: len(y)])


class ZeroHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = net(8), nn.Linear(8, CLASSES)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x))


class Own(nn.Module):
    """Keeps a loss of its own, computed within its forward."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.cost = net(), torch.zeros(())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        output = self.body(x)
        self.cost = (output - 1).square().mean()
        return output


def kept_inside() -> Subject:
    model = Own()

    def loss(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return model.cost + 0 * F.cross_entropy(output, y)

    return subject_of(model, loss, (X.clone(), IDS.clone()))


class Mixer(nn.Module):
    """Ends in a layer over the places, and keeps its classes before them."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = Words(9), nn.Linear(9, 9)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.places(self.words(ids).transpose(1, 2)) + 0.0


def shifted_in_the_loss(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return flat(output[:, :-1], y[:, 1:])


CONTROLS: dict[str, Callable[[], Subject]] = {
    "one of two losses is subtracted": of(net, against_a_judge, X, IDS),
    "a margin that ends": of(lambda: net(1), pushed_away, X, VALUES),
    "a generator against its judge": of(lambda: net(1), saturating, X, VALUES[:, None]),
    "advantages of both signs": of(net, advantage, X, IDS),
    "a density": of(lambda: net(2), density, X, VALUES),
    "a hinge at its end": of(lambda: net(1), hinge, X, VALUES),
    "a loss that the model keeps": made(kept_inside),
    "a head of zeros": of(ZeroHead, nn.CrossEntropyLoss(), X, IDS),
    "tokens shifted in the loss": of(lambda: Words(9), shifted_in_the_loss, TOKENS, TOKENS),
    "tokens shifted in the model": of(lambda: Words(9, shifts=True), flat, TOKENS, TOKENS),
    "hidden tokens": of(
        lambda: Words(9), flat, torch.where(TOKENS < 3, 0, TOKENS), torch.where(TOKENS < 3, TOKENS, -100)
    ),
    "as many places as classes, flattened": of(lambda: Words(9), flat, SQUARE, SQUARE.roll(-1, 1)),
    "a layer over the places": of(Mixer, nn.CrossEntropyLoss(), SQUARE, SQUARE.roll(-1, 1)),
    "counts in a steep row": of(lambda: net(1), nn.MSELoss(), X, (X[:, :1].exp() * 2).floor()),
}


@pytest.mark.parametrize("build", CONTROLS.values(), ids=CONTROLS)
def test_a_healthy_loss_is_left_alone(build: Callable[[], Subject]) -> None:
    result = run_check(build(), LOSS_FITS)
    assert (result.status, result.findings) == ("passed", ())


def test_an_autoencoder_of_tokens_is_a_note_and_no_more() -> None:
    [finding] = run_check(of(lambda: Words(9, both=True), flat, TOKENS, TOKENS)(), LOSS_FITS).findings
    assert (finding.kind, finding.severity) == ("next-token-not-shifted", "note")


def test_a_negated_loss_that_is_maximised_is_right() -> None:
    subject = stepping(negated, maximize=True)()
    assert not run_check(subject, LOSS_FITS).findings
    assert not run_check(subject, LEARNING_RATE).findings


def test_an_objective_without_an_end_may_be_maximised() -> None:
    def likelihood(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return -((output - F.one_hot(y, CLASSES)) ** 2).sum(1).mean()

    assert not run_check(stepping(likelihood, maximize=True)(), LEARNING_RATE).findings
    assert not run_check(stepping(likelihood)(), LOSS_FITS).findings


def test_an_optimizer_with_the_wrong_sign_is_named() -> None:
    class Climbing(torch.optim.SGD):
        @torch.no_grad()
        def step(self, closure: Any = None) -> None:
            for group in self.param_groups:
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        parameter.add_(parameter.grad, alpha=group["lr"])

    def build() -> Subject:
        model = net()
        optimizer = Climbing(model.parameters(), lr=0.1)
        return subject_of(model, nn.CrossEntropyLoss(), (X.clone(), IDS.clone()), optimizer=optimizer)

    [finding] = run_check(made(build)(), LEARNING_RATE).findings
    assert (finding.kind, finding.severity) == ("loss-maximised", "error")
    assert finding.remedies[0].text.startswith("look at the sign")


def test_an_activation_out_of_reach_leads_and_what_follows_from_it_is_silent() -> None:
    case = next(case for case in CASES if case.kind == "relu-on-output")
    [finding] = verify_subject(case.sick(), [LOSS_FITS, TINY_BATCH]).findings
    assert (finding.kind, finding.severity) == ("relu-on-output", "error")
    assert "sigmoid" in finding.because


def test_a_handful_under_a_loss_of_all_pairs_is_not_said_to_have_one_target() -> None:
    reason = run_check(of(lambda: net(1), nn.MSELoss(), X, VALUES)(), TINY_BATCH).reason
    assert "does not tell them apart" in reason


@pytest.mark.parametrize(
    ("value", "said", "remedy"),
    [
        (lambda loss, z: (loss, z), "a tuple of 2 (Tensor, Tensor)", "[0]"),
        (lambda loss, z: {"loss": loss}, "a dict of 1 (Tensor)", "['loss']"),
        (lambda loss, z: None, "None", "return loss"),
        (lambda loss, z: 0.5, "0.5, a number without a graph (float)", "0-dimensional tensor"),
        (lambda loss, z: loss.detach().numpy(), "a ndarray", "no .item(), float() or .numpy()"),
    ],
    ids=["tuple", "dict", "None", "float", "array"],
)
def test_a_loss_that_returns_no_tensor_is_refused_at_once_and_told_what_it_returned(
    value: Callable[..., Any], said: str, remedy: str
) -> None:
    with pytest.raises(ModelError) as caught:
        subject_of(net(), lambda z, y: value(F.cross_entropy(z, y), z), (X, IDS))
    assert caught.value.what == "the loss must be a single number, in a tensor"
    assert said in str(caught.value)
    assert remedy in str(caught.value)


@pytest.mark.parametrize(
    ("model", "loss", "y", "guess"),
    [
        (lambda: net(1, nn.Sigmoid()), nn.BCELoss(), YES.float()[:, None], 0.6931),
        (lambda: net(1), nn.PoissonNLLLoss(), (X[:, :1].exp() * 2).floor(), 1.0),
        (net, lambda z, y: F.cross_entropy(z, y), IDS, 1.3863),
        (lambda: net(4, nn.LogSoftmax(1)), lambda z, y: F.nll_loss(z, y), IDS, 1.3863),
        (lambda: net(1), lambda z, y: F.mse_loss(z.squeeze(1), y), VALUES, float(VALUES.square().mean())),
    ],
    ids=["bce", "poisson", "cross-entropy", "nll", "squares"],
)
def test_what_a_loss_should_be_at_first_is_known_from_what_it_calls(
    model: Callable[[], nn.Module], loss: Any, y: torch.Tensor, guess: float
) -> None:
    result = run_check(of(model, loss, X, y)(), INITIAL_LOSS)
    assert (result.status, result.findings) == ("passed", ())
    assert result.measured["guess"] == pytest.approx(guess, rel=1e-3)
    assert result.measured["best_constant"] <= result.measured["guess"]


def test_a_loss_that_adds_something_is_not_taken_for_the_one_that_it_calls() -> None:
    result = run_check(of(net, lambda z, y: F.cross_entropy(z, y) + z.abs().mean(), X, IDS)(), INITIAL_LOSS)
    assert result.status == "skipped"


def scales(seed: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return quantities that are whole numbers, in three shapes of dependence."""
    with isolated(seed, "scales"):
        x = torch.randn(240, 4)
        line = x @ torch.tensor([1.0, 0.5, 0.0, 0.0])
        along = 4 * torch.rand(240)
        wound = torch.stack([(along * pace).sin() for pace in (0.5, 1, 2, 3, 4, 5)], 1)
        return [
            (x, (line + 0.2 * torch.randn(240)).round().clamp(-1, 1) + 1),
            (x, (line.exp() * 2).floor().clamp(max=5)),
            (wound + 0.1 * torch.randn(240, 6), along.floor()),
            unbalanced(ordered=True),
        ]


def test_steps_of_a_scale_are_not_taken_for_classes() -> None:
    for seed in range(8):
        for x, y in scales(seed):
            order = order_of_ids(x, y)
            assert order is None or order < 0.85


def test_names_of_classes_show_no_order() -> None:
    found = []
    for seed in range(12):
        with isolated(seed, "names"):
            found.append(order_of_ids(*unbalanced(ordered=False)))
    assert sum(order is not None and order >= 0.9 for order in found) >= 8


def test_an_output_of_zeros_is_judged_for_pairs_too() -> None:
    def build() -> Subject:
        model = net(1)
        nn.init.zeros_(model[-1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(model[-1].bias)  # type: ignore[arg-type]
        return subject_of(model, by_hand, (X.clone(), VALUES.clone()))

    assert [finding.kind for finding in run_check(made(build)(), LOSS_FITS).findings] == ["loss-shape-broadcast"]


def test_tokens_that_follow_are_no_copies() -> None:
    subject = of(lambda: Words(9), flat, D["tokens"], FOLLOWING)()
    assert subject.info.output is not None
    [call] = [call for call in subject.info.output.calls if call.function]
    assert call.target is not None
    assert call.target.copied is not None
    assert call.target.copied < 0.5
    assert (call.sees, call.weight) == ("", pytest.approx(1.0))
