"""A queue allows short jobs only; each resumes the weights of the last one, and not the state of its optimizer.

kind: optimizer-state-lost-on-resume
also: optimizer-recreated
tasks: curve, surface
source: row 120
"""

import os
import sys

import torch
from tasks import load
from torch import nn

CHECKPOINT = "last.ckpt"


def job(task, steps):
    """Resume where the last job ended, train for a while, and save."""
    model = nn.Sequential(nn.Linear(task.inputs, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.99)
    done = 0
    if os.path.exists(CHECKPOINT):
        checkpoint = torch.load(CHECKPOINT, weights_only=True)
        model.load_state_dict(checkpoint["model"])  # here
        # fixed: optimizer.load_state_dict(checkpoint["optimizer"])
        done = checkpoint["done"]
    for _ in range(steps):
        rows = torch.randint(len(task.x), (32,))
        loss = nn.functional.mse_loss(model(task.x[rows]), task.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()  # here
        done += 1
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "done": done}, CHECKPOINT)
    print(f"step {done} loss {loss.item():.4f}")
    return model


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
for _ in range(20):
    model = job(task, steps=25)
os.remove(CHECKPOINT)
with torch.no_grad():
    print(f"score {-nn.functional.mse_loss(model(task.x_held_out), task.y_held_out):.4f}")
