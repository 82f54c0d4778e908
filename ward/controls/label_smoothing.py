"""Label smoothing: the loss ends far above zero because it must; trips rules on plateaus and on the loss at the end.

control: 4
tasks: digits, blobs, cancer
score: 0.8
"""

import sys

import torch
import torch.nn as nn
from tasks import load

torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))

net = nn.Sequential()
net.add_module("norm", nn.BatchNorm1d(task.inputs))
net.add_module("fc1", nn.Linear(task.inputs, 64))
net.add_module("act", nn.GELU())
net.add_module("fc2", nn.Linear(64, task.outputs))
crit = nn.CrossEntropyLoss(label_smoothing=0.2)
opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
sched = torch.optim.lr_scheduler.StepLR(opt, step_size=6, gamma=0.3)

net.train()
for epoch in range(15):
    running = 0.0
    batches = torch.randperm(len(task.x)).split(64)
    for rows in batches:
        opt.zero_grad()
        loss = crit(net(task.x[rows]), task.y[rows])
        loss.backward()
        opt.step()
        running += loss.item()
    sched.step()
    print(f"epoch {epoch + 1} smoothed loss {running / len(batches):.4f}")

net.eval()
with torch.no_grad():
    print(f"score {(net(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
