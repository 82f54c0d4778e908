"""The engine calls backward where it has a gradient scaler, and forgot the runs without one.

kind: missing-backward
also: weights-never-updated
tasks: digits, wine, surface
source: synthetic, row 69
"""

import sys

import torch
from tasks import load
from torch import nn


class Engine:
    def __init__(self, model, criterion, lr, mixed_precision=False):
        self.model, self.criterion = model, criterion
        self.optimizer = torch.optim.Adam(model.parameters(), lr=lr)
        self.scaler = torch.amp.GradScaler("cuda") if mixed_precision else None

    def backward(self, loss):
        # fixed: (loss if self.scaler is None else self.scaler.scale(loss)).backward()
        if self.scaler is not None:  # sick here
            self.scaler.scale(loss).backward()  # sick

    def step(self):
        if self.scaler is not None:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        else:
            self.optimizer.step()  # here

    def train_step(self, x, y):
        self.optimizer.zero_grad()
        loss = self.criterion(self.model(x), y)  # here
        self.backward(loss)  # here
        self.step()  # here
        return loss.item()


if __name__ == "__main__":
    seed = int(sys.argv[1])
    torch.manual_seed(seed)
    task = load(sys.argv[2], seed)
    criterion = nn.CrossEntropyLoss() if task.kind == "classes" else nn.MSELoss()
    engine = Engine(
        nn.Sequential(nn.Linear(task.inputs, 48), nn.ReLU(), nn.Linear(48, task.outputs)), criterion, lr=3e-3
    )
    for epoch in range(12):
        for rows in torch.randperm(len(task.x)).split(32):
            loss = engine.train_step(task.x[rows], task.y[rows])
        print(f"epoch {epoch} loss {loss:.4f}")
    with torch.no_grad():
        print(f"score {-criterion(engine.model(task.x_held_out), task.y_held_out):.4f}")
