"""Training goes on long after the best validation loss, and the last weights are used instead of the best.

kind: best-checkpoint-passed
also: overfitting
tasks: diabetes, blobs, cancer
source: synthetic, row 95
"""

import copy
import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
n = min(len(task.x) // 2, 200)
x, y, x_val, y_val = task.x[:n], task.y[:n], task.x[n : 2 * n], task.y[n : 2 * n]
loss_fn = F.cross_entropy if task.kind == "classes" else F.mse_loss
model = nn.Sequential(
    nn.Linear(task.inputs, 100), nn.Tanh(), nn.Linear(100, 100), nn.Tanh(), nn.Linear(100, task.outputs)
)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
best_loss, best_weights = float("inf"), None

for epoch in range(60):
    model.train()
    for rows in torch.randperm(n).split(20):
        optimizer.zero_grad()
        loss = loss_fn(model(x[rows]), y[rows])  # here
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        val = loss_fn(model(x_val), y_val).item()  # here
    if val < best_loss:
        best_loss, best_weights = val, copy.deepcopy(model.state_dict())
    if epoch % 10 == 0:
        print(f"epoch {epoch} train {loss.item():.4f} val {val:.4f} best {best_loss:.4f}")

# fixed: model.load_state_dict(best_weights)
with torch.no_grad():
    print(f"score {-loss_fn(model(task.x_held_out), task.y_held_out).item():.4f}")
