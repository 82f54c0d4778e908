"""Accelerate: a loop of one's own, accumulating over two batches, with clipping and a schedule."""

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

set_seed(0)
x = torch.randn(1536, 20)
y = x[:, :3].argmax(1)
training = DataLoader(TensorDataset(x[:1024], y[:1024]), batch_size=16, shuffle=True)
validation = DataLoader(TensorDataset(x[1024:], y[1024:]), batch_size=64)
accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
body = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Dropout(0.1))
model = nn.Sequential(body, nn.Linear(64, 3))
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=128)
model, optimizer, training, validation, schedule = accelerator.prepare(model, optimizer, training, validation, schedule)
criterion = nn.CrossEntropyLoss()
for _ in range(4):
    model.train()
    for inputs, classes in training:
        with accelerator.accumulate(model):
            loss = criterion(model(inputs), classes)
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    model.eval()
    with torch.no_grad():
        for inputs, classes in validation:
            criterion(model(inputs), classes)
