"""Each of two workers yields the whole stream.

kind: samples-read-twice
tasks: blobs
up: times that it was read in one pass
across: training sample
shows: Both workers of the sick program read everything; those of the healed one share the work.
finds: verify
form: linear, dots
"""

from collections import Counter

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

import trainwright as tw


class Stream(IterableDataset):
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __iter__(self):
        worker = get_worker_info()
        first, step = 0, 1  # sick
        # fixed: first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        for place in range(first, len(self.x), step):
            yield self.x[place], self.y[place]


torch.manual_seed(0)
task = load("blobs", 0)
loader = DataLoader(Stream(task.x[:128], task.y[:128]), batch_size=32, num_workers=2)
model = nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, task.outputs))
told = tw.verify(model, "cross_entropy", loader, checks=["worker-randomness"]).findings
read = Counter(tuple(row.tolist()) for x, _ in loader for row in x)
shown = [(place, read[tuple(row.tolist())]) for place, row in enumerate(task.x[:128:4])]
