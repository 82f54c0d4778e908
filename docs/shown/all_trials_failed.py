"""The rate is searched where every training diverges.

kind: all-trials-failed
tasks: blobs
up: steps until the loss is no number, of forty
across: learning rate, logarithmic
shows: Each rate of the sick search ends its training at the second step; those of the healed one see all forty made.
finds: tune
form: dots, linear
"""

import torch
from tasks import load
from torch import nn
from torch.nn import functional as F

import trainwright as tw


def network():
    return nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, 4))


torch.manual_seed(0)
task = load("blobs", 0)
data, held_out = (task.x[:400], task.y[:400]), (task.x_held_out, task.y_held_out)
space = {"lr": tw.log_uniform(1e25, 1e30)}  # sick
# fixed: space = {"lr": tw.log_uniform(1e-3, 1.0)}
options = {"optimizer": "sgd", "schedule": "constant", "steps": 40, "batch_size": 40, "clip_norm": 0}
study = tw.tune(network, data, held_out, space=space, trials=12, rounds=1, prune=False, final=0, **options)
told = study.findings
shown = []
for trial in study.trials:
    model, steps = network(), 0
    for x, y in list(zip(data[0].split(40), data[1].split(40), strict=True)) * 4:
        loss = F.cross_entropy(model(x), y)
        if not loss.isfinite():
            break
        steps += 1
        for weight, slope in zip(model.parameters(), torch.autograd.grad(loss, model.parameters()), strict=True):
            weight.data.sub_(slope, alpha=trial.values["lr"])
    shown.append((trial.values["lr"], steps))
shown.sort()
