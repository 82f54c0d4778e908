"""Distributed data parallel over gloo: `torchrun --nproc_per_node 2 ddp_loop.py`."""

import torch
from torch import distributed, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

distributed.init_process_group("gloo")
torch.manual_seed(0)
x = torch.randn(1024, 20)
y = x[:, :3].argmax(1)
rows = TensorDataset(x, y)
sampler = DistributedSampler(rows)
training = DataLoader(rows, batch_size=16, sampler=sampler)
net = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 3))
model = DistributedDataParallel(net)
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
for epoch in range(4):
    sampler.set_epoch(epoch)
    for inputs, classes in training:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), classes)
        loss.backward()
        optimizer.step()
distributed.destroy_process_group()
