"""Features of a frozen body: the same training as through the body, for about one pass of it; else the reason."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import trainwright as tw
from trainwright.stages.run import Run


class Body(nn.Module):
    """Counts the samples that go through it."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.drop = nn.Dropout(0.3)
        self.seen = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen += len(x)
        return self.drop(F.relu(self.norm(self.convolution(x)))).mean((2, 3))


class Net(nn.Module):
    def __init__(self, *, drop: float = 0.2, outputs: int = 2, twice: bool = False) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.body = Body()
        self.head = nn.Sequential(  # no bias before the norm: its gradient is all rounding, which Adam would enlarge
            nn.Dropout(drop), nn.Linear(6, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, outputs)
        )
        self.twice = twice

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x)) * (2 if self.twice else 1)


def data(samples: int = 100, seed: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(samples, 1, 6, 6, generator=torch.Generator().manual_seed(seed))
    return x, (x.mean((1, 2, 3)) > 0).long()


def fitted(model: nn.Module, **settings: Any) -> Run:
    plain: dict[str, Any] = {"freeze": ["body"], "epochs": 3, "batch_size": 16, "verify": "off", "lr": 0.05}
    return tw.fit(model, data(), data(60, 6), **{**plain, **settings})


def said(run: Run) -> list[str]:
    return [event.detail["text"] for event in run.history.events if event.name == "features"]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"optimizer": "momentum", "accumulate": 3},
        {"ema": 0.9},
        {"optimizer": "schedule_free"},
        {"recipe": {"loss": {"label_smoothing": 0.1, "l2": 0.01}}},
        {"recipe": {"train": {"sampler": "balanced"}}},
        {"optimizer": "lbfgs", "lr": 1.0},
    ],
    ids=str,
)
def test_training_on_features_is_training_through_the_body(settings: dict[str, Any]) -> None:
    through, cached = Net(), Net()
    first, second = fitted(through, cache_features=False, **settings), fitted(cached, **settings)
    assert not said(first)
    assert "computed once" in said(second)[0]
    for name, value in through.state_dict().items():
        torch.testing.assert_close(cached.state_dict()[name], value, rtol=1e-4, atol=1e-6, msg=name)
    for one, other in zip(first.history.evals, second.history.evals, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-4)
    assert first.outcome.best["validation"] == pytest.approx(second.outcome.best["validation"], rel=1e-4)


def test_the_body_is_passed_about_once_for_each_sample() -> None:
    through, cached = Net(), Net()
    off = {"recipe": {"doctor": {"level": "off"}}, "epochs": 10}
    fitted(through, cache_features=False, **off)
    fitted(cached, **off)
    tried = cached.body.seen - 160  # what is looked at beside the pass: some samples for shapes, and for the proof
    assert 0 <= tried <= 4 * 100 + 64
    assert through.body.seen > 10 * 100 + 11 * 60


def test_a_run_on_features_keeps_the_whole_model(tmp_path: Any) -> None:
    model = Net()
    run = fitted(model, folder=tmp_path / "run")
    again = Net()
    loaded = tw.start_from(again, tmp_path / "run")
    assert len(loaded.loaded) == len(model.state_dict())
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in again.state_dict().items())
    assert run.digest is not None


@pytest.mark.parametrize(
    ("model", "settings", "why"),
    [
        (Net(twice=True), {}, "output is not that of"),
        (Net(), {"unfreeze": {"body.convolution": 0.5}, "freeze": ["body.norm"]}, "learn later"),
        (Net(), {"precision": "bf16"}, "train.precision = 'bf16'"),
    ],
    ids=["something after the head", "freed later", "half precision"],
)
def test_where_it_would_not_be_the_same_it_is_not_done_and_why_is_said(
    model: nn.Module, settings: dict[str, Any], why: str
) -> None:
    assert any(why in text for text in said(fitted(model, **settings))), said(fitted(model, **settings))


def test_data_that_make_their_own_batches_are_not_cached() -> None:
    x, y = data()
    batches = [(x[:50], y[:50]), (x[50:], y[50:])]
    run = tw.fit(Net(), batches, freeze=["body"], epochs=1, verify="off")
    assert "make their own batches" in said(run)[0]


def test_augmented_samples_are_not_cached() -> None:
    run = fitted(Net(), recipe={"augment": {"flip": 0.5}})
    assert "augmented" in said(run)[0]


def test_a_body_that_draws_by_itself_is_found_out() -> None:
    class Noisy(Net):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(F.dropout(self.body(x), 0.5, training=self.training))

    assert "gives other values" in said(fitted(Noisy()))[0] or "chance" in said(fitted(Noisy()))[0]


def test_nothing_is_said_where_nothing_frozen_lies_before_what_learns() -> None:
    assert said(fitted(Net(), freeze=["*.bias"])) == []
    assert said(fitted(Net(), freeze=["body.convolution"])) == []


def test_a_search_over_heads_shares_one_pass_of_the_body(tmp_path: Any) -> None:
    bodies: list[Body] = []

    def factory(drop: float = 0.1) -> nn.Module:
        model = Net(drop=drop)
        bodies.append(model.body)
        return model

    torch.save(Net(outputs=3).state_dict(), tmp_path / "body.pt")
    asked: dict[str, Any] = {
        "space": {"drop": tw.uniform(0.0, 0.5), "lr": tw.log_uniform(1e-3, 1e-1)}, "rounds": 1,
        "start": str(tmp_path / "body.pt"), "freeze": ["body"], "epochs": 4, "batch_size": 16, "final": 0,
        "test": data(60, 7), "verify": "off", "recipe": {"doctor": {"level": "off"}},
    }  # fmt: skip
    passed: list[int] = []
    studies = []
    for trials in (3, 6):
        bodies.clear()
        studies.append(tw.tune(factory, data(400), data(60, 6), trials=trials, **asked))
        passed.append(sum(body.seen for body in bodies))
    shared = studies[-1]
    assert "all trials share it" in shared.notes[-1]
    assert any("tensors loaded" in note for note in shared.notes)
    assert passed[1] - passed[0] <= 3 * 64  # of a further trial, a few samples are looked at
    apart = tw.tune(factory, data(400), data(60, 6), trials=6, cache_features=False, **asked)
    for one, other in zip(shared.trials, apart.trials, strict=True):
        assert one.score == pytest.approx(other.score, rel=1e-4)


def test_bodies_that_differ_from_trial_to_trial_are_not_shared() -> None:
    def factory(drop: float = 0.1) -> nn.Module:
        drawn = torch.randn(6, 1, 3, 3)  # another in every trial
        model = Net(drop=drop)
        model.body.convolution.weight = nn.Parameter(drawn)
        return model

    study = tw.tune(
        factory, data(), data(60, 6), space={"drop": tw.uniform(0.0, 0.5)}, trials=2, rounds=1, freeze=["body"],
        epochs=1, batch_size=16, final=0, verify="off",
    )  # fmt: skip
    assert not any("share" in note for note in study.notes)
    assert all(trial.score is not None for trial in study.trials)
