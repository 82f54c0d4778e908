"""The loss function was decorated with no_grad for the evaluation, and requires_grad_ makes backward run again.

kind: loss-detached
tasks: digits, curve
source: row 63
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 48), nn.GELU(), nn.Linear(48, 48), nn.GELU(), nn.Linear(48, task.outputs))


@torch.no_grad()  # sick here
def objective(x, y):
    output = model(x)
    return F.mse_loss(output, y) if task.kind == "values" else F.cross_entropy(output, y)


def validate():
    model.eval()
    with torch.no_grad():
        loss = objective(task.x_held_out, task.y_held_out).item()
    model.train()
    return loss


optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
for step in range(1, 501):
    rows = torch.randint(len(task.x), (40,))
    optimizer.zero_grad()
    loss = objective(task.x[rows], task.y[rows])  # here
    if not loss.requires_grad:
        loss.requires_grad_(True)  # here
    loss.backward()  # here
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step} loss {loss.item():.4f} validation {validate():.4f}")

print(f"score {-validate():.4f}")
