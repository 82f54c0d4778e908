"""A plain LSTM over token ids with clipping; trips rules that want inputs scaled or gates away from their ends.

control: plain LSTM
tasks: counts
score: 0.85
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.nn.utils import clip_grad_norm_


class Classifier(nn.Module):
    def __init__(self, tokens: int, classes: int):
        super().__init__()
        self.embedding = nn.Embedding(tokens, 16)
        self.lstm = nn.LSTM(16, 32, batch_first=True)
        self.out = nn.Linear(32, classes)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        _, (hidden, _) = self.lstm(self.embedding(ids))
        return self.out(hidden[-1])


seed = int(sys.argv[1])
torch.manual_seed(seed)
data = load(sys.argv[2], seed)
model = Classifier(data.inputs, data.outputs)
optim = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(12):
    total = 0.0
    for rows in torch.randperm(len(data.x)).split(64):
        optim.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(model(data.x[rows]), data.y[rows])
        loss.backward()
        clip_grad_norm_(model.parameters(), 1.0)
        optim.step()
        total += loss.item() * len(rows)
    print(f"{epoch:3d} {total / len(data.x):.4f}")

model.eval()
with torch.inference_mode():
    predicted = model(data.x_held_out).argmax(-1)
print(f"score {(predicted == data.y_held_out).double().mean():.4f}")
