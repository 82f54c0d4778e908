"""The optimizer was given the weights of a deep copy, which nobody trains.

kind: parameters-not-in-optimizer
also: weights-never-updated
tasks: digits, rings, cancer
source: synthetic, row 71
"""

import copy
import sys

import torch
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
student = nn.Sequential(nn.Linear(task.inputs, 48), nn.ELU(), nn.Linear(48, task.outputs))
initial = copy.deepcopy(student)
optimiser = torch.optim.Adam(initial.parameters(), lr=4e-3)  # sick here
# fixed: optimiser = torch.optim.Adam(student.parameters(), lr=4e-3)
cross_entropy = nn.CrossEntropyLoss()

for step in range(500):
    rows = torch.randint(len(task.x), (64,))
    student.zero_grad()
    loss = cross_entropy(student(task.x[rows]), task.y[rows])
    loss.backward()  # here
    optimiser.step()  # here
    if step % 125 == 0:
        print(f"step {step} loss {loss.item():.3f}")

moved = sum((a - b).abs().sum().item() for a, b in zip(student.parameters(), initial.parameters(), strict=True))
print(f"distance from the initial weights {moved:.2f}")
with torch.no_grad():
    print(f"score {(student(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
