"""A step takes the gradients of 64 batches, an epoch has fifteen, and each epoch begins at zero.

kind: accumulation-beyond-epoch
tasks: blobs
up: steps that were made
across: epoch
shows: The sick program never makes a step, and the healed one seven in each epoch.
finds: verify
form: linear
"""

from dataclasses import replace

import torch
from tasks import load
from torch import nn
from torch.nn import functional as F

from trainwright.checks.catalogue import CATALOGUE
from trainwright.stages.subject import subject_of
from trainwright.stages.verify import verify_subject

torch.manual_seed(0)
task = load("blobs", 0)
model = nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, task.outputs))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
accumulate = 64  # sick
# fixed: accumulate = 2
batches = list(zip(task.x.split(60), task.y.split(60), strict=True))
subject = replace(subject_of(model, "cross_entropy", batches), accumulate=accumulate)
told = verify_subject(subject, [CATALOGUE["configuration"]]).findings
steps, shown = 0, [(0, 0)]
for epoch in range(1, 9):
    optimizer.zero_grad()
    for number, (x, y) in enumerate(batches, 1):
        (F.cross_entropy(model(x), y) / accumulate).backward()
        if number % accumulate == 0:
            optimizer.step()
            optimizer.zero_grad()
            steps += 1
    shown.append((epoch, steps))
