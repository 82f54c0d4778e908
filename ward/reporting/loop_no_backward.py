"""The optimizer steps in every iteration, but nobody called backward.

kind: missing-backward
also: weights-never-updated
tasks: digits, blobs, tiles
source: synthetic, row 69
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

seed, name = int(sys.argv[1]), sys.argv[2]
torch.manual_seed(seed)
data = load(name, seed)


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(data.x[0].numel(), 72)
        self.fc2 = nn.Linear(72, data.outputs)

    def forward(self, x):
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


model = Classifier()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)

for step in range(400):
    index = torch.randint(0, len(data.x), (64,))
    optimizer.zero_grad()
    loss = F.cross_entropy(model(data.x[index]), data.y[index])  # here
    # fixed: loss.backward()
    optimizer.step()  # here
    if step % 100 == 0:
        print(f"{step}: {loss.item():.4f}")

model.eval()
with torch.no_grad():
    accuracy = (model(data.x_held_out).argmax(1) == data.y_held_out).float().mean()
print(f"score {accuracy.item():.4f}")
