"""Two losses are differentiated one after the other to compare their gradients, and once more together for the step;
trips rules on gradients that pile up or are erased.

control: 19
tasks: digits, wine
score: 0.8
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


class Net(nn.Module):
    def __init__(self, inputs, classes):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(inputs, 64), nn.ReLU())
        self.classify, self.restore = nn.Linear(64, classes), nn.Linear(64, inputs)

    def forward(self, x):
        h = self.trunk(x)
        return self.classify(h), self.restore(h)


def norm_on_trunk(model, loss):
    model.zero_grad()
    loss.backward(retain_graph=True)
    norm = torch.stack([p.grad.norm() for p in model.trunk.parameters()]).norm()
    model.zero_grad()
    return norm


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Net(task.inputs, task.outputs)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(12):
    for rows in torch.randperm(len(task.x)).split(32):
        x, y = task.x[rows], task.y[rows]
        classes, restored = model(x)
        first, second = F.cross_entropy(classes, y), F.mse_loss(restored, x)
        weight = (norm_on_trunk(model, first) / (norm_on_trunk(model, second) + 1e-8)).clamp(max=1.0)
        optimizer.zero_grad()
        (first + 0.3 * weight * second).backward()
        optimizer.step()
    print(f"epoch {epoch} losses {first.item():.4f} {second.item():.4f} weight {weight.item():.3f}")
with torch.no_grad():
    print(f"score {(model(task.x_held_out)[0].argmax(1) == task.y_held_out).float().mean().item():.4f}")
