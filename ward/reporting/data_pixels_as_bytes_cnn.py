"""A small convolutional network gets grey values of 0 to 255, as they come from the camera.

kind: inputs-not-normalised
tasks: tiles, shapes
source: synthetic, row 3
"""

import argparse

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, Dataset

parser = argparse.ArgumentParser()
parser.add_argument("seed", type=int)
parser.add_argument("task")
parser.add_argument("--epochs", type=int, default=6)
parser.add_argument("--lr", type=float, default=0.05)
args = parser.parse_args()


class Pictures(Dataset):
    def __init__(self, x, y, low, high):
        self.bytes = ((x - low) / (high - low) * 255).clamp(0, 255).to(torch.uint8)
        self.labels = y

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        picture = self.bytes[index].float()
        # fixed: picture = (picture - 100.0) / 60.0
        return picture, self.labels[index]


class Net(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 12, 3, padding=1)
        self.conv2 = nn.Conv2d(12, 16, 3, padding=1)
        self.out = nn.Linear(16 * 4, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.adaptive_max_pool2d(F.relu(self.conv2(x)), 2)
        return self.out(x.flatten(1))


torch.manual_seed(args.seed)
task = load(args.task, args.seed)
low, high = task.x.min(), task.x.max()
train_set = Pictures(task.x, task.y, low, high)  # here
test_set = Pictures(task.x_held_out, task.y_held_out, low, high)
net = Net(task.inputs, task.outputs)
optimizer = torch.optim.SGD(net.parameters(), lr=args.lr, momentum=0.9)  # here
for epoch in range(1, args.epochs + 1):
    for data, target in DataLoader(train_set, batch_size=50, shuffle=True):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(data), target)  # here
        loss.backward()
        optimizer.step()
    print(f"Train epoch {epoch} loss {loss.item():.4f}")

correct = 0
with torch.no_grad():
    for data, target in DataLoader(test_set, batch_size=100):
        correct += (net(data).argmax(1) == target).sum().item()
print(f"score {correct / len(test_set):.4f}")
