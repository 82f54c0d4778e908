"""The rate is searched where all rates are too low.

kind: best-value-at-edge
tasks: blobs
up: validation loss of the trial
across: learning rate, logarithmic
shows: In the sick search the loss still falls where the range ends; the healed one has its best value inside.
finds: tune
form: dots
"""

import torch
from tasks import load
from torch import nn

import trainwright as tw


def network():
    return nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, 4))


torch.manual_seed(0)
task = load("blobs", 0)
data, held_out = (task.x[:400], task.y[:400]), (task.x_held_out, task.y_held_out)
space = {"lr": tw.log_uniform(1e-4, 1e-2)}  # sick
# fixed: space = {"lr": tw.log_uniform(3e-3, 3.0)}
options = {"optimizer": "sgd", "schedule": "constant", "steps": 40, "batch_size": 40, "clip_norm": 0}
study = tw.tune(network, data, held_out, space=space, trials=16, rounds=1, prune=False, final=0, **options)
told = study.findings
shown = sorted((trial.values["lr"], trial.score) for trial in study.trials if trial.score is not None)
