"""Fit a regression with Adam and a DataLoader, without zero_grad.

kind: missing-zero-grad
tasks: curve, surface, diabetes
source: torchforge#71
"""

import sys

import torch
from tasks import load
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset


class Regressor(nn.Module):
    def __init__(self, n_in, n_out, width=48):
        super().__init__()
        self.hidden = nn.Linear(n_in, width)
        self.hidden2 = nn.Linear(width, width)
        self.out = nn.Linear(width, n_out)

    def forward(self, x):
        x = torch.tanh(self.hidden(x))
        x = torch.tanh(self.hidden2(x))
        return self.out(x)


def train(model, loader, epochs):
    criterion = nn.MSELoss()
    opt = optim.Adam(model.parameters(), lr=0.01)
    for epoch in range(epochs):
        running = 0.0
        for inputs, targets in loader:
            # fixed: opt.zero_grad()
            outputs = model(inputs)
            loss = criterion(outputs, targets)
            loss.backward()  # here
            opt.step()  # here
            running += loss.item()
        if epoch % 10 == 9:
            print("epoch", epoch + 1, "mse", round(running / len(loader), 4))


def main():
    seed = int(sys.argv[1])
    torch.manual_seed(seed)
    data = load(sys.argv[2], seed)
    model = Regressor(data.inputs, data.outputs)
    train(model, DataLoader(TensorDataset(data.x, data.y), batch_size=50, shuffle=True), epochs=30)
    model.eval()
    with torch.no_grad():
        mse = nn.functional.mse_loss(model(data.x_held_out), data.y_held_out).item()
    print(f"score {-mse:.4f}")


main()
