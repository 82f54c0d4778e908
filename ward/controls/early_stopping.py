"""Early stopping with patience, and back to the best weights: the last epochs are worse by design;
trips overfitting rules.

control: early stopping
tasks: digits, blobs, cancer
score: 0.8
"""

import copy
import sys

import torch
from tasks import load
from torch import nn


class EarlyStopping:
    def __init__(self, patience):
        self.patience, self.best, self.bad, self.weights = patience, float("inf"), 0, None

    def __call__(self, loss, model):
        if loss < self.best:
            self.best, self.bad, self.weights = loss, 0, copy.deepcopy(model.state_dict())
        else:
            self.bad += 1
        return self.bad >= self.patience


def main():
    seed = int(sys.argv[1])
    torch.manual_seed(seed)
    task = load(sys.argv[2], seed)
    cut = len(task.x) * 4 // 5
    model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, task.outputs))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    criterion = nn.CrossEntropyLoss()
    stop = EarlyStopping(patience=3)
    for epoch in range(60):
        model.train()
        for rows in torch.randperm(cut).split(32):
            optimizer.zero_grad()
            loss = criterion(model(task.x[rows]), task.y[rows])
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            validation = criterion(model(task.x[cut:]), task.y[cut:]).item()
        if epoch % 5 == 0:
            print(f"epoch {epoch}: train {loss.item():.4f} validation {validation:.4f}")
        if stop(validation, model):
            print(f"stopped after epoch {epoch}")
            break
    model.load_state_dict(stop.weights)
    model.eval()
    with torch.no_grad():
        print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")


if __name__ == "__main__":
    main()
