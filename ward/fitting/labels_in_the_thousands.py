"""The targets lie around thirty thousand, and the output starts at zero with a small rate.

kind: targets-not-scaled
also: initial-loss-too-high, learning-rate-too-low
tasks: curve, surface, diabetes
source: SO 52800582
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
salary, salary_test = 30_000 + 8_000 * task.y, 30_000 + 8_000 * task.y_held_out
middle, spread = 0.0, 1.0  # sick
# fixed: middle, spread = salary.mean(), salary.std()

model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, 1))
loss_fn = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
loader = DataLoader(TensorDataset(task.x, (salary - middle) / spread), batch_size=32, shuffle=True)
for epoch in range(20):
    for x, y in loader:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)  # here
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print(f"epoch {epoch} loss {loss.item():.4g}")

model.eval()
with torch.no_grad():
    error = loss_fn(model(task.x_held_out) * spread + middle, salary_test)
print(f"score {1 - error / salary_test.var():.4f}")
