"""A linear classifier on small features learns at a rate of two, all rows at once, and that is no whit too high; trips
rules on the size of the rate alone, on full batches and on the same batch every time.

control: high rate that works
tasks: digits, wine, cancer
score: 0.85
"""

import sys

import torch
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
small, small_test = 0.15 * task.x, 0.15 * task.x_held_out
model = nn.Linear(task.inputs, task.outputs)
optimizer = torch.optim.SGD(model.parameters(), lr=2.0)
for step in range(250):
    loss = nn.functional.cross_entropy(model(small), task.y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 50 == 0:
        print(f"step {step} loss {loss.item():.4f}")
with torch.no_grad():
    print(f"score {(model(small_test).argmax(1) == task.y_held_out).float().mean():.4f}")
