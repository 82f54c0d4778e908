"""Adam adds the weight decay to the gradient, and scales both alike.

kind: l2-inside-adam
tasks: blobs
up: norm of the weights
shows: One and the same decay of 0.3: added to the gradient it is scaled as that is, and pulls the weights in; beside
    Adam it takes the share that it names.
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
model = nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, task.outputs))
matrices = [weight for weight in model.parameters() if weight.dim() > 1]
others = [weight for weight in model.parameters() if weight.dim() < 2]
groups = [{"params": matrices}, {"params": others, "weight_decay": 0.0}]
optimizer = torch.optim.Adam(groups, lr=5e-3, weight_decay=0.3)  # sick
# fixed: optimizer = torch.optim.AdamW(groups, lr=5e-3, weight_decay=0.3)
data = (task.x, task.y)
told = tw.verify(model, "cross_entropy", data, optimizer=optimizer, checks=["configuration"]).findings
shown = []
for _ in range(6):
    for x, y in zip(task.x.split(30), task.y.split(30), strict=True):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        shown.append((len(shown), nn.utils.get_total_norm(matrices).item()))
