"""Every process shuffles all rows from the same seed, and takes them all.

kind: same-data-on-every-rank
tasks: blobs
up: distance between the two processes' batches
shows: The sick processes work on the same rows, at twice the cost of one.
form: linear, two processes
"""

import torch
from tasks import load
from torch import distributed, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

distributed.init_process_group("gloo")
rank = distributed.get_rank()
torch.manual_seed(0)
task, shown = load("blobs", 0), []
rows = torch.randperm(600)  # sick
# fixed: rows = torch.randperm(600)[rank::2]
model = DistributedDataParallel(nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, 4)))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for _ in range(2):
    for some in rows[:300].split(15):
        x, y = task.x[some], task.y[some]
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        both = [torch.empty_like(x), torch.empty_like(x)]
        distributed.all_gather(both, x)
        shown.append((len(shown), (both[0] - both[1]).norm().item()))
distributed.destroy_process_group()
