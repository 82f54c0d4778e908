"""The forward pass of a small convolutional network returns probabilities to F.cross_entropy.

kind: softmax-before-cross-entropy
tasks: tiles, shapes
source: row 53
"""

import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from tasks import load


class ConvNet(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 12, 3, padding=1)
        self.conv2 = nn.Conv2d(12, 24, 3, padding=1)
        self.fc = nn.Linear(24, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.relu(self.conv2(x)).mean(dim=(2, 3))
        x = self.fc(x)
        return F.softmax(x, dim=1)  # sick here
        # fixed: return x


def train(model, x, y, steps):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.8)
    model.train()
    for step in range(steps):
        batch = torch.randint(len(x), (32,))
        loss = F.cross_entropy(model(x[batch]), y[batch])  # here
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 60 == 0:
            print(f"{step:5d}  {loss.item():.4f}")


if __name__ == "__main__":
    seed = int(sys.argv[1])
    torch.manual_seed(seed)
    data = load(sys.argv[2], seed)
    model = ConvNet(data.inputs, data.outputs)
    train(model, data.x, data.y, 250)
    model.eval()
    with torch.no_grad():
        prediction = model(data.x_held_out).argmax(dim=1)
    print(f"score {(prediction == data.y_held_out).float().mean():.4f}")
