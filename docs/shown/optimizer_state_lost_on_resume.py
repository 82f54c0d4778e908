"""After a restart Adam's saved state goes into one optimizer, and another one makes the steps.

kind: optimizer-state-lost-on-resume
tasks: blobs
up: length of the update
shows: The run was broken off and taken up again at step 45; the sick program's Adam has forgotten its moments there.
form: linear
"""

import io

import torch
from tasks import load
from torch import nn
from torch.nn import functional as F


def train(model, optimizer, task, shown):
    for _ in range(3):
        for x, y in zip(task.x.split(60), task.y.split(60), strict=True):
            before = nn.utils.parameters_to_vector(model.parameters()).detach().clone()
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            after = nn.utils.parameters_to_vector(model.parameters()).detach()
            shown.append((len(shown), (after - before).norm().item()))


torch.manual_seed(0)
task, shown = load("blobs", 0), []
model = nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, task.outputs))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
train(model, optimizer, task, shown)
file = io.BytesIO()
torch.save(optimizer.state_dict(), file)
file.seek(0)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
optimizer.load_state_dict(torch.load(file))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)  # sick
train(model, optimizer, task, shown)
