"""Autocast is switched on by a setting that is compared with another spelling of its name, and stays off.

kind: autocast-not-applied
tasks: digits, tiles
source: row 113
gap: none, costs time and not the result
"""

import sys

import torch
from tasks import load
from torch import nn

SETTINGS = {"precision": "bf16", "lr": 3e-3, "epochs": 4}


class Experiment:
    def __init__(self, model, settings):
        self.model, self.settings = model, settings
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=settings["lr"])

    def autocast(self):
        # fixed: mixed = self.settings["precision"] == "bf16"
        mixed = self.settings["precision"] == "bfloat16"  # sick here
        return torch.autocast("cpu", dtype=torch.bfloat16, enabled=mixed)  # here

    def run(self, x, y):
        for epoch in range(self.settings["epochs"]):
            for rows in torch.randperm(len(x)).split(50):
                self.optimizer.zero_grad()
                with self.autocast():  # here
                    loss = nn.functional.cross_entropy(self.model(x[rows]), y[rows])
                loss.backward()
                self.optimizer.step()
            print(f"epoch {epoch} loss {loss.item():.4f}")


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))
Experiment(model, SETTINGS).run(task.x, task.y)
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
