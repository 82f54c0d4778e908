"""A language model whose decoder is its embedding: one parameter in two places, on purpose;
trips duplicate-parameter rules.

control: 6
tasks: chain
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn


class RNNModel(nn.Module):
    def __init__(self, ntoken, nhid):
        super().__init__()
        self.ntoken = ntoken
        self.encoder = nn.Embedding(ntoken, nhid)
        self.rnn = nn.GRU(nhid, nhid, batch_first=True)
        self.drop = nn.Dropout(0.1)
        self.decoder = nn.Linear(nhid, ntoken)
        self.decoder.weight = self.encoder.weight
        nn.init.uniform_(self.encoder.weight, -0.3, 0.3)
        nn.init.zeros_(self.decoder.bias)

    def forward(self, tokens):
        output, _ = self.rnn(self.drop(self.encoder(tokens)))
        return self.decoder(self.drop(output)).view(-1, self.ntoken)


torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))
model = RNNModel(task.inputs, 32)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)

for epoch in range(8):
    model.train()
    for rows in torch.randperm(len(task.x)).split(40):
        model.zero_grad()
        loss = criterion(model(task.x[rows]), task.y[rows].reshape(-1))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
    print(f"| epoch {epoch:3d} | loss {loss.item():5.2f} | ppl {loss.exp().item():8.2f}")

model.eval()
with torch.no_grad():
    right = model(task.x_held_out).argmax(1) == task.y_held_out.reshape(-1)
print(f"score {right.float().mean():.4f}")
