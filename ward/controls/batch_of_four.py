"""Plain gradient descent on batches of four: a very noisy loss whose trend is down; trips rules on oscillation.

control: 2
tasks: digits, blobs, cancer
score: 0.8
"""

import random
import sys

import torch
import torch.nn.functional as F
from tasks import load

SEED = int(sys.argv[1])
random.seed(SEED)
torch.manual_seed(SEED)
task = load(sys.argv[2], SEED)

net = torch.nn.Sequential(
    torch.nn.Linear(task.inputs, 48),
    torch.nn.LeakyReLU(0.1),
    torch.nn.Linear(48, task.outputs),
)
sgd = torch.optim.SGD(net.parameters(), lr=0.02)
order = list(range(len(task.x)))
seen = 0
for _ in range(4):
    random.shuffle(order)
    for start in range(0, len(order) - 3, 4):
        pick = order[start : start + 4]
        loss = F.cross_entropy(net(task.x[pick]), task.y[pick])
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        seen += 4
        if seen % 800 == 0:
            print(f"{seen} samples, loss {loss.item():.3f}")

net.eval()
with torch.no_grad():
    accuracy = (net(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item()
print(f"score {accuracy:.4f}")
