"""The training inputs are standardised, the validation inputs are left in their own units.

kind: validation-preprocessed-differently
tasks: blobs
up: mean in the training data's deviations
across: feature of the validation inputs
shows: The validation inputs of the healed program lie where those of training do, at zero.
finds: verify
form: linear, dots
"""

import torch
from tasks import load
from torch import nn

import trainwright as tw

torch.manual_seed(0)
task = load("blobs", 0)
units, offsets = torch.linspace(2, 9, 8), torch.linspace(3, 40, 8)  # what the table holds
raw, raw_held_out = task.x * units + offsets, task.x_held_out * units + offsets
mean, deviation = raw.mean(0), raw.std(0)
x = (raw - mean) / deviation
x_held_out = raw_held_out  # sick
# fixed: x_held_out = (raw_held_out - mean) / deviation
model = nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, task.outputs))
data, held_out = (x, task.y), (x_held_out, task.y_held_out)
told = tw.verify(model, "cross_entropy", data, validation=held_out, checks=["validation-preprocessing"]).findings
shown = list(enumerate(x_held_out.mean(0).tolist(), 1))
