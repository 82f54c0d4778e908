"""Deep clustering: the clusters of an epoch are its labels, numbered anew in each, and the head begins again.

control: labels that change
tasks: blobs, digits
score: 0.0
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))

body = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, 16), nn.ReLU())
optimizer = torch.optim.Adam(body.parameters(), lr=1e-3)
for epoch in range(10):
    with torch.no_grad():
        features = body(task.x)
    centres = features[torch.randperm(len(features))[:8]]
    for _ in range(10):
        labels = torch.cdist(features, centres).argmin(1)
        centres = torch.stack([features[labels == k].mean(0) if (labels == k).any() else centres[k] for k in range(8)])
    head = nn.Linear(16, 8)
    of_head = torch.optim.Adam(head.parameters(), lr=1e-3)
    for rows in torch.randperm(len(task.x)).split(32):
        loss = F.cross_entropy(head(body(task.x[rows])), labels[rows])
        optimizer.zero_grad()
        of_head.zero_grad()
        loss.backward()
        optimizer.step()
        of_head.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")
with torch.no_grad():
    inner = body(task.x_held_out)
print(f"score {float(inner.std() > 0.01):.4f}")
