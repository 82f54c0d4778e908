"""A file in the middle of the data is damaged.

kind: data-unreadable
tasks: blobs
up: samples read
across: batch
shows: The sick program reads fifteen batches and ends with the sixteenth, which may be hours into a run.
finds: verify
form: linear
"""

import math

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, Dataset

import trainwright as tw


class Files(Dataset):
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.x)

    def __getitem__(self, place):
        if place == 500:  # sick
            raise OSError("sample_500.png is truncated")  # sick
        return self.x[place], self.y[place]


torch.manual_seed(0)
task = load("blobs", 0)
loader = DataLoader(Files(task.x[:640], task.y[:640]), batch_size=32)
model = nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, task.outputs))
told = tw.verify(model, "cross_entropy", loader, checks=["data-readable"]).findings
batches, shown = iter(loader), [(0, 0)]
for number in range(1, 21):
    try:
        shown.append((number, shown[-1][1] + len(next(batches)[0])))
    except OSError:
        shown.append((number, math.nan))
        break
