"""The verb verify: inputs as loaders collate them, models that cannot be trained, and code that raises."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

import trainwright as tw
from trainwright.errors import ModelError, UsageError
from trainwright.randomness import isolated


def points(samples: int = 96) -> tuple[torch.Tensor, torch.Tensor]:
    with isolated(2):
        x = torch.randn(samples, 4)
    return x, (x[:, 0] > 0).long()


def net() -> nn.Module:
    with isolated(1):
        return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))


class Several(Dataset[Any]):
    """Two inputs a sample: under names, or one after the other."""

    def __init__(self, named: bool) -> None:
        self.named, (self.x, self.y) = named, points()

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, place: int) -> Any:
        one, other = self.x[place, :2], self.x[place, 2:]
        return ({"one": one, "other": other} if self.named else (one, other)), self.y[place]


class Apart(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = net()

    def forward(self, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return self.net(torch.cat([one, other], 1))


class Together(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = net()

    def forward(self, both: Any) -> torch.Tensor:
        one, other = both.values() if isinstance(both, dict) else both
        return self.net(torch.cat([one, other], 1))


@pytest.mark.parametrize("named", [True, False], ids=["dict", "tuple"])
@pytest.mark.parametrize("model", [Apart, Together])
def test_several_inputs_may_come_as_a_loader_collates_them(model: type[nn.Module], named: bool) -> None:
    loader = DataLoader(Several(named), batch_size=16, shuffle=True)
    held_out = DataLoader(Several(named), batch_size=16)
    made = model()
    optimizer = torch.optim.AdamW(made.parameters(), lr=1e-3)
    report = tw.verify(
        made,
        nn.CrossEntropyLoss(),
        loader,
        validation=held_out,
        optimizer=optimizer,
        checks=["data-readable", "inputs", "parameters-updated", "input-matters", "gradients"],
    )
    assert [finding.kind for finding in report.findings if finding.severity != "note"] == []
    assert report["gradients"].status == report["parameters-updated"].status == "passed"


def test_of_several_inputs_that_do_not_fit_it_is_said_how_they_are_given() -> None:
    class Three(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net()

        def forward(self, one: torch.Tensor, other: torch.Tensor, more: torch.Tensor) -> torch.Tensor:
            return self.net(torch.cat([one, other], 1)) + more

    with pytest.raises(ModelError, match=r"forward\(\*inputs\)"):
        tw.verify(Three(), "cross_entropy", DataLoader(Several(False), batch_size=16))


def test_a_model_that_ends_the_program_is_an_error_and_not_a_success() -> None:
    class Leaving(nn.Module):
        def __init__(self, evaluating: bool) -> None:
            super().__init__()
            self.net, self.evaluating = net(), evaluating

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.evaluating or self.training:
                raise SystemExit(0)
            return self.net(x)

    with pytest.raises(ModelError, match="SystemExit: 0"):
        tw.verify(Leaving(True), "cross_entropy", points())
    report = tw.verify(Leaving(False), "cross_entropy", points(), checks=["modes", "parameters-updated"])
    assert not report.ok


@pytest.mark.parametrize("model", [nn.Flatten(), nn.Sequential(nn.Flatten(), nn.ReLU())])
def test_a_model_without_parameters_is_not_ready(model: nn.Module) -> None:
    report = tw.verify(model, nn.CrossEntropyLoss(), points())
    assert not report.ok
    assert [finding.title for finding in report.findings if finding.severity == "error"] == [
        "the model has no parameters"
    ]


def test_a_loss_with_weights_of_its_own_may_stand_behind_a_model_without_any() -> None:
    head = net()
    report = tw.verify(
        nn.Flatten(),
        lambda output, y: nn.functional.cross_entropy(head(output), y),
        points(),
        checks=["parameters-updated"],
    )
    assert report["parameters-updated"].status == "skipped"


@pytest.mark.parametrize(
    ("penalty", "words"),
    [(lambda: 1 / 0, "ZeroDivisionError"), (lambda: None, "NoneType"), (lambda: exec("raise SystemExit(0)"), "Exit")],
)
def test_a_penalty_that_raises_is_refused(penalty: Any, words: str) -> None:
    with pytest.raises(ModelError, match=rf"penalty cannot be added(.|\n)*{words}"):
        tw.verify(net(), nn.CrossEntropyLoss(), points(), penalty=penalty, checks=["penalty", "initial-loss"])


def test_a_penalty_without_a_graph_is_inert_and_no_refusal() -> None:
    report = tw.verify(net(), nn.CrossEntropyLoss(), points(), penalty=lambda: 0.5, checks=["penalty"])  # type: ignore[arg-type, return-value]
    assert [finding.kind for finding in report.findings] == ["penalty-inert"]


class Unlearning(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        raise NotImplementedError("later")


def test_a_backward_pass_that_raises_is_refused_where_no_check_can_judge_it() -> None:
    class Late(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return Unlearning.apply(self.net(x))

    with pytest.raises(ModelError, match=r"a training step of the model raises(.|\n)*later"):
        tw.verify(Late(), nn.CrossEntropyLoss(), points(), checks=["initial-loss", "parameters-updated"])


def test_a_graph_that_was_made_before_can_still_go_backward() -> None:
    model, (x, y) = net(), points()
    value = nn.functional.cross_entropy(model(x), y)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    tw.verify(model, "cross_entropy", (x, y), optimizer=optimizer, checks=["parameters-updated", "learning-rate"])
    value.backward()
    assert model.get_parameter("0.weight").grad is not None


def test_a_verdict_says_where_the_time_was_used_up() -> None:
    class Slow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for _ in range(2000):
                x = x + 0
            return self.net(x)

    report = tw.verify(Slow(), "cross_entropy", points(), budget_seconds=1e-3)
    assert {result.status for result in report.results} > {"skipped"}
    assert "the time was used up" in str(report)
    assert "ready to train" not in str(report)


def test_a_loss_that_is_none_is_refused_with_a_remedy() -> None:
    with pytest.raises(UsageError, match=r"nn.CrossEntropyLoss\(\)"):
        tw.verify(net(), 5, points())  # type: ignore[arg-type]


def test_a_gradient_that_is_not_judged_at_kinks_is_not_called_suspect() -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
    with torch.no_grad():
        model.get_parameter("0.bias").zero_()
    check = tw.gradcheck(
        model, nn.CrossEntropyLoss(), (torch.zeros(4, 4), torch.tensor([0, 1, 0, 1])), random_point=False
    )
    assert "the gradient is not judged for 0.bias, at kinks" in str(check)


def test_a_graph_that_is_one_sample_may_be_trained_on_and_the_verdict_says_what_could_not_run() -> None:
    class Graph(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net()
            self.register_buffer("neighbours", torch.eye(96))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.net(self.get_buffer("neighbours") @ x)

    report = tw.verify(Graph(), "cross_entropy", points(), checks=["initial-loss", "parameters-updated"])
    assert report.ok
    assert "not every check could run" in str(report)
