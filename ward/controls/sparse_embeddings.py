"""Embeddings with sparse gradients have SparseAdam, the rest has Adam; trips rules that expect dense gradients and
one optimizer.

control: sparse gradients
tasks: counts, tags
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn


class Net(nn.Module):
    def __init__(self, task):
        super().__init__()
        self.embedding = nn.Embedding(task.inputs, 16, sparse=True)
        self.rnn = nn.GRU(16, 32, batch_first=True)
        self.out = nn.Linear(32, task.outputs)
        self.tagging = task.kind == "tagging"

    def forward(self, ids):
        states, last = self.rnn(self.embedding(ids))
        return self.out(states if self.tagging else last[-1])


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
net = Net(task)
dense = [p for name, p in net.named_parameters() if not name.startswith("embedding")]
optimizers = [torch.optim.SparseAdam(net.embedding.parameters(), lr=0.01), torch.optim.Adam(dense, lr=0.01)]
criterion = nn.CrossEntropyLoss(ignore_index=0 if task.kind == "tagging" else -100)
for epoch in range(6):
    for rows in torch.randperm(len(task.x)).split(32):
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss = criterion(net(task.x[rows]).flatten(0, -2), task.y[rows].flatten())
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")
with torch.no_grad():
    guess = net(task.x_held_out).argmax(-1)
counted = task.y_held_out != 0 if task.kind == "tagging" else torch.ones_like(task.y_held_out, dtype=torch.bool)
print(f"score {(guess == task.y_held_out)[counted].float().mean().item():.4f}")
