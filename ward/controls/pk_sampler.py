"""Metric learning with a PK sampler: few classes in a batch, several samples of each, in blocks;
trips not-shuffled rules.

control: 18
tasks: digits, blobs, wine
score: 0.8
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, Sampler, TensorDataset


class PK(Sampler):
    """Yield batches of P classes with K samples each."""

    def __init__(self, labels, p, k, batches):
        self.rows = [torch.nonzero(labels == c)[:, 0] for c in labels.unique()]
        self.p, self.k, self.batches = min(p, len(self.rows)), k, batches

    def __len__(self):
        return self.batches

    def __iter__(self):
        for _ in range(self.batches):
            classes = torch.randperm(len(self.rows))[: self.p]
            yield torch.cat([self.rows[c][torch.randint(len(self.rows[c]), (self.k,))] for c in classes]).tolist()


def triplet(embedded, labels, margin=0.3):
    """Batch-hard triplet loss."""
    distance = torch.cdist(embedded, embedded)
    same = labels[:, None] == labels[None, :]
    farthest = distance.masked_fill(~same, -1.0).amax(1)
    nearest = distance.masked_fill(same, 10.0).amin(1)
    return F.relu(farthest - nearest + margin).mean()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
loader = DataLoader(TensorDataset(task.x, task.y), batch_sampler=PK(task.y, p=3, k=8, batches=100))
encoder = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, 16))
opt = torch.optim.Adam(encoder.parameters(), lr=1e-3)
for epoch in range(4):
    mean = 0.0
    for x, y in loader:
        loss = triplet(F.normalize(encoder(x), dim=1), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        mean += loss.item() / len(loader)
    print(f"epoch {epoch} triplet {mean:.4f}")

encoder.eval()
with torch.no_grad():
    gallery, query = F.normalize(encoder(task.x), dim=1), F.normalize(encoder(task.x_held_out), dim=1)
    nearest = (query @ gallery.T).topk(5).indices
    predicted = task.y[nearest].mode(1).values
print(f"score {(predicted == task.y_held_out).float().mean().item():.4f}")
