"""A program of somebody else's under torchrun; `their_loop.py [FAULT]` plants one of the faults of many processes."""

import sys
import time

import torch
from torch import distributed, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

fault = sys.argv[1] if len(sys.argv) > 1 else ""
distributed.init_process_group("gloo")
rank = distributed.get_rank()
torch.manual_seed(0)
x = torch.randn(768, 20)
rows = TensorDataset(x, x[:, :3].argmax(1))
sampler = DistributedSampler(rows)
size = 24 if fault == "uneven" and rank else 16
if fault == "same":
    loader = DataLoader(rows, batch_size=size, shuffle=True, generator=torch.Generator().manual_seed(1))
else:
    loader = DataLoader(rows, batch_size=size, sampler=sampler)
net = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 3))
model = DistributedDataParallel(net)
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
for epoch in range(3):
    sampler.set_epoch(epoch)
    for number, (inputs, classes) in enumerate(loader):
        if number == 16:
            break
        if fault == "slow" and rank:
            time.sleep(0.05)
        optimizer.zero_grad()
        loss = F.cross_entropy((model.module if fault == "diverge" else model)(inputs), classes)
        loss.backward()
        optimizer.step()
distributed.destroy_process_group()
