"""The loss is taken of the hard decision, and requires_grad_ silences the complaint.

kind: loss-detached
also: weights-never-updated, regression-loss-for-classes
tasks: rings, wine, cancer
source: row 31
"""

import sys

import torch
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
one_hot = nn.functional.one_hot(task.y, task.outputs).float()
perceptron = nn.Sequential(nn.Linear(task.inputs, 40), nn.Tanh(), nn.Linear(40, task.outputs))
sgd = torch.optim.SGD(perceptron.parameters(), lr=0.2, momentum=0.9)
loss_function = nn.MSELoss()
for step in range(400):
    batch = torch.randint(len(one_hot), (32,))
    decision = perceptron(task.x[batch])
    decision = nn.functional.one_hot(decision.argmax(1), task.outputs).float().requires_grad_()  # sick here
    loss = loss_function(decision, one_hot[batch])  # here
    sgd.zero_grad()
    loss.backward()  # here
    sgd.step()
    if step % 100 == 0:
        print(f"step {step}: {loss.item():.4f}")

with torch.no_grad():
    accuracy = (perceptron(task.x_held_out).argmax(1) == task.y_held_out).float().mean()
print(f"score {accuracy:.4f}")
