"""The bias of the hidden layers starts at minus ten, where no ReLU ever opens.

kind: dead-relu
also: outputs-ignore-input, parameters-without-gradient
tasks: digits, blobs, rings
source: synthetic, dead ReLU by bias -10
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.fc1 = nn.Linear(inputs, 64)
        self.act = nn.ReLU()
        self.fc2 = nn.Linear(64, outputs)
        nn.init.constant_(self.fc1.bias, -10.0)  # sick here
        # fixed: nn.init.constant_(self.fc1.bias, 0.0)

    def forward(self, x):
        return self.fc2(self.act(self.fc1(x)))  # here


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
net = Net(task.inputs, task.outputs)
loader = DataLoader(TensorDataset(task.x, task.y), batch_size=32, shuffle=True)
opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
ce = nn.CrossEntropyLoss()
for epoch in range(8):
    for x, y in loader:
        opt.zero_grad()
        loss = ce(net(x), y)
        loss.backward()
        opt.step()
    print(f"epoch {epoch}, loss {loss.item():.4f}")

net.eval()
with torch.no_grad():
    print(f"score {(net(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
