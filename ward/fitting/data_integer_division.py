"""Bytes are divided by 255 as integers, which leaves an empty picture of zeros.

kind: constant-features
also: outputs-ignore-input, collapsed-predictions, labels-unrelated-to-inputs
tasks: tiles, shapes, digits
source: row 13
"""

import sys

import torch
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
lo, hi = task.x.min(), task.x.max() * 1.05


def as_bytes(x):
    return ((x - lo) / (hi - lo) * 255).clamp(0, 254).to(torch.uint8)


def scale(pixels):
    return (pixels // 255).float()  # sick here
    # fixed: return (pixels / 255).float()


x = scale(as_bytes(task.x))
x_test = scale(as_bytes(task.x_held_out))
model = nn.Sequential(
    nn.Flatten(),
    nn.Linear(x[0].numel(), 96),
    nn.LeakyReLU(),
    nn.Linear(96, task.outputs),
)
opt = torch.optim.RMSprop(model.parameters(), lr=1e-3)
celoss = nn.CrossEntropyLoss()
model.train()
for it in range(500):
    pick = torch.randint(0, x.shape[0], [40])
    out = model(x[pick])  # here
    loss = celoss(out, task.y[pick])
    opt.zero_grad()
    loss.backward()
    opt.step()
    if it % 100 == 99:
        print("iteration", it + 1, "loss", round(loss.item(), 4))
model.eval()
with torch.no_grad():
    acc = (model(x_test).max(1).indices == task.y_held_out).float().mean()
print(f"score {acc:.4f}")
