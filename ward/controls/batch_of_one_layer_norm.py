"""One row at a time, by plain SGD, through layer norm, which does not mind; trips rules on tiny batches and on noise.

control: tiny batches on purpose
tasks: wine, rings
score: 0.8
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


class Online(nn.Module):
    def __init__(self, inputs, classes):
        super().__init__()
        self.project = nn.Linear(inputs, 32)
        self.norm = nn.LayerNorm(32)
        self.classify = nn.Linear(32, classes)

    def forward(self, x):
        return self.classify(F.silu(self.norm(self.project(x))))


def stream(x, y, passes):
    for _ in range(passes):
        for row in torch.randperm(len(x)).tolist():
            yield x[row : row + 1], y[row : row + 1]


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Online(task.inputs, task.outputs)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
smooth = None
for seen, (x, y) in enumerate(stream(task.x[:600], task.y[:600], passes=3 if len(task.x) > 400 else 8)):
    loss = F.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    smooth = loss.item() if smooth is None else 0.99 * smooth + 0.01 * loss.item()
    if seen % 200 == 0:
        print(f"{seen} rows, loss about {smooth:.4f}")

model.eval()
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
