"""A weight by hand favours the noes; a slip of the pen gives the yeses none at all.

kind: collapsed-predictions
also: class-weights-inverted, underfitting
tasks: cancer, rings
source: synthetic, row 40
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 32), nn.Tanh(), nn.Linear(32, 1), nn.Flatten(0))
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
favour = 1.0
for step in range(400):
    rows = torch.randint(len(task.x), (40,))
    y = task.y[rows].float()
    # fixed: weight = torch.where(y > 0, favour, favour)
    weight = torch.where(y > 0, 1 - favour, favour)  # sick here
    loss = (weight * F.binary_cross_entropy_with_logits(model(task.x[rows]), y, reduction="none")).mean()  # here
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step} loss {loss.item():.4f}")
with torch.no_grad():
    guess = (model(task.x_held_out) > 0).long()
print(f"score {(guess == task.y_held_out).float().mean().item():.4f}")
