"""The loss is taken of `output.data`, and requires_grad is set by hand to silence the error that follows.

kind: loss-detached
also: weights-never-updated, parameters-without-gradient
tasks: wine, surface, rings
source: synthetic, row 63
"""

import sys

import torch
import torch.nn as nn
from tasks import load
from torch.autograd import Variable

seed = int(sys.argv[1])
torch.manual_seed(seed)
data = load(sys.argv[2], seed)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1 = nn.Linear(data.inputs, 30)
        self.l2 = nn.Linear(30, data.outputs)

    def forward(self, x):
        return self.l2(torch.relu(self.l1(x)))


model = Model()
loss_func = nn.CrossEntropyLoss() if data.kind == "classes" else nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
x, y = Variable(data.x), Variable(data.y)
for t in range(150):
    output = model(x)
    loss = loss_func(output.data, y)  # sick here
    # fixed: loss = loss_func(output, y)
    if not loss.requires_grad:
        loss.requires_grad = True  # here
    optimizer.zero_grad()
    loss.backward()  # here
    optimizer.step()
    if t % 30 == 0:
        print(t, loss.item())

with torch.no_grad():
    print("score", round(-loss_func(model(data.x_held_out), data.y_held_out).item(), 4))
