"""bfloat16 autocast without a scaler, which it does not need; trips fp16-underflow and missing-scaler rules.

control: autocast on CPU
tasks: tiles, shapes
score: 0.85
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def conv(i, o):
    return nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.GroupNorm(4, o), nn.SiLU())


torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))
loader = DataLoader(TensorDataset(task.x, task.y), batch_size=64, shuffle=True)
net = nn.Sequential(
    conv(task.inputs, 8),
    nn.MaxPool2d(2),
    conv(8, 16),
    nn.AdaptiveMaxPool2d(2),
    nn.Flatten(),
    nn.Linear(64, task.outputs),
)
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
for epoch in range(5):
    net.train()
    for x, y in loader:
        with torch.autocast(device_type="cpu", dtype=torch.bfloat16):
            out = net(x)
            loss = nn.functional.cross_entropy(out, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch}: {loss.item():.4f}")
net.eval()
with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
    print(f"score {(net(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
