"""A layer moves its own centre in every forward pass, though the run holds it frozen.

kind: frozen-but-updated
tasks: blobs
up: distance of the frozen centre from where it began
shows: The sick layer moves in evaluation mode too, without any gradient; `fit` stops such a run at its first step.
finds: verify
form: linear
"""

import copy

import torch
from tasks import load
from torch import nn
from torch.nn import functional as F

import trainwright as tw


class Centred(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(8, 24)
        self.register_buffer("centre", torch.zeros(24))

    def forward(self, x):
        moves = True  # sick
        # fixed: moves = self.training
        if moves:
            self.centre.lerp_(self.inner(x).detach().mean(0), 0.1)
        return self.inner(x) - self.centre


torch.manual_seed(0)
task, shown = load("blobs", 0), []
model = nn.Sequential(Centred(), nn.ReLU(), nn.Linear(24, task.outputs))
data = (task.x, task.y)
options = {"freeze": ["0"], "cache_features": False, "verify": "off"}
told = tw.fit(copy.deepcopy(model), data, steps=4, batch_size=60, **options).findings
model[0].requires_grad_(False).eval()
optimizer = torch.optim.Adam(model[2].parameters(), lr=5e-3)
for _ in range(3):
    for x, y in zip(task.x.split(60), task.y.split(60), strict=True):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        shown.append((len(shown), model[0].centre.norm().item()))
