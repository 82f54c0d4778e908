"""A wide net without any regularisation learns a small noisy table by heart.

kind: overfitting
also: best-checkpoint-passed
tasks: diabetes, blobs, topics
source: synthetic, row 90
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
dataset = TensorDataset(task.x[:250], task.y[:250])
val_loader = DataLoader(TensorDataset(task.x_held_out, task.y_held_out), batch_size=100)
criterion = nn.CrossEntropyLoss() if task.kind == "classes" else nn.MSELoss()
dropout, weight_decay = 0.0, 0.0  # sick
# fixed: dropout, weight_decay = 0.6, 0.3

net = nn.Sequential(
    nn.Linear(task.inputs, 128), nn.ReLU(), nn.Dropout(dropout), nn.Linear(128, 128), nn.ReLU(), nn.Dropout(dropout)
)
net.append(nn.Linear(128, task.outputs))
optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=weight_decay)  # here


def run_validation():
    net.eval()
    with torch.no_grad():
        losses = [criterion(net(x), y).item() * len(x) for x, y in val_loader]  # here
    return sum(losses) / len(task.x_held_out)


for epoch in range(40):
    net.train()
    for x, y in DataLoader(dataset, batch_size=25, shuffle=True):
        optimizer.zero_grad()
        loss = criterion(net(x), y)  # here
        loss.backward()
        optimizer.step()
    if epoch % 2 == 0:
        print(f"epoch {epoch}: train {loss.item():.3f}, validation {run_validation():.3f}")
print(f"score {-run_validation():.4f}")
