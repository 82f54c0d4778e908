"""The dropout probability of the attention is passed as it is, in evaluation as well.

kind: dropout-always-on
tasks: tags, chain
source: pytorch#124464
"""

import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from tasks import load


class Attention(nn.Module):
    def __init__(self, width, heads, dropout):
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.heads, self.dropout = heads, dropout

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        p = self.dropout  # sick here
        # fixed: p = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=p)  # here
        return self.proj(y.transpose(1, 2).reshape(b, t, c))


class Model(nn.Module):
    def __init__(self, tokens, outputs, length, width=32):
        super().__init__()
        self.embed = nn.Embedding(tokens, width)
        self.where = nn.Parameter(torch.randn(length, width) * 0.3)
        self.norm = nn.LayerNorm(width)
        self.attention = Attention(width, 2, dropout=0.4)
        self.mlp = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 64), nn.GELU(), nn.Linear(64, width))
        self.head = nn.Linear(width, outputs)

    def forward(self, ids):
        x = self.embed(ids) + self.where
        x = x + self.attention(self.norm(x))
        x = x + self.mlp(x)
        return self.head(x).flatten(0, 1)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Model(task.inputs, task.outputs, task.x.shape[1])
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)


def estimate_loss():
    model.eval()
    with torch.no_grad():
        value = F.cross_entropy(model(task.x_held_out), task.y_held_out.flatten()).item()
    model.train()
    return value


for step in range(400):
    rows = torch.randint(len(task.x), (32,))
    loss = F.cross_entropy(model(task.x[rows]), task.y[rows].flatten())
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step}: train loss {loss.item():.4f}, val loss {estimate_loss():.4f}")
print(f"score {-estimate_loss():.4f}")
