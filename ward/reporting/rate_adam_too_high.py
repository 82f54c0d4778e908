"""Adam with a rate of 0.5, a hundred times its usual one, throws the weights about.

kind: learning-rate-too-high
also: dead-relu, collapsed-predictions
tasks: digits, blobs, surface
source: synthetic, row 80
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch.nn import Linear, ReLU, Sequential

seed, name = int(sys.argv[1]), sys.argv[2]
torch.manual_seed(seed)
task = load(name, seed)
net = Sequential(
    Linear(task.inputs, 64), ReLU(), Linear(64, 64), ReLU(), Linear(64, 64), ReLU(), Linear(64, task.outputs)
)
config = {"lr": 0.5, "betas": (0.9, 0.999)}  # sick here
# fixed: config = {"lr": 0.003, "betas": (0.9, 0.999)}
adam = torch.optim.Adam(net.parameters(), **config)  # here
loss_fn = F.cross_entropy if task.kind == "classes" else F.mse_loss

for epoch in range(12):
    for batch in torch.randperm(len(task.x)).split(32):
        loss = loss_fn(net(task.x[batch]), task.y[batch])
        adam.zero_grad()
        loss.backward()
        adam.step()
    if epoch % 3 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f}")

with torch.no_grad():
    print(f"score {-loss_fn(net(task.x_held_out), task.y_held_out).item():.4f}")
