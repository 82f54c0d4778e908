"""The optimizer is built again after its state was restored: training resumes with empty averages and an old schedule.

kind: optimizer-state-lost-on-resume
also: optimizer-recreated
tasks: surface, curve, diabetes
source: OpenNMT-py#617
gap: none, the averages fill again within a few steps of a run as short as this
"""

import io
import sys

import torch
from tasks import load
from torch import nn
from torch.optim.lr_scheduler import ExponentialLR


def build(inputs, outputs):
    model = nn.Sequential(nn.Linear(inputs, 64), nn.Tanh(), nn.Linear(64, outputs))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    return model, optimizer, ExponentialLR(optimizer, gamma=0.97)


def train(model, optimizer, scheduler, task, epochs):
    for _ in range(epochs):
        for rows in torch.randperm(len(task.x)).split(50):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(task.x[rows]), task.y[rows])
            loss.backward()
            optimizer.step()  # here
        scheduler.step()
    print(f"epoch {scheduler.last_epoch}: loss {loss.item():.4f}")


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model, optimizer, scheduler = build(task.inputs, task.outputs)
train(model, optimizer, scheduler, task, epochs=12)
checkpoint = io.BytesIO()
torch.save([model.state_dict(), optimizer.state_dict(), scheduler.state_dict()], checkpoint)

checkpoint.seek(0)
weights, averages, schedule = torch.load(checkpoint)
model, optimizer, scheduler = build(task.inputs, task.outputs)
model.load_state_dict(weights)
optimizer.load_state_dict(averages)  # here
optimizer = torch.optim.Adam(model.parameters(), lr=optimizer.param_groups[0]["lr"])  # sick here
scheduler = ExponentialLR(optimizer, gamma=0.97)
scheduler.load_state_dict(schedule)
train(model, optimizer, scheduler, task, epochs=12)

with torch.no_grad():
    print(f"score {-nn.functional.mse_loss(model(task.x_held_out), task.y_held_out).item():.4f}")
