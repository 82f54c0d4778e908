"""One network under two optimizers, matrices and the rest apart, both stepped; trips parameters-not-in-optimizer.

control: two optimizers
tasks: digits, blobs, rings
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn

torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))
body = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
head = nn.Linear(32, task.outputs)
matrices = [p for p in body.parameters() if p.ndim == 2]
others = [p for p in body.parameters() if p.ndim < 2] + list(head.parameters())
opt_matrices = torch.optim.SGD(matrices, lr=0.05, momentum=0.9, weight_decay=1e-4)
opt_others = torch.optim.Adam(others, lr=2e-3)
optimizers = [opt_matrices, opt_others]
for step in range(400):
    idx = torch.randint(len(task.x), (64,))
    loss = nn.functional.cross_entropy(head(body(task.x[idx])), task.y[idx])
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()
    if step % 100 == 0:
        print(f"{step} {loss.item():.4f}")
body.eval(), head.eval()
with torch.no_grad():
    print(f"score {(head(body(task.x_held_out)).argmax(1) == task.y_held_out).float().mean().item():.4f}")
