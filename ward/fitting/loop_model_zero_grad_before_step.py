"""A helper that is meant to tidy up after a step runs between backward and step and zeroes the gradients in place.

kind: gradients-erased-before-step
also: weights-never-updated
tasks: curve, surface, diabetes
source: synthetic, row 68
"""

import sys

import torch
from tasks import load


class Net(torch.nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.first = torch.nn.Linear(inputs, 40)
        self.second = torch.nn.Linear(40, outputs)

    def forward(self, x):
        return self.second(torch.tanh(self.first(x)))


def clear(parameters):
    for p in parameters:
        if p.grad is not None:
            p.grad.zero_()  # here


seed, task_name = int(sys.argv[1]), sys.argv[2]
torch.manual_seed(seed)
data = load(task_name, seed)
net = Net(data.inputs, data.outputs)
sgd = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
mse = torch.nn.MSELoss()

for epoch in range(25):
    order = torch.randperm(data.x.size(0))
    for i in range(0, len(order), 32):
        rows = order[i : i + 32]
        loss = mse(net(data.x[rows]), data.y[rows])
        loss.backward()
        clear(net.parameters())  # sick here
        sgd.step()  # here
        # fixed: clear(net.parameters())
    if epoch % 8 == 0:
        print("epoch", epoch, "loss", loss.item())

with torch.no_grad():
    error = mse(net(data.x_held_out), data.y_held_out)
    r2 = 1 - error / data.y_held_out.var(unbiased=False)
print(f"score {r2.item():.4f}")
