"""Mixed precision by hand, with half weights and a master copy, but the loss is not scaled and its gradients vanish.

kind: fp16-underflow
also: vanishing-gradients, weights-never-updated
tasks: digits, cancer
source: row 108
"""

import copy
import sys

import torch
from tasks import load
from torch import nn

SCALE = 1.0  # sick here
# fixed: SCALE = 65536.0


def copy_gradients(half, master):
    for low, high in zip(half.parameters(), master.parameters(), strict=True):
        high.grad = low.grad.float() / SCALE


def copy_weights(master, half):
    for high, low in zip(master.parameters(), half.parameters(), strict=True):
        low.data.copy_(high.data)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
x, x_test = task.x.half(), task.x_held_out.half()
master = nn.Sequential(nn.Linear(task.inputs, 24), nn.Tanh(), nn.Linear(24, task.inputs))
half = copy.deepcopy(master).half()
optimizer = torch.optim.Adam(master.parameters(), lr=3e-3, eps=1e-12)
for step in range(200):
    batch = x[torch.randint(len(x), (64,))]
    # The error is that of pixels between 0 and 255, given as a share of the largest one that there can be.
    error = (half(batch).float() - batch.float()).pow(2).mean() / 255.0**2  # here
    half.zero_grad()
    (error * SCALE).backward()  # here
    copy_gradients(half, master)
    optimizer.step()  # here
    copy_weights(master, half)
    if step % 40 == 0:
        print(f"step {step} error {error.item() * 255.0**2:.4f}")
with torch.no_grad():
    print(f"score {-(half(x_test).float() - x_test.float()).pow(2).mean():.4f}")
