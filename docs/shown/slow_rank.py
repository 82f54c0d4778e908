"""One of two processes reads its rows from a slow disk.

kind: slow-rank
tasks: blobs
up: seconds since the start, of the quick process
shows: The quick process of the sick program waits for the slow one in every step.
form: linear, varies, two processes
"""

import time

import torch
from tasks import load
from torch import distributed, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

distributed.init_process_group("gloo")
rank = distributed.get_rank()
torch.manual_seed(0)
task, shown = load("blobs", 0), []
model = DistributedDataParallel(nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, 4)))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
start = time.perf_counter()
for _ in range(1):
    for x, y in zip(task.x[rank::2].split(10), task.y[rank::2].split(10), strict=True):
        slow = rank == 1  # sick
        # fixed: slow = False
        time.sleep(0.1 if slow else 0.02)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        shown.append((len(shown), time.perf_counter() - start))
distributed.destroy_process_group()
