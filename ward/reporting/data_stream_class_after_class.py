"""An iterable dataset walks through one folder per class, so every class comes in a block of its own.

kind: data-not-shuffled
tasks: tiles, shapes
source: super-gradients#416
"""

import argparse

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, IterableDataset


class FolderStream(IterableDataset):
    def __init__(self, pictures, labels):
        self.folders = [[(p, label) for p in pictures[labels == label]] for label in labels.unique()]

    def __iter__(self):
        files = [file for folder in self.folders for file in folder]  # here
        # fixed: files = [files[i] for i in torch.randperm(len(files))]
        yield from files


class ConvNet(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 12, 3, padding=1)
        self.conv2 = nn.Conv2d(12, 24, 3, padding=1, stride=2)
        self.fc = nn.Linear(24 * 16, classes)

    def forward(self, x):
        x = torch.relu(self.conv1(x))
        x = torch.relu(self.conv2(x))
        return self.fc(nn.functional.adaptive_avg_pool2d(x, 4).flatten(1))


parser = argparse.ArgumentParser()
parser.add_argument("seed", type=int)
parser.add_argument("task")
parser.add_argument("--epochs", type=int, default=6)
parser.add_argument("--lr", type=float, default=0.05)
args = parser.parse_args()

torch.manual_seed(args.seed)
task = load(args.task, args.seed)
loader = DataLoader(FolderStream(task.x, task.y), batch_size=32)  # here
net = ConvNet(task.inputs, task.outputs)
sgd = torch.optim.SGD(net.parameters(), lr=args.lr, momentum=0.9)
for epoch in range(args.epochs):
    running = 0.0
    for pictures, labels in loader:  # here
        sgd.zero_grad()
        loss = nn.functional.cross_entropy(net(pictures), labels)  # here
        loss.backward()
        sgd.step()
        running += loss.item()
    print(f"epoch {epoch} running loss {running:.2f}")
with torch.no_grad():
    print(f"score {(net(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
