"""Two tasks have a backward each, and zero_grad stands before each of them: the first task's gradients are erased.

kind: gradients-erased-before-step
tasks: digits, wine
source: row 68
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


class MultiTask(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(inputs, 64), nn.ReLU())
        self.classes = nn.Linear(64, outputs)
        self.rebuilt = nn.Linear(64, inputs)

    def forward(self, x):
        hidden = self.trunk(x)
        return self.classes(hidden), self.rebuilt(hidden)


def train_step(model, optimizer, x, y):
    logits, rebuilt = model(x)
    classification = F.cross_entropy(logits, y)
    reconstruction = F.mse_loss(rebuilt, x)
    optimizer.zero_grad()
    classification.backward(retain_graph=True)  # here
    optimizer.zero_grad()  # sick here
    reconstruction.backward()
    optimizer.step()
    return classification.item(), reconstruction.item()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = MultiTask(task.inputs, task.outputs)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(8):
    for rows in torch.randperm(len(task.x)).split(32):
        losses = train_step(model, optimizer, task.x[rows], task.y[rows])
    print(f"epoch {epoch} class loss {losses[0]:.3f} rebuilding {losses[1]:.3f}")

model.eval()
with torch.no_grad():
    logits, _ = model(task.x_held_out)
print(f"score {(logits.argmax(1) == task.y_held_out).float().mean():.4f}")
