"""The outputs of all batches are put aside for a report at the end, with all that led to them.

kind: graph-kept-alive
tasks: digits, blobs
source: rows 114 and 115
gap: none, costs memory and not the result
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
outputs = []
for _ in range(300):
    rows = torch.randint(len(task.x), (32,))
    logits = model(task.x[rows])  # here
    loss = F.cross_entropy(logits, task.y[rows])
    optimizer.zero_grad()
    loss.backward()  # here
    optimizer.step()
    # fixed: outputs.append(logits.detach())
    outputs.append(logits)  # sick here
print(f"mean confidence {torch.cat(outputs[-20:]).softmax(1).amax(1).mean().item():.3f}")
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
