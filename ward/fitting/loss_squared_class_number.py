"""The number of the class is predicted as if it were a quantity.

kind: regression-loss-for-classes
tasks: digits, blobs, shapes
source: row 59
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))
x, x_test = task.x.flatten(1), task.x_held_out.flatten(1)
model = nn.Sequential(
    nn.Linear(x.shape[1], 64),
    nn.ReLU(),
    nn.Linear(64, 1),  # sick
    # fixed: nn.Linear(64, task.outputs),
)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for step in range(500):
    rows = torch.randint(len(x), (32,))
    loss = F.mse_loss(model(x[rows]).squeeze(1), task.y[rows].float())  # sick here
    # fixed: loss = F.cross_entropy(model(x[rows]), task.y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step}, loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    answer = model(x_test).squeeze(1).round()  # sick
    # fixed: answer = model(x_test).argmax(1)
print(f"score {(answer == task.y_held_out).float().mean():.4f}")
