"""A forecast of a time series read strictly in order, with state carried along;
trips data-not-shuffled and same-order rules.

control: 18
tasks: own
score: 0.8
"""

import sys

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
random = torch.Generator().manual_seed(seed)
torch.manual_seed(seed)
time = torch.arange(1400, dtype=torch.float32)
phase = torch.rand(2, generator=random) * 6.28
series = (
    torch.sin(time / 5 + phase[0]) + 0.5 * torch.sin(time / 13 + phase[1]) + 0.1 * torch.randn(1400, generator=random)
)
series = (series - series[:1100].mean()) / series[:1100].std()
windows = series.unfold(0, 13, 1)
x, y = windows[:, :12], windows[:, 12:]
train = DataLoader(TensorDataset(x[:1088], y[:1088]), batch_size=32, shuffle=False)  # the past comes before the future

model = nn.Sequential(nn.Linear(12, 32), nn.Tanh(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
mse = nn.MSELoss()
for epoch in range(15):
    total = 0.0
    for past, future in train:
        optimizer.zero_grad()
        loss = mse(model(past), future)
        loss.backward()
        optimizer.step()
        total += loss.item()
    if epoch % 3 == 0:
        print(f"epoch {epoch:2d} mse {total / len(train):.4f}")
model.eval()
with torch.no_grad():
    error = mse(model(x[1100:]), y[1100:]) / y[1100:].var()
print(f"score {1 - error.item():.4f}")
