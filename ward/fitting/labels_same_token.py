"""The language model's targets are its inputs, not the tokens that follow them.

kind: next-token-not-shifted
tasks: chain
source: row 27
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.nn.functional import cross_entropy


class CharRNN(nn.Module):
    def __init__(self, vocabulary, hidden=48):
        super().__init__()
        self.encoder = nn.Embedding(vocabulary, hidden)
        self.rnn = nn.GRU(hidden, hidden, batch_first=True)
        self.decoder = nn.Linear(hidden, vocabulary)

    def forward(self, text):
        return self.decoder(self.rnn(self.encoder(text))[0])


def batch(text, size):
    rows = text[torch.randint(len(text), (size,))]
    return rows[:, :-1], rows[:, :-1]  # sick here
    # fixed: return rows[:, :-1], rows[:, 1:]


seed = int(sys.argv[1])
torch.manual_seed(seed)
corpus = load(sys.argv[2], seed)
text = torch.cat([corpus.x, corpus.y[:, -1:]], dim=1)
model = CharRNN(corpus.inputs)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for step in range(150):
    context, following = batch(text, 32)
    loss = cross_entropy(model(context).flatten(0, 1), following.flatten())  # here
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 30 == 0:
        print(f"step {step} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    hits = model(corpus.x_held_out).argmax(-1) == corpus.y_held_out
print(f"score {hits.float().mean():.4f}")
