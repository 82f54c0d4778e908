"""The rate of Adam, 1e-6, was copied from a fine-tuning recipe into a training from scratch.

kind: learning-rate-too-low
also: underfitting
tasks: curve, surface, tiles
source: synthetic, row 81
"""

import sys
from dataclasses import dataclass

import torch
from tasks import load
from torch import nn


@dataclass
class Config:
    epochs: int = 15
    batch_size: int = 32
    learning_rate: float = 1e-6  # sick here
    # fixed: learning_rate: float = 3e-3
    weight_decay: float = 0.01


class Experiment:
    def __init__(self, task, config):
        self.task, self.config = task, config
        self.model = nn.Sequential(
            nn.Flatten(), nn.Linear(task.x[0].numel(), 64), nn.Tanh(), nn.Linear(64, task.outputs)
        )
        self.loss = nn.CrossEntropyLoss() if task.kind == "classes" else nn.MSELoss()
        self.optimizer = torch.optim.AdamW(  # here
            self.model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )

    def train(self):
        for epoch in range(self.config.epochs):
            for rows in torch.randperm(len(self.task.x)).split(self.config.batch_size):
                self.optimizer.zero_grad()
                loss = self.loss(self.model(self.task.x[rows]), self.task.y[rows])
                loss.backward()
                self.optimizer.step()
            if epoch % 5 == 4:
                print(f"epoch {epoch + 1}/{self.config.epochs} loss {loss.item():.4f}")

    @torch.no_grad()
    def score(self):
        self.model.eval()
        return -self.loss(self.model(self.task.x_held_out), self.task.y_held_out).item()


torch.manual_seed(int(sys.argv[1]))
experiment = Experiment(load(sys.argv[2], int(sys.argv[1])), Config())
experiment.train()
print(f"score {experiment.score():.4f}")
