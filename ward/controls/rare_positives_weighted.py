"""One row in twenty is positive, pos_weight makes up for it, and the threshold is set on validation rows:
plain accuracy is low on purpose; trips rules on imbalance, on weights and on the loss at the start.

control: 15, imbalance handled by weights
tasks: cancer, rings
score: 0.7
"""

import sys

import torch
from tasks import load
from torch import nn


def make_rare(x, y, share):
    """Drop most positives, as they are in the wards of a hospital."""
    keep = (y == 0) | (torch.rand(len(y)) < share)
    return x[keep], y[keep].float()


def balanced(scores, y, threshold):
    found = (scores > threshold).float()
    return (found[y == 1].mean() + (1 - found[y == 0]).mean()).item() / 2


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
x, y = make_rare(task.x, task.y, share=0.1)
cut = len(x) * 3 // 4
positives = y[:cut].sum()
criterion = nn.BCEWithLogitsLoss(pos_weight=(cut - positives) / positives)
model = nn.Sequential(nn.Linear(task.inputs, 16), nn.ReLU(), nn.Linear(16, 1), nn.Flatten(0))
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.01)
for epoch in range(20):
    model.train()
    for rows in torch.randperm(cut).split(64):
        optimizer.zero_grad()
        loss = criterion(model(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
    if epoch % 4 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    candidates = torch.linspace(-1, 1, 21)
    validation = model(x[cut:])
    threshold = max(candidates, key=lambda t: balanced(validation, y[cut:], t)) if y[cut:].any() else 0.0
    print(f"threshold {float(threshold):.2f}")
    print(f"score {balanced(model(task.x_held_out), task.y_held_out.float(), 0.0):.4f}")
