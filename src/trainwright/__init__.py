"""trainwright trains PyTorch networks and says what is wrong with the training, the way a good compiler does.

The names below load on first use, so that `trainwright --help` need not wait for torch.
"""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainwright.checks.gradcheck import GradientCheck, gradcheck
    from trainwright.doctor.diagnose import diagnose
    from trainwright.doctor.kinds import explain
    from trainwright.ensembles.ensemble import Ensemble
    from trainwright.errors import TrainwrightError
    from trainwright.records import Chart, Finding, Outcome
    from trainwright.runs.reader import read_run
    from trainwright.search.space import choice, integers, log_uniform, uniform
    from trainwright.serving.model import Model
    from trainwright.stages.estimators import Classifier, Regressor
    from trainwright.stages.find_lr import LearningRate, find_lr
    from trainwright.stages.finish import finish
    from trainwright.stages.fit import fit
    from trainwright.stages.load import load
    from trainwright.stages.recipe import Recipe
    from trainwright.stages.resume import resume
    from trainwright.stages.run import Run
    from trainwright.stages.start import start_from
    from trainwright.stages.study import Study
    from trainwright.stages.tune import tune
    from trainwright.stages.verify import Report, verify
    from trainwright.watching.watch import Watch, watch

__version__ = "0.1.0"

_HOMES = {
    "Chart": "records",
    "Classifier": "stages.estimators",
    "Ensemble": "ensembles.ensemble",
    "Finding": "records",
    "GradientCheck": "checks.gradcheck",
    "LearningRate": "stages.find_lr",
    "Model": "serving.model",
    "Outcome": "records",
    "Recipe": "stages.recipe",
    "Regressor": "stages.estimators",
    "Report": "stages.verify",
    "Run": "stages.run",
    "Study": "stages.study",
    "TrainwrightError": "errors",
    "Watch": "watching.watch",
    "choice": "search.space",
    "diagnose": "doctor.diagnose",
    "explain": "doctor.kinds",
    "find_lr": "stages.find_lr",
    "finish": "stages.finish",
    "fit": "stages.fit",
    "gradcheck": "checks.gradcheck",
    "integers": "search.space",
    "load": "stages.load",
    "log_uniform": "search.space",
    "read_run": "runs.reader",
    "resume": "stages.resume",
    "start_from": "stages.start",
    "tune": "stages.tune",
    "uniform": "search.space",
    "verify": "stages.verify",
    "watch": "watching.watch",
}

__all__ = [
    "Chart",
    "Classifier",
    "Ensemble",
    "Finding",
    "GradientCheck",
    "LearningRate",
    "Model",
    "Outcome",
    "Recipe",
    "Regressor",
    "Report",
    "Run",
    "Study",
    "TrainwrightError",
    "Watch",
    "choice",
    "diagnose",
    "explain",
    "find_lr",
    "finish",
    "fit",
    "gradcheck",
    "integers",
    "load",
    "log_uniform",
    "read_run",
    "resume",
    "start_from",
    "tune",
    "uniform",
    "verify",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'trainwright' has no attribute '{name}'")
    with warnings.catch_warnings():
        # Of the bars of a library that optuna imports, in a notebook without widgets: none of them is ever shown.
        warnings.filterwarnings("ignore", message="IProgress not found")
        value = getattr(importlib.import_module(f"trainwright.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
