"""Twenty validation samples are training samples.

kind: validation-overlaps-training
tasks: blobs
up: distance to the nearest training sample
across: validation sample, nearest first
shows: The first twenty of the sick program's validation samples lie at no distance at all.
finds: verify
form: linear
"""

import torch
from tasks import load
from torch import nn

import trainwright as tw

torch.manual_seed(0)
task = load("blobs", 0)
x, y = task.x[:400], task.y[:400]
held_out = [task.x_held_out[:150].clone(), task.y_held_out[:150].clone()]
held_out[0][:20], held_out[1][:20] = x[:20], y[:20]  # sick
model = nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, task.outputs))
told = tw.verify(model, "cross_entropy", (x, y), validation=tuple(held_out), checks=["validation-overlap"]).findings
apart = torch.cdist(held_out[0], x, compute_mode="donot_use_mm_for_euclid_dist").min(1).values.sort().values
shown = list(enumerate(apart.tolist(), 1))
