"""The held-out table passes through the standardisation twice, once in the reader and once before the evaluation.

kind: validation-preprocessed-differently
tasks: cancer, diabetes, surface
source: synthetic, row 5
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Standardize:
    def fit(self, x):
        self.mean, self.std = x.mean(0), x.std(0)
        return self

    def __call__(self, x):
        return (x - self.mean) / self.std


class Experiment:
    def __init__(self, seed, name):
        torch.manual_seed(seed)
        task = load(name, seed)
        gain, offset = torch.linspace(0.3, 4, task.inputs), torch.linspace(-3, 6, task.inputs)
        raw_train, raw_valid = task.x * gain + offset, task.x_held_out * gain + offset
        self.scale = Standardize().fit(raw_train)
        self.train = DataLoader(TensorDataset(self.scale(raw_train), task.y), batch_size=32, shuffle=True)
        valid_x = self.scale(raw_valid)
        valid_x = self.scale(valid_x)  # sick here
        self.valid = DataLoader(TensorDataset(valid_x, task.y_held_out), batch_size=64)  # here
        self.model = nn.Sequential(nn.Linear(task.inputs, 48), nn.SiLU(), nn.Linear(48, task.outputs))
        self.loss = nn.CrossEntropyLoss() if task.kind == "classes" else nn.MSELoss()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=3e-3)

    def train_epoch(self):
        self.model.train()
        for x, y in self.train:
            self.optimizer.zero_grad()
            self.loss(self.model(x), y).backward()
            self.optimizer.step()

    @torch.no_grad()
    def validate(self):
        self.model.eval()
        total = sum(self.loss(self.model(x), y).item() * len(x) for x, y in self.valid)  # here
        return total / len(self.valid.dataset)


experiment = Experiment(int(sys.argv[1]), sys.argv[2])
for epoch in range(12):
    experiment.train_epoch()
    print(f"epoch {epoch}: validation loss {experiment.validate():.4f}")
print(f"score {-experiment.validate():.4f}")
