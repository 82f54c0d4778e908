"""The loop that is to freeze the old layers also freezes the new ones, whose names begin alike.

kind: parameters-frozen
tasks: rings, blobs, digits
source: row 30
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


class Tagger(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.stem = nn.Linear(inputs, inputs)
        self.stem_adapter = nn.Sequential(nn.Linear(inputs, 8), nn.Tanh(), nn.Linear(8, 2), nn.Tanh())
        self.head = nn.Linear(2, outputs)

    def forward(self, x):
        return self.head(self.stem_adapter(self.stem(x)))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Tagger(task.inputs, task.outputs)
nn.init.eye_(model.stem.weight)
for name, parameter in model.named_parameters():
    # fixed: if name.startswith("stem."):
    if name.startswith("stem"):  # sick here
        parameter.requires_grad = False  # here

optimizer = torch.optim.Adam(model.parameters(), lr=0.01)  # here
for step in range(500):
    batch = torch.randint(len(task.x), (32,))
    loss = F.cross_entropy(model(task.x[batch]), task.y[batch])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
