"""A decoder prenet whose dropout is never switched off, as in Tacotron 2: that is its design; trips dropout-always-on.

control: 13
tasks: chain
score: 0.75
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


class Prenet(nn.Module):
    """Two narrow layers with dropout even at inference: the variation keeps the decoder from copying its input."""

    def __init__(self, inputs, width, p=0.2):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(inputs, width), nn.Linear(width, width)])
        self.p = p

    def forward(self, x):
        for layer in self.layers:
            x = F.dropout(F.relu(layer(x)), p=self.p, training=True)
        return x


class Decoder(nn.Module):
    def __init__(self, symbols, width=64):
        super().__init__()
        self.symbols = symbols
        self.prenet = Prenet(symbols, width)
        self.rnn = nn.GRU(width, width, batch_first=True)
        self.out = nn.Linear(width, symbols)

    def forward(self, ids):
        h, _ = self.rnn(self.prenet(F.one_hot(ids, self.symbols).float()))
        return self.out(h)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
decoder = Decoder(task.inputs)
optimizer = torch.optim.Adam(decoder.parameters(), lr=4e-3)
for epoch in range(8):
    decoder.train()
    for rows in torch.randperm(len(task.x)).split(40):
        logits = decoder(task.x[rows])
        loss = F.cross_entropy(logits.transpose(1, 2), task.y[rows])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")
decoder.eval()
with torch.no_grad():
    votes = torch.stack([decoder(task.x_held_out).softmax(-1) for _ in range(4)]).mean(0)
print(f"score {(votes.argmax(-1) == task.y_held_out).float().mean().item():.4f}")
