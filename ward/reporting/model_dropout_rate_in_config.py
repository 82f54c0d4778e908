"""The configuration asks for a dropout of 95 per cent where 5 were meant, and the functional form takes it at its word.

kind: dropout-too-strong
also: underfitting
tasks: digits, surface
source: synthetic, row 39
"""

import sys
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from tasks import load
from torch import Tensor, nn


@dataclass(frozen=True)
class Settings:
    width: int = 64
    rate: float = 2e-3
    dropout: float = 0.95  # sick
    # fixed: dropout: float = 0.05
    epochs: int = 15


class Regular(nn.Module):
    def __init__(self, inputs: int, outputs: int, settings: Settings):
        super().__init__()
        self.first = nn.Linear(inputs, settings.width)
        self.second = nn.Linear(settings.width, settings.width)
        self.last = nn.Linear(settings.width, outputs)
        self.dropout = settings.dropout

    def forward(self, x: Tensor) -> Tensor:
        for layer in (self.first, self.second):
            x = F.dropout(F.relu(layer(x)), p=self.dropout, training=self.training)  # here
        return self.last(x)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
settings = Settings()
model = Regular(task.inputs, task.outputs, settings)
criterion = nn.CrossEntropyLoss() if task.kind == "classes" else nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=settings.rate)
for epoch in range(settings.epochs):
    model.train()
    for rows in torch.randperm(len(task.x)).split(40):
        loss = criterion(model(task.x[rows]), task.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        held_out = criterion(model(task.x_held_out), task.y_held_out).item()
    print(f"epoch {epoch} loss {loss.item():.3f} held out {held_out:.3f}")
print(f"score {-held_out:.4f}")
