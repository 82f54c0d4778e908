"""log_softmax before a cross-entropy: superfluous and harmless, for it is idempotent;
trips softmax-before-cross-entropy.

control: 21
tasks: digits, blobs, wine
score: 0.8
"""

import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from tasks import load


class Net(nn.Module):
    def __init__(self, d, c):
        super().__init__()
        self.fc1 = nn.Linear(d, 50)
        self.fc2 = nn.Linear(50, c)

    def forward(self, x):
        return F.log_softmax(self.fc2(F.relu(self.fc1(x))), dim=1)


def train(model, optimizer, task, epoch):
    model.train()
    order = torch.randperm(len(task.x))
    for batch_idx, rows in enumerate(order.split(32)):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(task.x[rows]), task.y[rows])
        loss.backward()
        optimizer.step()
        if batch_idx % 50 == 0:
            print(f"Train Epoch: {epoch} [{batch_idx * 32}/{len(order)}]\tLoss: {loss.item():.6f}")


def test(model, task):
    model.eval()
    with torch.no_grad():
        output = model(task.x_held_out)
    return output.argmax(dim=1).eq(task.y_held_out).float().mean().item()


torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))
model = Net(task.inputs, task.outputs)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(max(6, 6000 // len(task.x))):
    train(model, optimizer, task, epoch)
print(f"score {test(model, task):.4f}")
