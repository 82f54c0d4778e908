"""`tw.Classifier` and `tw.Regressor`: the verb train in the form that scikit-learn's pipelines and searches expect."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, Literal, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import nn

from trainwright.defaults import VALIDATION_FRACTION
from trainwright.errors import UsageError, did_you_mean
from trainwright.records import Finding
from trainwright.report.text import render_run
from trainwright.stages.estimators_training import Form, from_bytes, outputs_of, to_bytes, train_on

_NETWORK = "network_"
_NORMALISE = ("standard", "none")
Network = str | Callable[[int, int], nn.Module]


class _Estimator(BaseEstimator):
    """What both have in common. scikit-learn's protocol is one of classes, so this is one of inheritance."""

    def __init__(
        self,
        model: Network = "mlp",
        *,
        width: int | Literal["auto"] = "auto",
        depth: int | Literal["auto"] = "auto",
        dropout: float | Literal["auto"] = "auto",
        loss: str = "auto",
        optimizer: str = "auto",
        lr: float | Literal["auto", "find"] = "auto",
        weight_decay: float | Literal["auto"] = "auto",
        schedule: str = "auto",
        epochs: int | Literal["auto"] = "auto",
        batch_size: int | Literal["auto"] = "auto",
        normalise: Literal["standard", "none"] = "standard",
        validation: float = VALIDATION_FRACTION.value,
        settings: Mapping[str, Any] | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.model = model
        self.width = width
        self.depth = depth
        self.dropout = dropout
        self.loss = loss
        self.optimizer = optimizer
        self.lr = lr
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.epochs = epochs
        self.batch_size = batch_size
        self.normalise = normalise
        self.validation = validation
        self.settings = settings
        self.random_state = random_state

    def report(self) -> str:
        """Return the run as text: how it ended, its best values, its loss curve, and what the doctor found."""
        check_is_fitted(self)
        return render_run(self.history_.info, self.outcome_, self.history_, self.findings_)

    def _train(self, x: np.ndarray, y: np.ndarray, form: Form) -> None:
        """Train on inputs `(n, features)` and on class ids `(n,)`, or quantities `(n, columns)`."""
        if self.normalise not in _NORMALISE:
            raise UsageError(
                f"normalise cannot be {self.normalise!r}", remedy=did_you_mean(str(self.normalise), _NORMALISE)
            )
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        given = self._given("loss", "optimizer", "lr", "weight_decay", "schedule", "epochs", "batch_size")
        run, self._plan = train_on(
            x,
            y,
            form,
            settings={"seed": seed, **given, **(self.settings or {})},
            standardise=self.normalise == "standard",
            validation=self.validation,
        )
        self._form = form
        self.network_ = run.model.cpu().eval()
        self.history_, self.outcome_, self.findings_ = run.history, run.outcome, run.findings
        if told := _warning(run.outcome.status == "diverged", run.findings):
            warnings.warn(f"{told}; report() tells more", ConvergenceWarning, stacklevel=3)

    def _form_of(self, task: Literal["classification", "regression"], features: int, outputs: int) -> Form:
        return Form(
            model=self.model,
            options=self._given("width", "depth", "dropout"),
            features=features,
            outputs=outputs,
            units=outputs_of(task, outputs, self.loss),
            task=task,
        )

    def _given(self, *names: str) -> dict[str, Any]:
        """Return the parameters that are not left to themselves; a search sets some to numpy's own numbers."""
        values = {name: getattr(self, name) for name in names}
        plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in values.items()}
        return {name: value for name, value in plain.items() if value != "auto"}

    def _outputs(self, X: Any) -> torch.Tensor:
        """Return the network's outputs `(n, units)` in float64, so that no answer depends on the rows beside it."""
        check_is_fitted(self)
        x: Any = validate_data(self, X, reset=False)
        return self._form.outputs_for(self.network_, self._plan.apply(x))

    def __getstate__(self) -> dict[str, Any]:
        kept: Any = super().__getstate__()
        state = dict(kept)
        if _NETWORK in state:  # its weights alone, as safetensors: no code of a network is pickled
            state[_NETWORK] = to_bytes(state[_NETWORK])
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if _NETWORK in state:
            state = state | {_NETWORK: from_bytes(state["_form"], state[_NETWORK])}
        super().__setstate__(state)


class Classifier(ClassifierMixin, _Estimator):
    """A network that tells classes, trained by `fit` as `tw.fit` trains, with the doctor watching.

    `model` is a network of the catalogue ("mlp", "table"), "package.module:factory", or a function
    `model(inputs, outputs)` that makes a `torch.nn.Module` from `(n, inputs)` to `(n, outputs)`. With "auto" the
    rest is what a recipe takes where nobody says otherwise; `settings` are further keyword arguments of `tw.fit`, such
    as `{"clip_norm": 0.5}`. Features are standardised by the training rows unless `normalise` is "none".
    `validation` is the share of the rows, of each class alike, by which the best weights are chosen; below 50 rows,
    or with 0, the training loss chooses. The checks before a run are left out, for a search fits by the dozen:
    `settings={"verify": "quick"}` asks for them.

    After `fit`: `classes_`, `n_features_in_`, `feature_names_in_` (of a data frame), `network_` (the best weights),
    `history_`, `outcome_`, and `findings_`, of which errors are warned of. A pickle holds the weights as safetensors.
    Weights of samples are not offered: batches are drawn, so a weight of 2 would not be a row that is there twice.
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Train on `X` `(n, features)` and labels `y` `(n,)`; raises `ValueError` where they cannot be learnt from."""
        X, y = validate_data(self, X, y)
        check_classification_targets(y)
        self.classes_, ids = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y holds one class only, {self.classes_.tolist()[0]!r}; there is nothing to tell apart")
        self._train(X, ids.reshape(-1), self._form_of("classification", X.shape[1], len(self.classes_)))
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each of `classes_`, float64 `(n, classes)`, every row summing to 1."""
        output = self._outputs(X)
        if output.shape[1] == 1:  # the logit of the second of two
            output = torch.cat([torch.zeros_like(output), output], 1)
        return output.softmax(1).numpy()

    def predict(self, X: Any) -> np.ndarray:
        """Return the likeliest of `classes_` for each row, `(n,)`."""
        answers = self.predict_proba(X)
        return self.classes_[answers.argmax(1)]


class Regressor(RegressorMixin, _Estimator):
    """A network that predicts quantities, one or several; everything else is as `Classifier` has it.

    The targets are standardised by the training rows, and predictions come back in the user's units.
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Train on `X` `(n, features)` and quantities `y`, `(n,)` or `(n, columns)`."""
        X, y = validate_data(self, X, y, multi_output=True, y_numeric=True)
        self._single = y.ndim == 1
        values = y.astype(np.float64).reshape(len(y), -1)
        self._mean, spread = values.mean(0), values.std(0)
        self._std = np.where(spread > 0, spread, 1.0)
        form = self._form_of("regression", X.shape[1], values.shape[1])
        self._train(X, (values - self._mean) / self._std, form)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the predicted quantities in their own units, float64, in the shape that `y` had."""
        values = self._outputs(X).numpy() * self._std + self._mean
        return values[:, 0] if self._single else values

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _warning(diverged: bool, findings: tuple[Finding, ...]) -> str:
    """Return what a run must be warned of: its end, or errors that were found; "" where all is well."""
    errors = [f"{finding.code} {finding.title}" for finding in findings if finding.severity == "error"]
    return "; ".join([*(["the training diverged"] if diverged else []), *errors])
