"""In-batch contrastive learning (InfoNCE): every sample is a negative for the others;
trips samples-mixed and label rules.

control: 20
tasks: digits, wine
score: 0.85
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


def info_nce(a, b, temperature=0.2):
    a, b = F.normalize(a, dim=1), F.normalize(b, dim=1)
    logits = a @ b.T / temperature
    labels = torch.arange(len(a))
    return 0.5 * (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels))


def augment(x):
    return (x + 0.3 * torch.randn_like(x)) * (torch.rand_like(x) > 0.15)


class SimCLR(nn.Module):
    def __init__(self, inputs, width=64):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(inputs, 96), nn.BatchNorm1d(96), nn.ReLU(), nn.Linear(96, width))
        self.projector = nn.Sequential(nn.ReLU(), nn.Linear(width, 32))

    def forward(self, x):
        return self.projector(self.encoder(x))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = SimCLR(task.inputs)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for step in range(350):
    x = task.x[torch.randperm(len(task.x))[:64]]
    loss = info_nce(model(augment(x)), model(augment(x)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 70 == 0:
        print(f"step {step}: nce {loss.item():.4f}")

model.eval()
with torch.no_grad():
    known, asked = F.normalize(model.encoder(task.x), dim=1), F.normalize(model.encoder(task.x_held_out), dim=1)
predicted = task.y[(asked @ known.T).topk(5).indices].mode(1).values
print(f"score {(predicted == task.y_held_out).float().mean().item():.4f}")
