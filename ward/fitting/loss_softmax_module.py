"""The network ends in nn.Softmax, and CrossEntropyLoss applies it once more.

kind: softmax-before-cross-entropy
tasks: digits, blobs, shapes
source: SciCo#2
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed, name = int(sys.argv[1]), sys.argv[2]
torch.manual_seed(seed)
task = load(name, seed)

net = nn.Sequential(
    nn.Flatten(),
    nn.Linear(task.x[0].numel(), 50),
    nn.ReLU(),
    nn.Linear(50, task.outputs),
    nn.Softmax(dim=1),  # sick here
)
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=0.02)
loader = DataLoader(TensorDataset(task.x, task.y), batch_size=32, shuffle=True)

for epoch in range(240 // len(loader)):
    for x, y in loader:
        optimizer.zero_grad()
        output = net(x)
        loss = loss_fn(output, y)  # here
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch}: loss {loss.item():.4f}")

net.eval()
with torch.no_grad():
    accuracy = (net(task.x_held_out).argmax(1) == task.y_held_out).float().mean()
print(f"score {accuracy:.4f}")
