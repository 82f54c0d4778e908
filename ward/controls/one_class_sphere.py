"""One class is drawn to one point, without labels (deep SVDD): the target is a constant and the outputs shall be alike;
trips rules on constant targets, collapsed outputs and layers without bias.

control: one class
tasks: digits, tiles
score: 0.75
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader


class Embedding(nn.Module):
    def __init__(self, inputs, width=16):
        super().__init__()
        self.first = nn.Linear(inputs, 48, bias=False)
        self.second = nn.Linear(48, width, bias=False)

    def forward(self, x):
        return self.second(nn.functional.leaky_relu(self.first(x.flatten(1)), 0.1))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
usual = task.x[task.y == 0]
model = Embedding(task.x[0].numel())
with torch.no_grad():
    centre = model(usual).mean(dim=0)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-5)
for epoch in range(15):
    for x in DataLoader(usual, batch_size=16, shuffle=True):
        distance = (model(x) - centre).pow(2).sum(dim=1)
        optimizer.zero_grad()
        distance.mean().backward()
        optimizer.step()
    print(f"epoch {epoch} mean distance {distance.mean().item():.4f}")

with torch.no_grad():
    strange = (model(task.x_held_out) - centre).pow(2).sum(dim=1)
normal, other = strange[task.y_held_out == 0], strange[task.y_held_out != 0]
print(f"score {(other[:, None] > normal[None]).float().mean():.4f}")
