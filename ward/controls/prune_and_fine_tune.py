"""Three of four weights are pruned to zero, and the rest is trained on; trips rules on dead units and zero weights.

control: pruning
tasks: digits, cancer
score: 0.85
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.nn.utils import prune


def fit(model, task, epochs, lr):
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for epoch in range(epochs):
        for rows in torch.randperm(len(task.x)).split(32):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(task.x[rows]), task.y[rows])
            loss.backward()
            optimizer.step()
        print(f"  epoch {epoch} loss {loss.item():.4f}")


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, task.outputs))
fit(model, task, epochs=8, lr=2e-3)
layers = [(layer, "weight") for layer in model if isinstance(layer, nn.Linear)]
prune.global_unstructured(layers, pruning_method=prune.L1Unstructured, amount=0.75)
fit(model, task, epochs=5, lr=5e-4)
for layer, name in layers:
    prune.remove(layer, name)
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
