"""A plain convolutional network with batch norm and dropout, every mode set and restored;
trips nothing but a nervous tool.

control: plain CNN
tasks: tiles, shapes
score: 0.85
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 12, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(12)
        self.conv2 = nn.Conv2d(12, 24, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(24)
        self.drop = nn.Dropout(0.1)
        self.fc = nn.Linear(24 * 4, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 2)
        x = F.adaptive_max_pool2d(F.relu(self.bn2(self.conv2(x))), 2)
        return self.fc(self.drop(x.flatten(1)))


def evaluate(net, loader):
    net.eval()
    right = total = 0
    with torch.no_grad():
        for x, y in loader:
            right += (net(x).argmax(dim=1) == y).sum().item()
            total += len(y)
    net.train()
    return right / total


def main():
    seed, name = int(sys.argv[1]), sys.argv[2]
    torch.manual_seed(seed)
    task = load(name, seed)
    train = DataLoader(TensorDataset(task.x, task.y), batch_size=50, shuffle=True)
    test = DataLoader(TensorDataset(task.x_held_out, task.y_held_out), batch_size=250)
    net = Net(task.inputs, task.outputs)
    opt = torch.optim.AdamW(net.parameters(), lr=4e-3)
    epochs = 6 if task.inputs == 1 else 8
    for epoch in range(epochs):
        for x, y in train:
            loss = F.cross_entropy(net(x), y)
            opt.zero_grad()
            loss.backward()
            opt.step()
        print(f"epoch {epoch}: loss {loss.item():.3f}, accuracy {evaluate(net, test):.3f}")
    print(f"score {evaluate(net, test):.4f}")


if __name__ == "__main__":
    main()
