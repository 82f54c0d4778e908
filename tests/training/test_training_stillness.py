"""Freezing in a run: every bit stands still, parts are freed at their step, and what moves all the same is found."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import trainwright as tw
from trainwright.errors import TrainwrightError
from trainwright.parts.freezing import freezing_of
from trainwright.stages.run import Run
from trainwright.training.stillness import Stillness


def net(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout(0.4),
        nn.Conv2d(4, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 2),
    )


def data(samples: int = 96) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(samples, 1, 6, 6, generator=generator)
    return x, (x.mean((1, 2, 3)) > 0).long()


def fitted(model: nn.Module, **settings: Any) -> Run:
    plain = {"epochs": 2, "batch_size": 16, "verify": "off", "lr": 0.05, "recipe": {"doctor": {"level": "off"}}}
    return tw.fit(model, data(), **{**plain, **settings})


def moved(model: nn.Module, before: dict[str, torch.Tensor]) -> set[str]:
    return {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}


def copied(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("cache_features", [True, False])
@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "momentum", "weight_decay": 0.1},
        {"optimizer": "adamw", "weight_decay": 0.5},
        {"optimizer": "muon", "lr": 0.01},
        {"optimizer": "lion", "lr": 1e-3},
        {"optimizer": "schedule_free"},
        {"optimizer": "lbfgs", "lr": 1.0},
        {"optimizer": "momentum", "ema": 0.9, "accumulate": 2},
        {"optimizer": "adamw", "precision": "bf16"},
        {"optimizer": "adamw", "checkpoint_activations": True},
    ],
    ids=str,
)
def test_an_epoch_with_momentum_decay_and_batch_norm_leaves_every_frozen_bit(
    settings: dict[str, Any], cache_features: bool
) -> None:
    model = net()
    before = copied(model)
    run = fitted(model, freeze=["body"], cache_features=cache_features, **settings)
    assert run.outcome.status == "finished"
    assert moved(model, before) == {"9.weight", "9.bias"}
    assert not [finding for finding in run.findings if finding.kind == "frozen-but-updated"]


def test_without_freezing_the_same_run_moves_all_of_it() -> None:
    model = net()
    before = copied(model)
    fitted(model, optimizer="momentum")
    assert moved(model, before) == set(before)


def test_a_ready_optimizer_with_momentum_and_old_gradients_moves_nothing_frozen() -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    nn.functional.cross_entropy(model(data()[0]), data()[1]).backward()
    optimizer.step()  # momentum and gradients are there
    before = copied(model)
    tw.fit(model, data(), epochs=2, batch_size=16, verify="off", freeze=["body"], optimizer=optimizer)
    assert moved(model, before) == {"9.weight", "9.bias"}


def test_a_ready_optimizer_with_a_group_that_is_frozen_on_purpose_is_no_finding() -> None:
    model = net()
    groups = [{"params": list(model[:9].parameters())}, {"params": list(model[9].parameters())}]
    optimizer = torch.optim.SGD(groups, lr=0.1)
    run = tw.fit(model, data(), epochs=1, batch_size=16, freeze=["body"], optimizer=optimizer)
    assert "parameters-frozen" not in {finding.kind for finding in run.findings}
    model[0].weight.requires_grad_(False)
    model[4].weight.requires_grad_(False)
    by_accident = tw.fit(model, data(), epochs=1, batch_size=16, optimizer=optimizer)
    assert "parameters-frozen" in {finding.kind for finding in by_accident.findings}


def test_modes_are_held_against_train_calls_and_given_back() -> None:
    model = net()
    stillness = Stillness(model, freezing_of(model, freeze=["body"]), planned_steps=10)
    for step in range(3):
        model.train()  # as every epoch does
        stillness.before(step)
        assert [module.training for module in model] == [False] * 9 + [True]
        assert not model[0].weight.requires_grad
    stillness.release()
    assert all(module.training for module in model)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_parts_are_freed_at_their_step_with_their_statistics() -> None:
    model = net()
    freezing = freezing_of(model, freeze=["0", "1"], unfreeze={"4": 0.3, "5": 0.3})
    stillness = Stillness(model, freezing, planned_steps=10)
    for step in range(5):
        model.train()
        stillness.before(step)
        assert model[4].weight.requires_grad == model[5].training == (step >= 3)
        assert not model[1].training
    assert stillness.moved() == []


def test_a_run_frees_gradually_and_everything_has_learnt_in_the_end() -> None:
    model = net()
    before = copied(model)
    run = fitted(model, unfreeze="gradual", epochs=4)
    frozen = next(event for event in run.history.events if event.name == "frozen")
    assert frozen.detail["frees"] == [0.25, 0.5]
    assert moved(model, before) == set(before)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_freed_parts_stand_still_until_then() -> None:
    model = net()
    before = copied(model)
    fitted(model, unfreeze={"0": 0.9, "1": 0.9}, epochs=2, steps=9)
    assert moved(model, before) >= {"4.weight", "9.weight"}
    late = net()
    fitted(late, unfreeze={"0": 0.9, "1": 0.9}, steps=8)  # all but the last tenth: 8 of 8 steps less one
    assert moved(late, before) >= {"0.weight"}
    again = net()
    fitted(again, freeze=["0", "1"], steps=8)
    assert not moved(again, before) & {"0.weight", "1.running_mean"}


class Creeping(nn.Module):
    """A planted fault: it moves its own buffer in any mode, or its own weight."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.inner = nn.Linear(36, 8)
        self.register_buffer("centre", torch.zeros(8))
        self.what = what

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        value = self.inner(x.flatten(1))
        with torch.no_grad():
            target = self.centre if self.what == "buffer" else self.inner.weight
            target.add_(1e-3)  # type: ignore[operator]
        return value - self.centre  # type: ignore[operator]


@pytest.mark.parametrize(("what", "name"), [("buffer", "0.centre"), ("weight", "0.inner.weight")])
def test_what_moves_although_it_is_frozen_stops_the_run_and_is_named(what: str, name: str) -> None:
    model = nn.Sequential(Creeping(what), nn.ReLU(), nn.Linear(8, 2))
    run = fitted(model, freeze=["0"])
    (finding,) = [finding for finding in run.findings if finding.kind == "frozen-but-updated"]
    assert (finding.code, finding.severity, finding.where.parameter) == ("TW522", "error", name)
    assert run.outcome.status == "stopped"
    assert run.outcome.steps == 1
    healthy = fitted(nn.Sequential(Creeping(what), nn.ReLU(), nn.Linear(8, 2)))
    assert "frozen-but-updated" not in {finding.kind for finding in healthy.findings}


def test_freezing_everything_is_refused() -> None:
    with pytest.raises(TrainwrightError, match="no trainable parameter") as caught:
        fitted(net(), freeze=["*"])
    assert "train.freeze = ['body']" in str(caught.value)


def test_a_line_search_cannot_free_parts() -> None:
    with pytest.raises(TrainwrightError, match="remembers directions"):
        fitted(net(), optimizer="lbfgs", unfreeze="gradual")
