"""What a classifier answers beside how often it is right: rare classes, confidence; and schedulers that are blind."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import ReduceLROnPlateau

from trainwright.records import Finding
from trainwright.watching.answers import Answers, metrics_of, numbers_of
from trainwright.watching.watch import Watch, watch


def named(watched: Watch) -> dict[str, Finding]:
    assert watched.problem is None
    return {finding.kind: finding for finding in watched.findings}


def rare() -> tuple[torch.Tensor, torch.Tensor]:
    """Return inputs of which one in thirty has class 1, told by the first feature."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2000, 8, generator=generator)
    y = torch.zeros(2000, dtype=torch.int64)
    y[x[:, 0] > 1.85] = 1
    return x, y


def trained(rate: float, *, evaluates: bool = True, weight: float = 1.0, epochs: int = 8, smooth: float = 0.0) -> Watch:
    x, y = rare()
    torch.manual_seed(0)
    with watch(quiet=True, level="full") as watched:  # which looks as often on a busy machine
        model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 2))
        optimizer = torch.optim.SGD(model.parameters(), lr=rate)
        loss_weight = torch.tensor([1.0, weight]) if weight != 1.0 else None
        for _ in range(epochs):
            for rows in torch.randperm(1500).split(32):
                loss = F.cross_entropy(model(x[rows]), y[rows], weight=loss_weight, label_smoothing=smooth)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            if evaluates:
                model.eval()
                with torch.no_grad():
                    F.cross_entropy(model(x[1500:]), y[1500:])
                model.train()
    return watched


class TestRareClasses:
    @pytest.mark.parametrize("evaluates", [True, False])
    def test_one_that_is_never_found_is_a_warning(self, evaluates: bool) -> None:
        finding = named(trained(0.005, evaluates=evaluates))["class-imbalance"]
        assert finding.severity == "warning"
        assert finding.evidence[0].name.startswith("recall of class 1")
        assert finding.evidence[0].value == 0.0

    def test_one_that_is_found_stays_a_note(self) -> None:
        finding = named(trained(0.5, epochs=16))["class-imbalance"]
        assert finding.severity == "note"

    def test_a_loss_that_weighs_it_is_not_spoken_of(self) -> None:
        assert "class-imbalance" not in named(trained(0.05, weight=30.0))


def test_answers_are_counted_by_class_and_how_sure_they_are() -> None:
    logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 3.0, 0.0], [5.0, 0.0, 0.0]])
    batches = [Answers.of(logits.repeat(5, 1), torch.tensor([0, 1, 2, -100]).repeat(5)) for _ in range(2)]
    metrics = metrics_of([float(number) for number in numbers_of(batches)], [20, 20])
    assert metrics["confidence"] == pytest.approx(float(logits.softmax(1).amax(1).mean()), abs=1e-6)
    assert (metrics["least_recall"], metrics["least_recall_class"]) == (0.0, 2)


def test_of_very_many_classes_only_the_confidence_is_kept() -> None:
    batches = [Answers.of(torch.zeros(4, 1000), torch.arange(4))]
    assert metrics_of([float(number) for number in numbers_of(batches)], [4]) == pytest.approx({"confidence": 1e-3})


def test_a_network_that_is_surer_than_right_is_told_and_one_that_knows_is_not() -> None:
    def run(noise: float, epochs: int) -> dict[str, Finding]:
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(700, 8, generator=generator)
        y = (x[:, :3] + noise * torch.randn(700, 3, generator=generator)).argmax(1)
        torch.manual_seed(0)
        with watch(quiet=True) as watched:
            model = nn.Sequential(nn.Linear(8, 128), nn.ReLU(), nn.Linear(128, 3))
            optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
            for _ in range(epochs):
                for rows in torch.randperm(300).split(50):
                    loss = F.cross_entropy(model(x[rows]), y[rows])
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
            model.eval()
            for part in (slice(300, 500), slice(300, 500)):
                with torch.no_grad():
                    F.cross_entropy(model(x[part]), y[part])
                model.train()
                F.cross_entropy(model(x[:50]), y[:50]).backward()
        return named(watched)

    assert run(2.0, 25)["overconfident"].severity == "note"
    assert "overconfident" not in run(0.0, 25)


class TestBlindSchedulers:
    def run(self, watched_number, mode: str = "min") -> dict[str, Finding]:
        x, y = rare()
        torch.manual_seed(0)
        with watch(quiet=True) as watched:
            model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 2))
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            schedule = ReduceLROnPlateau(optimizer, mode, patience=20)  # type: ignore[arg-type]
            loss = torch.tensor(0.0)
            for epoch in range(8):
                for rows in torch.randperm(160).split(32):
                    loss = F.cross_entropy(model(x[rows]), y[rows])
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                schedule.step(watched_number(epoch, loss.item()))
        return named(watched)

    def test_one_number_at_every_call_is_named(self) -> None:
        finding = self.run(lambda epoch, loss: 0.7)["scheduler-wrong-frequency"]
        assert "same number" in finding.title
        assert finding.severity == "warning"

    @pytest.mark.parametrize(
        ("number", "mode"),
        [
            (lambda epoch, loss: loss, "min"),
            (lambda epoch, loss: 1.0, "max"),
            (lambda epoch, loss: 0.7 if epoch < 3 else loss, "min"),
        ],
        ids=["a loss", "the best accuracy there is", "a number that moves later"],
    )
    def test_what_can_move_is_in_order(self, number, mode: str) -> None:
        assert "scheduler-wrong-frequency" not in self.run(number, mode)
