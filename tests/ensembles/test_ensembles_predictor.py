"""The vectorised predictor, and what is refused beside one another."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from trainwright.ensembles.averaged import Averaged
from trainwright.ensembles.combine import combined, mean_and_spread, scaled
from trainwright.ensembles.network import Network, alike
from trainwright.ensembles.predictor import TOLERANCE, _array_of, _stacked, looped, predictor
from trainwright.errors import DataError, ModelError, UsageError
from trainwright.parts.outputs import Form, scores_of
from trainwright.records import Task
from trainwright.records.ensemble import Averaging
from trainwright.records.specs import Expects


def networks(make: Callable[[], nn.Module], count: int = 3) -> list[Network]:
    found = []
    for seed in range(count):
        torch.manual_seed(seed)
        found.append(Network(name=f"net {seed}", model=make()))
    return found


def mlp(outputs: int = 4) -> nn.Module:
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, outputs))


def cnn() -> nn.Module:
    body = [nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)]
    model = nn.Sequential(*body)
    model(torch.randn(20, 1, 8, 8))  # statistics that are no longer those of the start
    return model


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.inner, self.out = nn.LayerNorm(6), nn.Linear(6, 6), nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(x + torch.tanh(self.inner(self.norm(x))))


@pytest.mark.parametrize(("make", "shape"), [(mlp, (6,)), (cnn, (1, 8, 8)), (Residual, (6,))])
def test_the_vectorised_prediction_is_that_of_the_loop(make: Callable[[], nn.Module], shape: tuple[int, ...]) -> None:
    some = networks(make)
    some[1].model.eval()  # the modes that they were left in do not matter
    x = torch.randn(32, *shape)
    expected = looped(some, x)
    torch.testing.assert_close(_stacked(_array_of(some), some, x), expected, rtol=1e-5, atol=1e-6)
    whichever = predictor(some, x)
    difference = (whichever(x) - expected).abs().max() / expected.abs().max()
    assert float(difference) <= TOLERANCE


def test_networks_of_other_shapes_are_computed_in_turn_and_it_says_why() -> None:
    some = [*networks(mlp, 1), Network(name="wide", model=nn.Linear(6, 4))]
    found = predictor(some, torch.randn(8, 6))
    assert found.lane == "loop"
    assert "not alike" in found.reason
    torch.testing.assert_close(found(torch.ones(2, 6)), looped(some, torch.ones(2, 6)))


def test_predicting_leaves_no_footprints() -> None:
    some = networks(cnn)
    some[0].model.train()
    before = {name: value.clone() for name, value in some[0].model.state_dict().items()}
    x = torch.randn(16, 1, 8, 8)
    kept, state = x.clone(), torch.get_rng_state()
    predictor(some, x)(x)
    assert torch.equal(x, kept)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in some[0].model.state_dict().items())
    assert some[0].model.training


def test_classes_in_another_order_are_mapped_by_name() -> None:
    one, two = networks(lambda: nn.Linear(6, 3), 2)
    one = Network(name="one", model=one.model, classes=("cat", "dog", "emu"))
    two = Network(name="two", model=two.model, classes=("emu", "cat", "dog"))
    mapped = alike([one, two], torch.ones(2, 6))
    x = torch.randn(5, 6)
    torch.testing.assert_close(looped(mapped, x)[1], two.model(x).detach()[:, [1, 2, 0]])
    torch.testing.assert_close(predictor(mapped, x)(x), looped(mapped, x))


def test_other_classes_are_refused_by_name() -> None:
    one = Network(name="one", model=nn.Linear(6, 2), classes=("cat", "dog"))
    two = Network(name="two", model=nn.Linear(6, 2), classes=("cat", "emu"))
    with pytest.raises(DataError, match="'two' tells other classes than 'one'") as caught:
        alike([one, two], torch.ones(2, 6))
    assert "lacks dog and has emu" in caught.value.evidence


def test_other_outputs_inputs_and_preparation_are_refused_by_name() -> None:
    x = torch.ones(2, 6)
    one = Network(name="one", model=nn.Linear(6, 2))
    with pytest.raises(ModelError, match="'two' gives other outputs"):
        alike([one, Network(name="two", model=nn.Linear(6, 3))], x)
    with pytest.raises(ModelError, match="'two' cannot take the inputs"):
        alike([one, Network(name="two", model=nn.Linear(5, 2))], x)
    prepared = Network(name="one", model=nn.Linear(6, 2), preprocessing={"kind": "features", "mean": [0.0]})
    other = Network(name="two", model=nn.Linear(6, 2), preprocessing={"kind": "features", "mean": [1.0]})
    with pytest.raises(DataError, match="prepared in another way") as caught:
        alike([prepared, other], x)
    assert "mean" in caught.value.evidence
    with pytest.raises(UsageError, match="nothing to finish"):
        alike([], x)


@pytest.mark.parametrize("average", ["probabilities", "logits"])
@pytest.mark.parametrize(("task", "expects", "outputs"), [
    ("classification", "logits", 3), ("classification", "log-probabilities", 3), ("classification", "probabilities", 3),
    ("classification", "logits", 1), ("multi-label", "logits", 4), ("regression", "values", 2),
])  # fmt: skip
def test_members_as_one_module_answer_what_their_average_does(
    average: Averaging, task: Task, expects: Expects, outputs: int
) -> None:
    form = Form(task=task, expects=expects)
    last = {"log-probabilities": nn.LogSoftmax(1), "probabilities": nn.Softmax(1)}.get(expects, nn.Identity())
    members = [nn.Sequential(nn.Linear(4, outputs), last) for _ in range(3)]
    x, shares = torch.randn(20, 4, generator=torch.Generator().manual_seed(0)), torch.tensor([0.5, 0.3, 0.2]).double()
    temperature = None if task == "regression" else 1.7
    with torch.no_grad():
        made = Averaged(members, shares.tolist(), form, average=average, temperature=temperature)(x)
        scores = torch.stack([scores_of(member(x), form) for member in members])
    assert made.shape == members[0](x).shape
    if task == "regression":
        expected = mean_and_spread(scores, shares)[0]
        torch.testing.assert_close(scores_of(made, form), expected, rtol=1e-5, atol=1e-6)
        return
    expected = scaled(combined(scores, shares, average), temperature).exp()
    torch.testing.assert_close(scores_of(made, form).double().softmax(-1), expected, rtol=1e-5, atol=1e-6)
