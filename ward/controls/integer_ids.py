"""Integer ids up to the thousands as inputs of an embedding bag: they are names, not sizes; trips normalisation rules.

control: 23
tasks: counts
score: 0.85
"""

import sys

import torch
from tasks import load
from torch import nn

torch.manual_seed(int(sys.argv[1]))
data = load(sys.argv[2], int(sys.argv[1]))
names = torch.randperm(5000)[: data.inputs]  # each symbol under a large, arbitrary number
x, x_held_out = names[data.x], names[data.x_held_out]


class BagOfWords(nn.Module):
    def __init__(self, rows, classes):
        super().__init__()
        self.bag = nn.EmbeddingBag(rows, 16, mode="sum", sparse=True)
        self.out = nn.Sequential(nn.LayerNorm(16), nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, classes))

    def forward(self, ids):
        return self.out(self.bag(ids))


model = BagOfWords(5000, data.outputs)
sparse = torch.optim.SparseAdam(model.bag.parameters(), lr=1e-2)
dense = torch.optim.Adam(model.out.parameters(), lr=3e-3)
for epoch in range(10):
    for rows in torch.randperm(len(x)).split(32):
        loss = nn.functional.cross_entropy(model(x[rows]), data.y[rows])
        sparse.zero_grad()
        dense.zero_grad()
        loss.backward()
        sparse.step()
        dense.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")
model.eval()
with torch.no_grad():
    print(f"score {(model(x_held_out).argmax(1) == data.y_held_out).float().mean().item():.4f}")
