"""The picture is normalised by mean and deviation of fractions (0.5, 0.5), while its pixels still run to 255.

kind: inputs-not-normalised
also: saturated-activations
tasks: tiles
source: synthetic, row 3
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset

MEAN, STD = 0.5, 0.5


def read_pictures(raw):
    """Undo what the reader did: grey values as a camera writes them."""
    low, high = raw.min(), raw.max()
    return ((raw - low) / (high - low) * 255).round()


def transform(pictures):
    # fixed: pictures = pictures / 255
    pictures = pictures.float()  # sick
    return (pictures - MEAN) / STD  # here


class SmallNet(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.fc = nn.Linear(16 * 4, classes)

    def forward(self, x):
        x = F.max_pool2d(torch.tanh(self.conv1(x)), 2)  # here
        x = F.max_pool2d(torch.tanh(self.conv2(x)), 2)
        return self.fc(x.flatten(1))


def main():
    seed = int(sys.argv[1])
    torch.manual_seed(seed)
    task = load(sys.argv[2], seed)
    train = TensorDataset(transform(read_pictures(task.x)), task.y)
    loader = DataLoader(train, batch_size=64, shuffle=True)
    model = SmallNet(task.outputs)
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(8):
        for x, y in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch + 1}: {loss.item():.3f}")
    model.eval()
    with torch.no_grad():
        guess = model(transform(read_pictures(task.x_held_out))).argmax(1)
    print(f"score {(guess == task.y_held_out).float().mean():.4f}")


main()
