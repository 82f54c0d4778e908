"""The net is trained on a few hard labels until it is sure of everything; its probabilities say nothing.

kind: overconfident
also: overfitting, best-checkpoint-passed
tasks: blobs, digits, cancer
source: synthetic, row 94
"""

import sys

import torch
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
x, y = task.x[:150], task.y[:150].clone()
wrong = torch.rand(len(y)) < 0.25
y[wrong] = torch.randint(task.outputs, (int(wrong.sum()),))
net = nn.Sequential(
    nn.Linear(task.inputs, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, task.outputs)
)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
epochs = 60  # sick
# fixed: epochs = 6

for epoch in range(epochs):
    net.train()
    for rows in torch.randperm(len(x)).split(15):
        optimizer.zero_grad()
        loss = criterion(net(x[rows]), y[rows])  # here
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        held_out = criterion(net(task.x_held_out), task.y_held_out).item()  # here
    if epoch % 10 == 0:
        print(f"epoch {epoch}: {loss.item():.4f} {held_out:.4f}")
print(f"score {-held_out:.4f}")
