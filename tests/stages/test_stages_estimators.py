"""The scikit-learn interface: its own checks, pipelines and searches, data frames, pickles, and what it refuses."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import polars
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris, make_classification, make_regression
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

import trainwright as tw
from trainwright.errors import TrainwrightError, UsageError

QUICK: Any = {
    "epochs": 12,
    "width": 16,
    "depth": 1,
    "lr": 0.03,
    "batch_size": 16,
    "settings": {"level": "off", "threads": 1},
}
"""A network and a run so small that dozens of them take seconds: the checks ask for the protocol, not for skill."""


# A skip is scikit-learn's own: of a package that is not installed, or an array interface that is switched off.
@parametrize_with_checks([tw.Classifier(**QUICK), tw.Regressor(**QUICK)])
@pytest.mark.filterwarnings("default")  # several checks provoke warnings on purpose
def test_scikit_learns_own_checks_pass(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([tw.Classifier(epochs=30), tw.Regressor(epochs=30)])
@pytest.mark.filterwarnings("default")
def test_scikit_learns_own_checks_pass_with_the_defaults(estimator: Any, check: Any) -> None:
    check(estimator)


def small(outputs: int = 2) -> tuple[np.ndarray, np.ndarray]:
    made: Any = make_classification(120, 6, n_informative=4, n_classes=outputs, random_state=0)
    return made


def quantities(columns: int) -> tuple[np.ndarray, np.ndarray]:
    made: Any = make_regression(100, 5, n_targets=columns, random_state=0)
    return made


def named_network(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 8), nn.Tanh(), nn.Linear(8, outputs))


def test_a_search_over_a_pipeline_tries_numpys_numbers_and_refits_the_best() -> None:
    X, y = small()
    pipeline = make_pipeline(StandardScaler(), tw.Classifier(**QUICK, random_state=0))
    grid = {"classifier__lr": np.logspace(-5, -1, 2), "classifier__width": np.array([16, 32])}
    search: Any = GridSearchCV(pipeline, grid, cv=2).fit(X, y)
    assert search.best_params_["classifier__lr"] == pytest.approx(0.1)
    assert search.score(X, y) > 0.75


@pytest.mark.slow
def test_the_defaults_tell_irises_apart() -> None:
    X, y = load_iris(return_X_y=True)
    assert cross_val_score(tw.Classifier(random_state=0), X, y, cv=3).mean() > 0.9


def test_words_are_classes_and_come_back_as_words() -> None:
    X, y = small(3)
    words = np.array(["ash", "beech", "oak"])[y]
    told: Any = tw.Classifier(**QUICK, random_state=0).fit(X, words)
    assert list(told.classes_) == ["ash", "beech", "oak"]
    assert set(told.predict(X)) <= {"ash", "beech", "oak"}
    np.testing.assert_allclose(told.predict_proba(X).sum(1), 1.0, rtol=1e-12)


def test_a_polars_frame_gives_its_names_and_another_order_is_refused() -> None:
    X, y = small()
    frame = polars.DataFrame(X, schema=[f"c{place}" for place in range(6)])
    fitted: Any = tw.Classifier(**QUICK, random_state=0).fit(frame, y)
    assert list(fitted.feature_names_in_) == frame.columns
    np.testing.assert_array_equal(fitted.predict_proba(frame[:7]), fitted.predict_proba(frame)[:7])
    with pytest.raises(ValueError, match="names"):
        fitted.predict(frame.select(reversed(frame.columns)))


def test_a_pandas_frame_gives_its_names() -> None:
    pandas = pytest.importorskip("pandas")
    X, y = small()
    frame = pandas.DataFrame(X, columns=[f"c{place}" for place in range(6)])
    fitted: Any = tw.Classifier(**QUICK, random_state=0).fit(frame, pandas.Series(y, name="target"))
    assert list(fitted.feature_names_in_) == list(frame.columns)
    assert fitted.predict(frame).shape == (len(y),)


def test_the_same_random_state_gives_the_same_network_and_another_one_another() -> None:
    X, y = small()
    first, second, other = (tw.Classifier(**QUICK, random_state=seed).fit(X, y) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    assert not np.array_equal(first.predict_proba(X), other.predict_proba(X))


def test_fitting_and_predicting_leave_the_callers_random_numbers_alone() -> None:
    X, y = small()
    torch.manual_seed(1)
    np.random.seed(1)
    expected = torch.rand(2).tolist(), np.random.rand(2).tolist()
    torch.manual_seed(1)
    np.random.seed(1)
    tw.Classifier(**QUICK, random_state=0).fit(X, y).predict(X)
    assert (torch.rand(2).tolist(), np.random.rand(2).tolist()) == expected


def test_a_row_is_predicted_the_same_whatever_stands_beside_it() -> None:
    X, y = quantities(1)
    fitted: Any = tw.Regressor(**QUICK, random_state=0).fit(X, y)
    alone = np.concatenate([fitted.predict(X[place : place + 1]) for place in range(len(X))])
    np.testing.assert_allclose(alone, fitted.predict(X), rtol=1e-10)


def test_several_quantities_are_predicted_in_their_own_units() -> None:
    X, y = quantities(2)
    scaled = y * [1e4, 1e-4] + [1e6, 0.0]
    fitted: Any = tw.Regressor(**(QUICK | {"epochs": 60}), random_state=0).fit(X, scaled)
    assert fitted.predict(X).shape == (100, 2)
    assert fitted.score(X, scaled) > 0.9


@pytest.mark.parametrize("model", ["mlp", "table", named_network])
def test_a_pickle_predicts_the_same_and_holds_no_network_but_its_weights(model: Any) -> None:
    X, y = small()
    sizes: Any = {"width": "auto", "depth": "auto"} if callable(model) else {}
    fitted: Any = tw.Classifier(**(QUICK | {"model": model, "epochs": 2} | sizes), random_state=0).fit(X, y)
    kept = pickle.dumps(fitted)
    assert b"torch.nn" not in kept
    assert b"_rebuild_tensor" not in kept
    again = pickle.loads(kept)
    np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))
    assert again.report() == fitted.report()


def test_a_clone_is_not_fitted_and_has_the_same_parameters() -> None:
    X, y = small()
    fitted: Any = tw.Classifier(**QUICK, random_state=0).fit(X, y)
    copied: Any = clone(fitted)
    assert copied.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        copied.predict(X)


def test_what_the_doctor_calls_an_error_is_warned_of() -> None:
    X, y = small(3)

    def with_softmax(inputs: int, outputs: int) -> nn.Module:
        return nn.Sequential(nn.Linear(inputs, 16), nn.ReLU(), nn.Linear(16, outputs), nn.Softmax(1))

    with pytest.warns(ConvergenceWarning, match="TW301"):
        fitted: Any = tw.Classifier(with_softmax, epochs=12, lr=0.01, random_state=0).fit(X, y)
    assert "TW301" in fitted.report()
    assert fitted.history_.info.settings["optimizer.lr"].where.file == __file__


def test_findings_of_a_healthy_run_are_kept_and_nothing_is_warned_of() -> None:
    X, y = load_diabetes(return_X_y=True)
    fitted: Any = tw.Regressor(epochs=5, random_state=0).fit(X, y)
    assert fitted.outcome_.status == "finished"
    assert all(finding.severity != "error" for finding in fitted.findings_)


def test_one_class_alone_is_refused() -> None:
    with pytest.raises(ValueError, match="one class only"):
        tw.Classifier().fit(np.eye(4), [1, 1, 1, 1])


def test_more_rows_to_a_batch_than_there_are_means_all_of_them() -> None:
    X, y = small()
    tw.Classifier(**(QUICK | {"batch_size": 10_000, "epochs": 1})).fit(X, y)


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"model": "mpl"}, "mlp"),
        ({"loss": "mse"}, "does not fit"),
        ({"loss": "cross_entropi"}, "cross_entropy"),
        ({"optimizer": "adamww"}, "adamw"),
        ({"settings": {"clip_nrom": 1.0}}, "clip_norm"),
        ({"validation": 1.0}, "below 1"),
        ({"model": named_network, "width": 3}, "network of your own"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(parameters: Any, told: str) -> None:
    X, y = small()
    with pytest.raises((UsageError, tw.TrainwrightError), match=told):
        tw.Classifier(**parameters).fit(X, y)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"normalise": "minmax"}, "normalise cannot be 'minmax'"),
        ({"model": nn.Linear(5, 2)}, r"made already[\s\S]*pass a function model\(inputs, outputs\)"),
        ({"model": 3}, r"model cannot be 3[\s\S]*pass a function model\(inputs, outputs\)"),
        ({"settings": {"foo": 1}}, "an estimator knows no setting 'foo'"),
        ({"epochs": -3}, "the estimator has a problem"),
    ],
    ids=["normalise", "network", "number", "setting", "epochs"],
)
def test_a_wrong_parameter_is_refused_in_its_own_words(wrong: dict[str, Any], says: str) -> None:
    x, y = np.arange(60.0).reshape(12, 5), np.arange(12) % 2
    with pytest.raises(TrainwrightError, match=says):
        tw.Classifier(**wrong).fit(x, y)


def test_labels_of_one_class_are_quoted_as_the_user_wrote_them() -> None:
    with pytest.raises(ValueError, match="one class only, 0; there"):
        tw.Classifier().fit(np.ones((4, 2)), np.zeros(4, dtype=int))
