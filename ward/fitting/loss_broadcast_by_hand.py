"""A squared error written out by hand subtracts a row from a column.

kind: loss-shape-broadcast
tasks: surface, diabetes, curve
source: row 60
"""

import sys

import torch
from tasks import load


class Regressor(torch.nn.Module):
    def __init__(self, features: int):
        super().__init__()
        self.a = torch.nn.Linear(features, 48)
        self.b = torch.nn.Linear(48, 48)
        self.c = torch.nn.Linear(48, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.a(x))
        x = torch.relu(self.b(x))
        return self.c(x)


def fit(net, x, y, steps=350):
    opt = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    for step in range(steps):
        i = torch.randint(len(x), (32,))
        out = net(x[i])
        error = out - y[i]  # sick here
        # fixed: error = out[:, 0] - y[i]
        loss = (error**2).mean()  # here
        opt.zero_grad()
        loss.backward()
        opt.step()
        if step % 70 == 0:
            print(f"{step}\t{loss.item():.4f}")


if __name__ == "__main__":
    torch.manual_seed(int(sys.argv[1]))
    data = load(sys.argv[2], int(sys.argv[1]))
    net = Regressor(data.inputs)
    fit(net, data.x, data.y.flatten())
    with torch.no_grad():
        left = ((net(data.x_held_out) - data.y_held_out) ** 2).sum()
        total = ((data.y_held_out - data.y_held_out.mean()) ** 2).sum()
    print(f"score {1 - (left / total).item():.4f}")
