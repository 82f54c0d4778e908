"""The two classes are written -1 and +1 for a loss that wants 0 and 1.

kind: labels-out-of-range
tasks: cancer, rings, blobs
source: SO 46642627
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
sign = torch.where(task.y == 0, 1.0, -1.0)  # here
# fixed: sign = (sign + 1) / 2

first, second = nn.Linear(task.inputs, 32), nn.Linear(32, 1)
optimizer = torch.optim.Adam([*first.parameters(), *second.parameters()], lr=5e-3)
for step in range(400):
    batch = torch.randint(len(sign), (32,))
    score = second(torch.relu(first(task.x[batch]))).squeeze(1)
    loss = binary_cross_entropy_with_logits(score, sign[batch])  # here
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 80 == 0:
        print(f"step {step}: loss {loss.item():.3f}")

with torch.no_grad():
    score = second(torch.relu(first(task.x_held_out))).squeeze(1)
    held_out = binary_cross_entropy_with_logits(score, (task.y_held_out == 0).float())
print("accuracy", ((score > 0) == (task.y_held_out == 0)).float().mean().item())
print(f"score {-held_out:.4f}")
