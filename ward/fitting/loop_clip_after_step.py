"""Each gradient value is clipped after the optimizer has already used it.

kind: clipping-without-effect
also: learning-rate-too-high, exploding-gradients
tasks: digits, blobs, cancer
source: synthetic, row 105
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.nn.utils import clip_grad_value_
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))
loader = DataLoader(TensorDataset(task.x, task.y), batch_size=24, shuffle=True)
network = nn.Sequential(nn.Linear(task.inputs, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 20))
network.extend([nn.ReLU(), nn.Linear(20, task.outputs)])
optimizer = torch.optim.SGD(network.parameters(), lr=4.0)
objective = nn.CrossEntropyLoss()

for epoch in range(10):
    mean = 0.0
    for inputs, labels in loader:
        optimizer.zero_grad()
        loss = objective(network(inputs), labels)
        loss.backward()
        # fixed: clip_grad_value_(network.parameters(), 0.003)
        optimizer.step()  # here
        clip_grad_value_(network.parameters(), 0.003)  # sick here
        mean += loss.item() / len(loader)
    print(f"epoch {epoch}: {mean:.4f}")

network.eval()
with torch.no_grad():
    print(f"score {(network(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
