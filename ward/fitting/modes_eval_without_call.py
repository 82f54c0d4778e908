"""`model.eval` stands before the final test without its parentheses, so dropout goes on.

kind: evaluating-in-train-mode
tasks: tiles, shapes
source: row 97
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 12, 3, padding=1)
        self.conv2 = nn.Conv2d(12, 24, 3, padding=1)
        self.pool = nn.AdaptiveMaxPool2d(3)
        self.drop = nn.Dropout(0.7)
        self.fc = nn.Linear(216, classes)

    def forward(self, x):
        x = torch.relu(self.conv1(x))
        x = self.pool(torch.relu(self.conv2(x))).flatten(1)
        return self.fc(self.drop(x))


def train(model, loader, epochs):
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    model.train()
    for epoch in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch} loss {loss.item():.4f}")


def test(model, loader):
    # fixed: model.eval()
    model.eval  # noqa: B018  # sick here
    right = total = 0
    with torch.no_grad():
        for x, y in loader:
            right += (model(x).argmax(1) == y).sum().item()  # here
            total += len(y)
    return right / total


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Net(task.inputs, task.outputs)
train(model, DataLoader(TensorDataset(task.x, task.y), batch_size=32, shuffle=True), epochs=5)
print(f"score {test(model, DataLoader(TensorDataset(task.x_held_out, task.y_held_out), batch_size=100)):.4f}")
