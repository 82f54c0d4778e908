"""Training that knows its quantisation: weights pass as fifteen levels, by a parametrization with a straight-through
gradient; trips rules on detached graphs, on rounding and on weights that are not parameters.

control: quantised weights
tasks: digits, blobs, cancer
score: 0.75
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.nn.utils import parametrize


class FourBits(nn.Module):
    def forward(self, weight):
        step = weight.detach().abs().amax() / 7
        rounded = (weight / step).round().clamp(-7, 7) * step
        return weight + (rounded - weight).detach()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, task.outputs))
for module in model:
    if isinstance(module, nn.Linear):
        parametrize.register_parametrization(module, "weight", FourBits())
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(15):
    for rows in torch.randperm(len(task.x)).split(32):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(task.x[rows]), task.y[rows])
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.3f}")
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
