"""F.softmax without a dimension picks the first one for three axes: attention is shared out over the batch.

kind: softmax-wrong-dimension
tasks: chain
source: row 58
"""

import math
import sys
import warnings

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

warnings.filterwarnings("ignore", message="Implicit dimension choice")


class Attention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))

    def forward(self, x):
        scores = self.query(x) @ self.key(x).transpose(1, 2) / math.sqrt(x.shape[-1])
        # fixed: weights = F.softmax(scores, dim=-1)
        weights = F.softmax(scores)  # sick here
        return weights @ self.value(x)


class Recaller(nn.Module):
    """Answers which id follows the marked one somewhere in the sequence."""

    def __init__(self, ids, length, width=32):
        super().__init__()
        self.token = nn.Embedding(ids, width)
        self.place = nn.Parameter(torch.randn(length, width) * 0.3)
        self.mark = nn.Embedding(2, width)
        self.attention = Attention(width)
        self.head = nn.Sequential(nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, ids))

    def forward(self, ids, marked):
        x = self.token(ids) + self.place + self.mark(marked)
        return self.head(self.attention(x).mean(1))


def question(x):
    """Mark one place in each sequence; the answer is the id that stands there."""
    at = torch.randint(x.shape[1], (len(x),))
    marked = F.one_hot(at, x.shape[1])
    return marked, x[torch.arange(len(x)), at]


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Recaller(task.inputs, task.x.shape[1])
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
for step in range(400):
    x = task.x[torch.randint(len(task.x), (64,))]
    marked, answer = question(x)
    loss = F.cross_entropy(model(x, marked), answer)  # here
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step:4d} loss {loss.item():.4f}")

with torch.no_grad():
    x = task.x_held_out[:120]
    marked, answer = question(x)
    # users ask one question at a time
    logits = torch.cat([model(x[i : i + 1], marked[i : i + 1]) for i in range(len(x))])
    print(f"score {-F.cross_entropy(logits, answer).item():.4f}")
