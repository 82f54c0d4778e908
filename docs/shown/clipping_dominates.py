"""The gradient is clipped to a ten-thousandth.

kind: clipping-dominates
tasks: blobs
up: norm of the gradient that the step takes
shows: The sick program cuts every gradient to the same length, and says nothing with it but a direction.
finds: verify
"""

import torch
from tasks import load
from torch import nn

import trainwright as tw

torch.manual_seed(0)
task = load("blobs", 0)
model = nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, task.outputs))
clip_norm = 1e-4  # sick
# fixed: clip_norm = 1.0
data, options = (task.x, task.y), {"optimizer": "sgd", "lr": 0.1, "schedule": "constant"}
run = tw.fit(model, data, epochs=4, batch_size=60, clip_norm=clip_norm, **options)
told = run.findings
shown = [(step.step, step.clipped_norm or step.gradient_norm) for step in run.history.steps]
