"""Sure answers to a weak view are labels of a strong one, as the network learns; an averaged copy is judged.

control: semi-supervised
tasks: digits, blobs
score: 0.8
"""

import copy
import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))

labelled = len(task.x) // 3
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, task.outputs))
slow = copy.deepcopy(model)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(20):
    model.train()
    slow.eval()
    for _ in range(20):
        rows, free = torch.randint(labelled, (32,)), torch.randint(len(task.x), (64,))
        with torch.no_grad():
            sure, guess = model(task.x[free] + 0.05 * torch.randn_like(task.x[free])).softmax(1).max(1)
        strong = model(task.x[free] + 0.3 * torch.randn_like(task.x[free]))
        own = (F.cross_entropy(strong, guess, reduction="none") * (sure > 0.9)).mean()
        loss = F.cross_entropy(model(task.x[rows]), task.y[rows]) + own
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for behind, before in zip(slow.parameters(), model.parameters(), strict=True):
                behind.lerp_(before, 0.05)
    with torch.no_grad():
        right = (slow(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item()
    print(f"epoch {epoch} loss {loss.item():.4f} right {right:.4f}")
print(f"score {right:.4f}")
