"""What fit makes of a loss: by name, function or module, for the task that the targets tell."""

from __future__ import annotations

import re
from typing import Any

import pytest
from stages_nets import cases, classes, loader, net
from torch import nn
from torch.nn import functional as F

import trainwright as tw
from trainwright.errors import ModelError, RecipeError, TrainwrightError, UsageError

# --- losses and tasks ---


def test_a_loss_may_be_a_name_a_function_or_a_module() -> None:
    data = classes()
    named = tw.fit(net(), data, loss="cross_entropy", epochs=3)
    assert tw.fit(net(), data, epochs=3).digest == named.digest
    for loss in (nn.CrossEntropyLoss(), F.cross_entropy):
        run = tw.fit(net(), data, loss=loss, epochs=3)
        assert run.digest == named.digest
        assert run.history.info.loss == "cross_entropy"
    own = tw.fit(net(), data, loss=lambda output, target: F.cross_entropy(output, target), epochs=3)
    assert own.digest == named.digest
    assert own.history.info.loss == ""
    smooth = tw.fit(net(), data, loss=nn.CrossEntropyLoss(label_smoothing=0.2), epochs=3)
    assert smooth.digest != named.digest


def test_a_regression_of_one_and_of_several_values_is_told_by_the_targets() -> None:
    x, values = cases()
    for y, outputs in ((values, 3), (values[:, :1], 1), (values[:, 0], 1)):
        run = tw.fit(net(outputs=outputs), (x, y), (x[:50], y[:50]), epochs=60, lr=0.01)
        assert (run.history.info.task, run.history.info.loss) == ("regression", "mse")
        assert run.outcome.best["train"]["rmse"] == pytest.approx(run.outcome.best["train"]["loss"] ** 0.5, rel=1e-4)
        assert run.outcome.best["train"]["loss"] < 0.2 * float(y.var())
        looped = tw.fit(net(outputs=outputs), [(x, y)], epochs=2)
        assert looped.history.info.task == "regression"
    assert tw.fit(net(), (x, values), loss=nn.L1Loss(), epochs=2).history.info.task == "regression"


def test_two_classes_may_have_one_logit_or_two() -> None:
    x, values = cases()
    y = (values[:, 0] > 0).long()
    for target, outputs, loss in ((y, 1, "bce_with_logits"), (y.bool(), 1, "bce_with_logits"), (y, 2, "cross_entropy")):
        run = tw.fit(net(outputs=outputs), (x, target), epochs=40, lr=0.01)
        assert (run.history.info.task, run.history.info.loss) == ("classification", loss)
        assert run.outcome.best["train"]["accuracy"] > 0.9


@pytest.mark.parametrize("loss", ["bce_with_logits", nn.BCEWithLogitsLoss()])
@pytest.mark.parametrize("stream", [False, True])
def test_floating_zeros_and_ones_are_classes_where_the_loss_says_so(loss: Any, stream: bool) -> None:
    x, values = cases()
    y = (values[:, :1] > 0).float()
    run = tw.fit(net(outputs=1), loader(x, y) if stream else (x, y), loss=loss, epochs=40, lr=0.01)
    assert (run.history.info.task, run.history.info.loss) == ("classification", "bce_with_logits")
    assert run.outcome.best["train"]["accuracy"] > 0.9
    assert tw.fit(net(outputs=1), (x, y), epochs=1).history.info.task == "regression"


def test_class_probabilities_are_classes_where_the_loss_says_so() -> None:
    x, y = classes()
    run = tw.fit(net(), (x, F.one_hot(y).float()), loss=nn.CrossEntropyLoss(), epochs=40, lr=0.01)
    assert run.history.info.task == "classification"
    assert run.outcome.best["train"]["accuracy"] > 0.9


def test_several_labels_at_once_are_no_single_class() -> None:
    x, values = cases()
    run = tw.fit(net(), (x, (values > 0).float()), loss=nn.BCEWithLogitsLoss(), epochs=2)
    assert "accuracy" not in run.outcome.best["train"]


@pytest.mark.parametrize(
    ("loss", "error", "words"),
    [
        ("crossentropy", RecipeError, "there is no loss 'crossentropy'; did you mean 'cross_entropy'?"),
        ("mse", RecipeError, "loss 'mse' is for regression, the data for classification"),
        (3, UsageError, "loss must be a name or a function"),
        (nn.CrossEntropyLoss, UsageError, "loss must be a name or a function"),
        (nn.CrossEntropyLoss(reduction="none"), ModelError, "the loss must be a single number"),
        (lambda output, target: 1.0, ModelError, "the loss must be a single number"),
        (nn.L1Loss(), ModelError, "the loss cannot be computed"),
        (lambda output: output, ModelError, "the loss cannot be computed"),
    ],
)
def test_a_loss_that_cannot_be_is_refused(loss: Any, error: type[TrainwrightError], words: str) -> None:
    with pytest.raises(error, match=re.escape(words)):
        tw.fit(net(), classes(), loss=loss, epochs=1)
