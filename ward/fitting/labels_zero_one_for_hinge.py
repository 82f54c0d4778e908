"""HingeEmbeddingLoss wants 1 for alike and -1 for different; with 0 for different those pairs cost the same as ever.

kind: labels-out-of-range
also: collapsed-predictions
tasks: digits, blobs
source: synthetic, row 20
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
encoder = nn.Sequential(nn.Linear(task.inputs, 48), nn.ReLU(), nn.Linear(48, 8))
optimizer = torch.optim.Adam(encoder.parameters(), lr=3e-3)
for step in range(400):
    left, right = torch.randint(len(task.x), (2, 64))
    distance = (encoder(task.x[left]) - encoder(task.x[right])).norm(dim=1)
    alike = task.y[left] == task.y[right]
    # fixed: pairs = alike.float() * 2 - 1
    pairs = alike.float()  # sick here
    loss = F.hinge_embedding_loss(distance, pairs, margin=2.0)  # here
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step} loss {loss.item():.4f}")
with torch.no_grad():
    bank, asked = encoder(task.x), encoder(task.x_held_out)
    guess = task.y[torch.cdist(asked, bank).argmin(1)]
print(f"score {(guess == task.y_held_out).float().mean().item():.4f}")
