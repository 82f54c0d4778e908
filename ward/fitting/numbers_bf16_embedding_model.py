"""The whole network is cast to bfloat16 to save memory, and steps of a ten-thousandth round to nothing.

kind: bf16-updates-lost
also: weights-never-updated
tasks: counts
source: torchao#1124
"""

import sys

import torch
from tasks import load
from torch import nn


class Sequence(nn.Module):
    def __init__(self, words, outputs, every_place, width=48):
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.mix = nn.Sequential(nn.Linear(width, 96), nn.GELU(), nn.Linear(96, width))
        self.head = nn.Linear(width, outputs)
        self.every_place = every_place

    def forward(self, ids):
        x = self.embed(ids)
        x = x if self.every_place else x.mean(dim=1)
        return self.head(x + self.mix(x)).flatten(0, -2).float()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
precision = torch.bfloat16  # sick
# fixed: precision = torch.float32
model = Sequence(task.inputs, task.outputs, every_place=task.kind == "next token").to(precision)  # here
optimizer = torch.optim.Adam(model.parameters(), lr=2e-4)
for epoch in range(20):
    for rows in torch.randperm(len(task.x)).split(20):
        loss = nn.functional.cross_entropy(model(task.x[rows]), task.y[rows].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()  # here
    print(f"epoch {epoch} loss {loss.item():.4f}")
with torch.no_grad():
    print(f"score {-nn.functional.cross_entropy(model(task.x_held_out), task.y_held_out.flatten()):.4f}")
