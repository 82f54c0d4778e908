"""Attention with a low temperature that ends near one-hot, because the task is a look-up; trips saturation rules.

control: 17
tasks: own
score: 0.95
"""

import sys

import torch
from torch import nn

KEYS, VALUES, SLOTS = 12, 6, 8


def questions(n):
    """Draw tables of distinct keys with values, a key to ask for, and the value stored under it."""
    keys = torch.rand(n, KEYS).argsort(1)[:, :SLOTS]
    values = torch.randint(VALUES, (n, SLOTS))
    place = torch.randint(SLOTS, (n, 1))
    return keys, values, keys.gather(1, place)[:, 0], values.gather(1, place)[:, 0]


class LookUp(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.key = nn.Embedding(KEYS, width)
        self.query = nn.Embedding(KEYS, width)
        self.value = nn.Embedding(VALUES, width)
        self.out = nn.Linear(width, VALUES)

    def forward(self, keys, values, asked):
        scores = torch.einsum("bsd,bd->bs", self.key(keys), self.query(asked)) / 2.0
        weights = scores.softmax(dim=-1)
        return self.out(torch.einsum("bs,bsd->bd", weights, self.value(values))), weights


torch.manual_seed(int(sys.argv[1]))
net = LookUp()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
for step in range(900):
    keys, values, asked, answer = questions(64)
    logits, weights = net(keys, values, asked)
    loss = nn.functional.cross_entropy(logits, answer)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 150 == 0:
        print(f"step {step} loss {loss.item():.4f} largest weight {weights.max(1).values.mean().item():.3f}")
net.eval()
with torch.no_grad():
    keys, values, asked, answer = questions(2000)
    print(f"score {(net(keys, values, asked)[0].argmax(1) == answer).float().mean().item():.4f}")
