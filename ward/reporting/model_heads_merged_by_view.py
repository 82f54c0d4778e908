"""The heads of an attention are merged by view, with the head axis still first: texts of a batch are mixed.

kind: samples-mixed-in-batch
tasks: counts
source: rows 16 and 42
unseen: only a test of which samples an output depends on decides it
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


class SelfAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x):
        batch, length, width = x.shape
        q, k, v = (
            part.view(batch, length, self.heads, -1).permute(2, 0, 1, 3) for part in self.qkv(x).chunk(3, dim=-1)
        )
        mixed = F.scaled_dot_product_attention(q, k, v)  # [heads, batch, length, width of a head]
        # fixed: return self.out(mixed.permute(1, 2, 0, 3).reshape(batch, length, width))
        return self.out(mixed.reshape(batch, length, width))  # sick here


class Classifier(nn.Module):
    def __init__(self, ids, classes, width=32):
        super().__init__()
        self.embed = nn.Embedding(ids, width)
        self.attention = SelfAttention(width, heads=4)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, classes))

    def forward(self, ids):
        return self.head(self.attention(self.embed(ids)).mean(dim=1))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Classifier(task.inputs, task.outputs)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(8):
    for rows in torch.randperm(len(task.x)).split(48):
        loss = F.cross_entropy(model(task.x[rows]), task.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
