"""Of two tasks on one trunk the second one enters the sum as a plain number, so its head learns nothing.

kind: parameters-without-gradient
also: penalty-inert, weights-never-updated
tasks: digits, wine
source: synthetic, row 63
"""

import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from tasks import load


class TwoHeads(nn.Module):
    def __init__(self, inputs, classes):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(inputs, 64), nn.ReLU())
        self.category = nn.Linear(64, classes)
        self.parity = nn.Linear(64, 2)

    def forward(self, x):
        h = self.trunk(x)
        return self.category(h), self.parity(h)


def main():
    seed = int(sys.argv[1])
    torch.manual_seed(seed)
    task = load(sys.argv[2], seed)
    model = TwoHeads(task.inputs, task.outputs)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)  # here
    for epoch in range(12):
        totals = [0.0, 0.0]
        for rows in torch.randperm(len(task.x)).split(32):
            category, parity = model(task.x[rows])
            loss_1 = F.cross_entropy(category, task.y[rows])
            loss_2 = F.cross_entropy(parity, task.y[rows] % 2)
            loss = loss_1 + 0.5 * loss_2.item()  # sick here
            # fixed: loss = loss_1 + 0.5 * loss_2
            optimizer.zero_grad()
            loss.backward()  # here
            optimizer.step()
            totals[0] += loss_1.item()
            totals[1] += loss_2.item()
        print(f"epoch {epoch}: category {totals[0]:.3f} parity {totals[1]:.3f}")
    with torch.no_grad():
        category, parity = model(task.x_held_out)
    right = (category.argmax(1) == task.y_held_out) & (parity.argmax(1) == task.y_held_out % 2)
    print(f"score {right.float().mean().item():.4f}")


main()
