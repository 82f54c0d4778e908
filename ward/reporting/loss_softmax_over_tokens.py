"""A language model turns its logits into probabilities before the cross-entropy over all tokens.

kind: softmax-before-cross-entropy
tasks: chain
source: llama-from-scratch#5
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.nn.functional import cross_entropy


class TokenModel(nn.Module):
    def __init__(self, ids, answers, width=32):
        super().__init__()
        self.embedding = nn.Embedding(ids, width)
        self.rnn = nn.GRU(width, width, batch_first=True)
        self.decoder = nn.Linear(width, answers)

    def forward(self, tokens, targets=None):
        hidden, _ = self.rnn(self.embedding(tokens))
        logits = self.decoder(hidden)
        if targets is None:
            return logits
        probabilities = logits.softmax(-1)  # sick here
        # fixed: probabilities = logits
        return cross_entropy(probabilities.flatten(0, 1), targets.flatten())  # here


seed = int(sys.argv[1])
torch.manual_seed(seed)
corpus = load(sys.argv[2], seed)
model = TokenModel(corpus.inputs, corpus.outputs)
optim = torch.optim.Adam(model.parameters(), lr=2e-3)
for step in range(150):
    rows = torch.randperm(len(corpus.x))[:32]
    loss = model(corpus.x[rows], corpus.y[rows])
    loss.backward()
    optim.step()
    optim.zero_grad()
    if step % 30 == 0:
        print("step", step, "loss", f"{loss.item():.3f}")

model.eval()
with torch.no_grad():
    logits = model(corpus.x_held_out)
    held_out = cross_entropy(logits.flatten(0, 1), corpus.y_held_out.flatten())
print(f"score {-held_out.item():.4f}")
