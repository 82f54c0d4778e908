"""Pooling by attention normalises its weights over the batch instead of over the sequence.

kind: softmax-wrong-dimension
tasks: counts
source: row 58
"""

import sys

import torch
from tasks import load
from torch import nn


class AttentionPool(nn.Module):
    def __init__(self, ids, classes):
        super().__init__()
        self.embed = nn.Embedding(ids, 24)
        self.query = nn.Linear(24, 1)
        self.value = nn.Linear(24, 24)
        self.classify = nn.Linear(24, classes)

    def forward(self, tokens):
        x = self.embed(tokens)  # [batch, length, 24]
        weights = torch.softmax(self.query(x), dim=0)  # sick here
        # fixed: weights = torch.softmax(self.query(x), dim=1)
        pooled = (weights * self.value(x)).sum(dim=1)
        return self.classify(torch.tanh(pooled))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = AttentionPool(task.inputs, task.outputs)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
criterion = nn.CrossEntropyLoss()
for step in range(300):
    batch = torch.randint(len(task.x), (64,))
    loss = criterion(model(task.x[batch]), task.y[batch])  # here
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 60 == 0:
        print(f"step {step} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    held_out = criterion(model(task.x_held_out), task.y_held_out)
print(f"score {-held_out:.4f}")
