"""Weight decay is to spare the layer norms, which the filter calls LayerNorm and the model calls ln: it spares none.

kind: weight-decay-on-bias-or-norm
tasks: chain
source: row 75
gap: none, with a usual weight decay the score hardly suffers
"""

import sys

import torch
from tasks import load
from torch import nn

NO_DECAY = ("Bias", "LayerNorm.weight")  # sick here
# fixed: NO_DECAY = ("bias", "ln")


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, 64), nn.GELU(), nn.Linear(64, width))

    def forward(self, x, mask):
        h = self.ln1(x)
        x = x + self.attention(h, h, h, attn_mask=mask, need_weights=False)[0]
        return x + self.mlp(self.ln2(x))


class GPT(nn.Module):
    def __init__(self, vocabulary, length, width=32):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.places = nn.Parameter(torch.zeros(length, width))
        self.block = Block(width)
        self.ln_f = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary)
        self.register_buffer("mask", torch.triu(torch.full((length, length), float("-inf")), diagonal=1))

    def forward(self, ids):
        return self.head(self.ln_f(self.block(self.embed(ids) + self.places, self.mask)))


def make_optimizer(model):
    named = list(model.named_parameters())
    spared = [p for name, p in named if any(word in name for word in NO_DECAY)]
    decayed = [p for name, p in named if not any(word in name for word in NO_DECAY)]
    return torch.optim.AdamW(  # here
        [{"params": decayed, "weight_decay": 0.1}, {"params": spared, "weight_decay": 0.0}], lr=3e-3
    )


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = GPT(task.inputs, task.x.shape[1])
optimizer = make_optimizer(model)
for step in range(250):
    rows = torch.randint(len(task.x), (32,))
    loss = nn.functional.cross_entropy(model(task.x[rows]).flatten(0, 1), task.y[rows].flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 50 == 0:
        print(f"step {step} loss {loss.item():.4f}")
model.eval()
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(-1) == task.y_held_out).float().mean():.4f}")
