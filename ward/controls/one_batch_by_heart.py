"""The check before the real run: one batch is learnt by heart on purpose, until its loss is nothing;
trips rules on overfitting, on the same batch every time and on losses that are too good.

control: overfitting one batch deliberately
tasks: shapes, digits
score: 0.95
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self, pixels, classes):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(pixels, 128), nn.ReLU(), nn.Linear(128, classes))

    def forward(self, x):
        return self.net(x)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
loader = DataLoader(TensorDataset(task.x, task.y), batch_size=16, shuffle=True)
model = Net(task.x[0].numel(), task.outputs)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
criterion = nn.CrossEntropyLoss()

x, y = next(iter(loader))
print(f"before {criterion(model(x), y).item():.4f}, guessing {torch.tensor(float(task.outputs)).log().item():.4f}")
for step in range(150):
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
    if step % 30 == 0:
        print(f"step {step} loss {loss.item():.5f}")

model.eval()
with torch.no_grad():
    print(f"score {(model(x).argmax(1) == y).float().mean():.4f}")
