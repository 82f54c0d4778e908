"""The columns of the table keep their own units, from fractions to tens of thousands.

kind: inputs-not-normalised
also: learning-rate-too-high, initial-loss-too-high
tasks: cancer, wine, blobs
source: SO 39525358
"""

import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from tasks import load
from torch.utils.data import DataLoader, TensorDataset


class Classifier(nn.Module):
    def __init__(self, features, classes):
        super().__init__()
        self.hidden = nn.Linear(features, 32)
        self.out = nn.Linear(32, classes)

    def forward(self, rows):
        return self.out(F.relu(self.hidden(rows)))  # here


def main(seed, name):
    torch.manual_seed(seed)
    data = load(name, seed)
    width = data.x.shape[1]
    units = torch.logspace(-2, 4.3, width)
    table, test_table = data.x * units + 3 * units, data.x_held_out * units + 3 * units
    mean, deviation = table.mean(0), table.std(0)
    # fixed: table, test_table = (table - mean) / deviation, (test_table - mean) / deviation
    print(f"{len(table)} rows, first column {mean[0]:.3g} +- {deviation[0]:.3g}")

    net = Classifier(width, data.outputs)
    opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    loader = DataLoader(TensorDataset(table, data.y), batch_size=32, shuffle=True)  # here
    for epoch in range(400 // len(loader)):
        total = 0.0
        for rows, labels in loader:
            loss = F.cross_entropy(net(rows), labels)  # here
            opt.zero_grad()
            loss.backward()
            opt.step()
            total += loss.item() / len(loader)
        if epoch % 5 == 0:
            print(f"epoch {epoch}: {total:.4f}")

    net.eval()
    with torch.no_grad():
        right = net(test_table).argmax(1) == data.y_held_out
    print(f"score {right.float().mean():.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
