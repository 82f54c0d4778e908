"""The model comes from a loading function that ends in eval(), and training goes on in that mode.

kind: training-in-eval-mode
tasks: digits, wine, blobs
source: synthetic, row 96
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def get_model(inputs, outputs, depth=6, width=32):
    layers = []
    for i in range(depth):
        layers += [nn.Linear(inputs if i == 0 else width, width), nn.BatchNorm1d(width), nn.Sigmoid()]
    return nn.Sequential(*layers, nn.Linear(width, outputs)).eval()  # here


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
loader = DataLoader(TensorDataset(task.x, task.y), batch_size=32, shuffle=True, drop_last=True)
model = get_model(task.inputs, task.outputs)
# fixed: model.train()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
criterion = nn.CrossEntropyLoss()

for epoch in range(10):
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)  # here
        loss.backward()
        optimizer.step()
    print("epoch", epoch, "loss", loss.item())

model.eval()
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
