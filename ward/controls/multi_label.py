"""Several right answers for each row, independent sigmoids with positive weights from the counts;
trips label and init rules.

control: multi-label done right
tasks: topics
score: 0.75
"""

import sys

import torch
from tasks import load
from torch import nn

torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))
share = task.y.mean(0)
loss_fn = nn.BCEWithLogitsLoss(pos_weight=(1 - share) / share)
net = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, task.outputs))
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
net.train()
for epoch in range(16):
    for rows in torch.randperm(len(task.x)).split(32):
        loss = loss_fn(net(task.x[rows]), task.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 4 == 3:
        print(f"epoch {epoch + 1}: {loss.item():.4f}")
net.eval()
with torch.no_grad():
    right = (net(task.x_held_out) > 0) == (task.y_held_out > 0.5)
print(f"score {right.float().mean().item():.4f}")
