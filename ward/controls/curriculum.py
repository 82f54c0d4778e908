"""Easy rows come first: the loader's rows are sorted by difficulty and its set grows; trips rules on order.

control: 18
tasks: digits, cancer
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
centres = torch.stack([task.x[task.y == c].mean(0) for c in range(task.outputs)])
difficulty = (task.x - centres[task.y]).norm(dim=1)
easy_first = difficulty.argsort().tolist()
dataset = TensorDataset(task.x, task.y)
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs))
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
for stage, share in enumerate((0.25, 0.5, 0.75, 1.0)):
    part = Subset(dataset, easy_first[: int(share * len(easy_first))])
    for epoch in range(4):
        for x, y in DataLoader(part, batch_size=32, shuffle=epoch > 0):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
    print(f"stage {stage} rows {len(part)} loss {loss.item():.4f}")
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
