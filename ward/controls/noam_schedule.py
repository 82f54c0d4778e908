"""A transformer under the schedule of its first paper: the rate begins at a hundred-thousandth and never rests;
trips rules on tiny rates and missing schedulers.

control: 8, warmup by hand from next to nothing
tasks: chain
score: 0.7
"""

import sys

import torch
from tasks import load
from torch import nn


class Decoder(nn.Module):
    def __init__(self, vocabulary, length, width=32):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.place = nn.Embedding(length, width)
        self.block = nn.TransformerEncoderLayer(width, 4, 64, dropout=0.0, batch_first=True)
        self.out = nn.Linear(width, vocabulary)

    def forward(self, ids):
        length = ids.shape[1]
        causal = nn.Transformer.generate_square_subsequent_mask(length)
        x = self.embed(ids) + self.place(torch.arange(length))
        return self.out(self.block(x, src_mask=causal, is_causal=True))


def noam(step, width=32, warmup=150):
    return width**-0.5 * min((step + 1) ** -0.5, (step + 1) * warmup**-1.5)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Decoder(task.inputs, task.x.shape[1])
optimizer = torch.optim.Adam(model.parameters(), lr=0.0, betas=(0.9, 0.98), eps=1e-9)
criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
for step in range(450):
    optimizer.param_groups[0]["lr"] = noam(step)
    rows = torch.randint(len(task.x), (32,))
    loss = criterion(model(task.x[rows]).flatten(0, 1), task.y[rows].flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 90 == 0:
        print(f"step {step} rate {noam(step):.2e} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(-1) == task.y_held_out).float().mean():.4f}")
