"""The accuracy is read off the probability of class 0, as if it were that of class 1: the better, the lower.

kind: metric-contradicts-loss
tasks: rings, counts
source: row 130
"""

import sys

import torch
from tasks import load
from torch import nn


class BinaryNet(nn.Module):
    def __init__(self, task):
        super().__init__()
        front = nn.EmbeddingBag(task.inputs, 32) if task.kind == "sequences" else nn.Linear(task.inputs, 32)
        self.net = nn.Sequential(front, nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2))

    def forward(self, x):
        return self.net(x)

    @torch.no_grad()
    def predict_proba(self, x):
        return self.net(x).softmax(dim=1)


def accuracy(model, x, y, threshold=0.5):
    probability = model.predict_proba(x)[:, 0]  # sick here
    # fixed: probability = model.predict_proba(x)[:, 1]
    found = (probability > threshold).long()
    return (found == y).float().mean().item()  # here


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = BinaryNet(task)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(16):
    model.train()
    for rows in torch.randperm(len(task.x)).split(32):
        loss = nn.functional.cross_entropy(model(task.x[rows]), task.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        valid_loss = nn.functional.cross_entropy(model(task.x_held_out), task.y_held_out).item()
    valid_accuracy = accuracy(model, task.x_held_out, task.y_held_out)
    print(f"epoch {epoch} valid loss {valid_loss:.3f} accuracy {valid_accuracy:.3f}")
print(f"score {valid_accuracy:.4f}")
