"""The best weights are kept by reference, so that the training goes on in them: what is restored is the last epoch.

kind: best-checkpoint-passed
also: overfitting
tasks: diabetes, topics
source: synthetic, row 95
"""

import copy
import sys

import torch
from tasks import load
from torch import nn


class BestKeeper:
    def __init__(self, model):
        self.model, self.loss, self.state = model, float("inf"), None

    def look(self, loss):
        if loss < self.loss:
            self.loss = loss
            # fixed: self.state = copy.deepcopy(self.model.state_dict())
            self.state = copy.copy(self.model.state_dict())  # sick here

    def restore(self):
        self.model.load_state_dict(self.state)  # here


def main(seed, name):
    torch.manual_seed(seed)
    task = load(name, seed)
    criterion = nn.MSELoss() if task.kind == "values" else nn.BCEWithLogitsLoss()
    cut = len(task.x) // 2
    net = nn.Sequential(nn.Linear(task.inputs, 200), nn.ReLU(), nn.Linear(200, 200), nn.ReLU())
    model = nn.Sequential(*net, nn.Linear(200, task.outputs))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    keeper = BestKeeper(model)
    for epoch in range(60):
        for rows in torch.randperm(cut).split(25):
            loss = criterion(model(task.x[rows]), task.y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            validation = criterion(model(task.x[cut:]), task.y[cut:]).item()  # here
        keeper.look(validation)
        if epoch % 10 == 0:
            print(f"epoch {epoch} loss {loss.item():.4f} validation {validation:.4f} best {keeper.loss:.4f}")
    keeper.restore()
    with torch.no_grad():
        return -criterion(model(task.x_held_out), task.y_held_out).item()


print(f"score {main(int(sys.argv[1]), sys.argv[2]):.4f}")
