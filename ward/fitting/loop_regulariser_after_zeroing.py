"""The main loss has its backward pass, then everything is zeroed, then comes that of the sparsity of the code.

kind: gradients-erased-before-step
tasks: digits, blobs
source: row 68
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
encoder, reader = nn.Linear(task.inputs, 64), nn.Linear(64, task.outputs)
both = nn.Sequential(encoder, nn.ReLU(), reader)
optimizer = torch.optim.SGD(both.parameters(), lr=0.05, momentum=0.9)
for step in range(400):
    rows = torch.randint(len(task.x), (40,))
    code = torch.relu(encoder(task.x[rows]))
    loss = F.cross_entropy(reader(code), task.y[rows])
    both.zero_grad()
    loss.backward(retain_graph=True)
    both.zero_grad()  # sick here
    (1e-3 * code.abs().mean()).backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step} loss {loss.item():.4f}")
with torch.no_grad():
    print(f"score {(both(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
