"""A weight decay of 1 acts on all that there is to learn, the gains of the normalisation too.

kind: weight-decay-on-bias-or-norm
tasks: blobs
up: mean gain of the normalisation
shows: The decay pulls the gains of the sick network toward zero, and with them what the layer lets through.
finds: verify
form: linear
"""

import torch
from tasks import load
from torch import nn
from torch.nn import functional as F

import trainwright as tw

torch.manual_seed(0)
task = load("blobs", 0)
model = nn.Sequential(nn.Linear(8, 24), nn.LayerNorm(24), nn.ReLU(), nn.Linear(24, task.outputs))
matrices = [weight for weight in model.parameters() if weight.dim() > 1]
others = [weight for weight in model.parameters() if weight.dim() < 2]
groups = model.parameters()  # sick
# fixed: groups = [{"params": matrices}, {"params": others, "weight_decay": 0.0}]
optimizer = torch.optim.AdamW(groups, lr=5e-3, weight_decay=1.0)
data = (task.x, task.y)
told = tw.verify(model, "cross_entropy", data, optimizer=optimizer, checks=["configuration"]).findings
shown = []
for _ in range(6):
    for x, y in zip(task.x.split(30), task.y.split(30), strict=True):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        shown.append((len(shown), model[1].weight.mean().item()))
