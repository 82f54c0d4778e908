"""Every sample is read from a slow disk again, in every epoch.

kind: slow-data-loading
tasks: blobs
up: seconds since the start
shows: Each step of the sick program waits for its samples; the healed one waits in the first epoch and keeps them.
form: linear, varies
"""

import time

import torch
from tasks import load
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset


class OnDisk(Dataset):
    def __init__(self, x, y):
        self.x, self.y, self.kept = x, y, {}

    def __len__(self):
        return len(self.x)

    def read(self, place):
        time.sleep(0.002)  # what the disk takes
        return self.x[place], self.y[place]

    def __getitem__(self, place):
        return self.read(place)  # sick
        # fixed: if place not in self.kept:
        # fixed:     self.kept[place] = self.read(place)
        # fixed: return self.kept[place]


torch.manual_seed(0)
task = load("blobs", 0)
loader = DataLoader(OnDisk(task.x[:160], task.y[:160]), batch_size=16, shuffle=True)
model = nn.Sequential(nn.Linear(8, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, task.outputs))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
start, shown = time.perf_counter(), []
for _ in range(6):
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        shown.append((len(shown), time.perf_counter() - start))
