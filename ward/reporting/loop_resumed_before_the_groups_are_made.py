"""On resuming, the state goes into an optimizer that is built once more a few lines below: Adam starts from nothing.

kind: optimizer-state-lost-on-resume
also: optimizer-recreated
tasks: digits, surface
source: OpenNMT-py#617
gap: none, the averages fill again within a few steps of a run as short as this
"""

import sys
from pathlib import Path

import torch
from tasks import load
from torch import nn


def groups(model):
    decayed = [p for p in model.parameters() if p.ndim > 1]
    return [{"params": decayed, "weight_decay": 0.01}, {"params": [p for p in model.parameters() if p.ndim == 1]}]


def make(task):
    return nn.Sequential(nn.Linear(task.inputs, 48), nn.SiLU(), nn.Linear(48, task.outputs))


def train(model, optimizer, task, steps):
    criterion = nn.MSELoss() if task.kind == "values" else nn.CrossEntropyLoss()
    for step in range(steps):
        rows = torch.randint(len(task.x), (32,))
        loss = criterion(model(task.x[rows]), task.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 50 == 0:
            print(f"step {step} loss {loss.item():.4f}")
    with torch.no_grad():
        return -criterion(model(task.x_held_out), task.y_held_out).item()


def resume(path, task):
    state = torch.load(path)
    model = make(task)
    model.load_state_dict(state["model"])
    optimizer = torch.optim.AdamW(groups(model), lr=2e-3, betas=(0.9, 0.99))
    optimizer.load_state_dict(state["optimizer"])  # here
    optimizer = torch.optim.AdamW(groups(model), lr=2e-3, betas=(0.9, 0.99))  # sick here
    return model, optimizer


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
path = Path("last.pt").resolve()
model = make(task)
optimizer = torch.optim.AdamW(groups(model), lr=2e-3, betas=(0.9, 0.99))
train(model, optimizer, task, 200)
torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, path)

model, optimizer = resume(path, task)
path.unlink()
print(f"score {train(model, optimizer, task, 150):.4f}")
