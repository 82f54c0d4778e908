"""A decay of 0.8 that was meant for each epoch is applied for each batch.

kind: scheduler-wrong-frequency
also: learning-rate-too-low
tasks: digits, topics
source: synthetic, row 83
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.optim.lr_scheduler import ExponentialLR
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(
    nn.Flatten(), nn.Linear(task.x[0].numel(), 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, task.outputs)
)
criterion = nn.BCEWithLogitsLoss() if task.kind == "several" else nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
scheduler = ExponentialLR(optimizer, gamma=0.8)
train_loader = DataLoader(TensorDataset(task.x, task.y), batch_size=32, shuffle=True)

for epoch in range(10):
    model.train()
    for batch in train_loader:
        inputs, labels = batch
        optimizer.zero_grad()
        outputs = model(inputs)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        scheduler.step()  # sick here
    # fixed: scheduler.step()
    print(f"epoch {epoch} loss {loss.item():.4f} lr {scheduler.get_last_lr()[0]:.2e}")

model.eval()
with torch.no_grad():
    print(f"score {-criterion(model(task.x_held_out), task.y_held_out).item():.4f}")
