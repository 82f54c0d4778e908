"""Gradient checkpointing: blocks run again during the backward pass;
trips rules that count forwards or follow the graph.

control: gradient checkpointing
tasks: digits, blobs, rings
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.checkpoint import checkpoint


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.body = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Dropout(0.1), nn.Linear(width, width)
        )

    def forward(self, x):
        return x + self.body(x)


class DeepNet(nn.Module):
    def __init__(self, inputs, outputs, width=48, depth=3):
        super().__init__()
        self.stem = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.head = nn.Linear(width, outputs)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=False)
        return self.head(x)


torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))
net = DeepNet(task.inputs, task.outputs)
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
criterion = nn.CrossEntropyLoss()
net.train()
for step in range(260):
    rows = torch.randint(len(task.x), (64,))
    optimizer.zero_grad()
    loss = criterion(net(task.x[rows]), task.y[rows])
    loss.backward()
    optimizer.step()
    if step % 50 == 0:
        print(f"step {step}, loss {loss.item():.4f}")
net.eval()
with torch.no_grad():
    print(f"score {(net(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
