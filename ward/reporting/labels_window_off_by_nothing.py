"""The windows of a character model are cut for input and target at the same place; the + 1 was lost.

kind: next-token-not-shifted
tasks: chain
source: row 27
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, Dataset

BLOCK = 12


class Windows(Dataset):
    """Windows of a long text and the same windows one character on."""

    def __init__(self, text):
        self.text = text

    def __len__(self):
        return (len(self.text) - BLOCK - 1) // 4

    def __getitem__(self, index):
        start = index * 4
        # fixed: end = start + 1 + BLOCK
        end = start + BLOCK  # sick here
        return self.text[start : start + BLOCK], self.text[end - BLOCK : end]


class CharModel(nn.Module):
    def __init__(self, vocabulary, width=32):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, ids):
        return self.head(self.lstm(self.embed(ids))[0])


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
loader = DataLoader(Windows(task.x[:400].flatten()), batch_size=64, shuffle=True)
model = CharModel(task.inputs)
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
for epoch in range(6):
    for x, y in loader:
        loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())  # here
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    guess = model(task.x_held_out).argmax(-1)
print(f"score {(guess == task.y_held_out).float().mean():.4f}")
