"""A linear probe: the optimizer holds only the head, the encoder is run under no_grad;
trips parameters-not-in-optimizer.

control: 7
tasks: digits, blobs, rings
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn


class RandomFeatures(nn.Module):
    def __init__(self, inputs, features=256):
        super().__init__()
        self.project = nn.Linear(inputs, features)
        self.norm = nn.LayerNorm(features)

    def forward(self, x):
        return self.norm(torch.cos(self.project(x)))


torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))
encoder = RandomFeatures(task.inputs)
probe = nn.Linear(256, task.outputs)
optimizer = torch.optim.SGD(probe.parameters(), lr=0.1, momentum=0.9)

for epoch in range(20):
    for rows in torch.randperm(len(task.x)).split(50):
        with torch.no_grad():
            features = encoder(task.x[rows])
        loss = nn.functional.cross_entropy(probe(features), task.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1}: {loss.item():.4f}")

encoder.eval(), probe.eval()
with torch.no_grad():
    accuracy = (probe(encoder(task.x_held_out)).argmax(-1) == task.y_held_out).float().mean()
print(f"score {accuracy.item():.4f}")
