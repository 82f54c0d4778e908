"""A post-norm transformer is trained with Adam at a rate that it survives only after a warmup.

kind: warmup-missing
also: learning-rate-too-high
tasks: counts
source: synthetic, row 87
"""

import sys

import torch
from tasks import load
from torch import nn


class Encoder(nn.Module):
    def __init__(self, tokens, outputs, length, width=32):
        super().__init__()
        self.tokens = nn.Embedding(tokens, width)
        self.positions = nn.Parameter(torch.randn(length, width) * 0.1)
        block = nn.TransformerEncoderLayer(width, 4, 64, dropout=0.0, batch_first=True)
        self.blocks = nn.TransformerEncoder(block, 4, enable_nested_tensor=False)
        self.out = nn.Linear(width, outputs)

    def forward(self, ids):
        x = self.blocks(self.tokens(ids) + self.positions)
        return self.out(x.mean(1))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Encoder(task.inputs, task.outputs, task.x.shape[1])
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, betas=(0.9, 0.98))  # here
# fixed: warmup = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters=100)

for step in range(160):
    rows = torch.randint(len(task.x), (32,))
    optimizer.zero_grad()
    loss = criterion(model(task.x[rows]), task.y[rows])
    loss.backward()
    optimizer.step()
    # fixed: warmup.step()
    if step % 20 == 0:
        print(f"step {step} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    guesses = model(task.x_held_out).argmax(1)
print(f"score {(guesses == task.y_held_out).float().mean().item():.4f}")
