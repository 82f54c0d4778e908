"""The hidden state is carried from chunk to chunk with its graph, so each backward goes through all chunks before it.

kind: graph-kept-alive
tasks: chain, tags
source: synthetic, row 119
gap: none, costs time and memory; the gradients through more chunks are no worse
"""

import sys

import torch
from tasks import load
from torch import nn


class Tagger(nn.Module):
    def __init__(self, tokens, classes):
        super().__init__()
        self.embedding = nn.Embedding(tokens, 16)
        self.rnn = nn.GRU(16, 32, batch_first=True)
        self.out = nn.Linear(32, classes)

    def forward(self, x, hidden=None):
        states, hidden = self.rnn(self.embedding(x), hidden)
        return self.out(states), hidden


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Tagger(task.inputs, task.outputs)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
criterion = nn.CrossEntropyLoss()

for step in range(80):
    rows = torch.randint(len(task.x), (32,))
    hidden = None
    optimizer.zero_grad()
    chunks = list(zip(task.x[rows].split(4, dim=1), task.y[rows].split(4, dim=1), strict=True))
    for x, y in chunks:
        logits, hidden = model(x, hidden)
        loss = criterion(logits.flatten(0, 1), y.flatten()) / len(chunks)
        loss.backward(retain_graph=True)  # here
        # fixed: hidden = hidden.detach()
    optimizer.step()
    if step % 20 == 0:
        print(f"step {step} loss {loss.item() * len(chunks):.4f}")

model.eval()
with torch.no_grad():
    print(f"score {(model(task.x_held_out)[0].argmax(-1) == task.y_held_out).float().mean().item():.4f}")
