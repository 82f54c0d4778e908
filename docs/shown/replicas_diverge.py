"""The loss is computed by the network inside the wrapper, so that no gradient is shared.

kind: replicas-diverge
tasks: blobs
up: distance between the two processes' weights
shows: The copies of the sick program begin alike and go their own ways from the first step.
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
model = DistributedDataParallel(nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, 4)))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for _ in range(2):
    for x, y in zip(task.x[rank::2].split(15), task.y[rank::2].split(15), strict=True):
        optimizer.zero_grad()
        loss = F.cross_entropy(model.module(x), y)  # sick
        # fixed: loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        own = nn.utils.parameters_to_vector(model.parameters()).detach()
        both = [torch.empty_like(own), torch.empty_like(own)]
        distributed.all_gather(both, own)
        shown.append((len(shown), (both[0] - both[1]).norm().item()))
distributed.destroy_process_group()
