"""Two optimizers are made, for the encoder and the decoder, and only the decoder's takes its steps.

kind: missing-optimizer-step
also: weights-never-updated
tasks: tags, counts
source: synthetic, row 69
"""

import sys

import torch
from tasks import load
from torch import nn


class Encoder(nn.Module):
    def __init__(self, vocab, dim=16, hidden=32):
        super().__init__()
        self.embedding = nn.Embedding(vocab, dim)
        self.gru = nn.GRU(dim, hidden, batch_first=True)
        for weight in self.gru.parameters():
            nn.init.uniform_(weight, -0.08, 0.08)
        nn.init.uniform_(self.embedding.weight, -0.08, 0.08)

    def forward(self, x):
        return self.gru(self.embedding(x))


class Decoder(nn.Module):
    def __init__(self, outputs, hidden=32):
        super().__init__()
        self.out = nn.Linear(hidden, outputs)

    def forward(self, states, last, tagging):
        return self.out(states).transpose(1, 2) if tagging else self.out(last[-1])


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
tagging = task.kind == "tagging"
encoder, decoder = Encoder(task.inputs), Decoder(task.outputs)
encoder_optimizer = torch.optim.Adam(encoder.parameters(), lr=0.01)
decoder_optimizer = torch.optim.Adam(decoder.parameters(), lr=0.01)
criterion = nn.CrossEntropyLoss(ignore_index=0) if tagging else nn.CrossEntropyLoss()


def train_step(x, y):
    encoder_optimizer.zero_grad()
    decoder_optimizer.zero_grad()
    loss = criterion(decoder(*encoder(x), tagging), y)
    loss.backward()  # here
    # fixed: encoder_optimizer.step()
    decoder_optimizer.step()  # here
    return loss.item()


for epoch in range(8):
    losses = [train_step(task.x[rows], task.y[rows]) for rows in torch.randperm(len(task.x)).split(40)]
    print(f"epoch {epoch} loss {sum(losses) / len(losses):.4f}")
with torch.no_grad():
    held_out = criterion(decoder(*encoder(task.x_held_out), tagging), task.y_held_out)
print(f"score {-held_out.item():.4f}")
