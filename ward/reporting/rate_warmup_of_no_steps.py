"""The warmup has its length from a default of zero, and a post-norm transformer meets the full rate at once.

kind: warmup-missing
also: learning-rate-too-high
tasks: counts
source: row 87
"""

import sys
from dataclasses import dataclass

import torch
from tasks import load
from torch import nn


@dataclass
class Config:
    lr: float = 8e-3
    steps: int = 300
    # fixed: warmup: int = 120
    warmup: int = 0  # sick here
    width: int = 32
    layers: int = 4


class Classifier(nn.Module):
    def __init__(self, config, vocabulary, length, classes):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, config.width)
        self.places = nn.Parameter(torch.randn(length, config.width))
        layer = nn.TransformerEncoderLayer(config.width, 4, 128, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        self.head = nn.Linear(config.width, classes)

    def forward(self, ids):
        return self.head(self.encoder(self.embed(ids) + self.places).mean(dim=1))


def rate(config, step):
    warm = min(1.0, (step + 1) / config.warmup) if config.warmup else 1.0
    return config.lr * warm * (1 - step / config.steps)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
config = Config()
model = Classifier(config, task.inputs, task.x.shape[1], task.outputs)
optimizer = torch.optim.Adam(model.parameters(), lr=config.lr, betas=(0.9, 0.98))  # here
for step in range(config.steps):
    for group in optimizer.param_groups:
        group["lr"] = rate(config, step)  # here
    rows = torch.randint(len(task.x), (32,))
    loss = nn.functional.cross_entropy(model(task.x[rows]), task.y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()  # here
    if step % 50 == 0:
        print(f"step {step} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
