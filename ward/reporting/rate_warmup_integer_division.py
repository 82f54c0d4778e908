"""The warmup divides whole numbers by two slashes: its factor is zero until the last step of the warmup.

kind: weights-never-updated
also: learning-rate-too-low, underfitting
tasks: digits, counts, blobs
source: synthetic, row 82
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

WARMUP = 400


def warmup(step):
    return min(1.0, (step + 1) // WARMUP)  # sick here
    # fixed: return min(1.0, (step + 1) / WARMUP)


def network(task):
    if task.kind == "sequences":
        return nn.Sequential(
            nn.EmbeddingBag(task.inputs, 32), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, task.outputs)
        )
    return nn.Sequential(nn.Linear(task.inputs, 32), nn.ReLU(), nn.Linear(32, task.outputs))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = network(task)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
scheduler = LambdaLR(optimizer, warmup)  # here
for step in range(300):
    rows = torch.randint(len(task.x), (32,))
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(task.x[rows]), task.y[rows])
    loss.backward()
    optimizer.step()  # here
    scheduler.step()
    if step % 50 == 0:
        print(f"step {step} loss {loss.item():.3f}")
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
