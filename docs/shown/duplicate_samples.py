"""A twentieth of the rows was written into the table twice.

kind: duplicate-samples
tasks: blobs
up: distance to the nearest other sample
across: training sample, nearest first
shows: Twenty rows of the sick program's table, and the twenty that they are copies of, lie at no distance at all.
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
x, y = torch.cat([x, x[:20]]), torch.cat([y, y[:20]])  # sick
model = nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, task.outputs))
told = tw.verify(model, "cross_entropy", (x, y), checks=["duplicates"]).findings
apart = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist").fill_diagonal_(torch.inf)
shown = list(enumerate(apart.min(1).values.sort().values.tolist(), 1))
