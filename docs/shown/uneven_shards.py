"""One process is given batches of 24 rows, the other of 16.

kind: uneven-shards
tasks: blobs
up: samples that the second process was ahead
shows: Gradients are averaged over processes, so that a sample of the smaller share weighs half as much again.
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
size = 24 if rank else 16  # sick
# fixed: size = 16
model = DistributedDataParallel(nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, 4)))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
x, y, seen = task.x[rank * 400 : rank * 400 + 400], task.y[rank * 400 : rank * 400 + 400], torch.zeros(1)
for step in range(16):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x[step * size : step * size + size]), y[step * size : step * size + size])
    loss.backward()
    optimizer.step()
    seen += size
    both = [torch.empty(1), torch.empty(1)]
    distributed.all_gather(both, seen)
    shown.append((step, (both[1] - both[0]).item()))
distributed.destroy_process_group()
