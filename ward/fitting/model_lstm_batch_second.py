"""The LSTM expects time first and gets the batch first: it reads across the samples of a batch.

kind: samples-mixed-in-batch
tasks: counts, tags
source: Sentence-VAE#15
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class SequenceModel(nn.Module):
    def __init__(self, vocab, out, tagging, hidden=32):
        super().__init__()
        self.tagging = tagging
        self.embed = nn.Embedding(vocab, 16)
        self.lstm = nn.LSTM(16, hidden)  # sick here
        # fixed: self.lstm = nn.LSTM(16, hidden, batch_first=True)
        self.fc = nn.Linear(hidden, out)

    def forward(self, ids):
        states, _ = self.lstm(self.embed(ids))  # here
        if self.tagging:
            return self.fc(states).transpose(1, 2)
        return self.fc(states[:, -1])


def main():
    seed = int(sys.argv[1])
    torch.manual_seed(seed)
    task = load(sys.argv[2], seed)
    model = SequenceModel(task.inputs, task.outputs, task.kind == "tagging")
    criterion = nn.CrossEntropyLoss(ignore_index=0 if task.kind == "tagging" else -100)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    loader = DataLoader(TensorDataset(task.x, task.y), batch_size=32, shuffle=True)
    for epoch in range(8):
        model.train()
        for ids, labels in loader:
            optimizer.zero_grad()
            loss = criterion(model(ids), labels)
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch} loss {loss.item():.4f}")
    model.eval()
    with torch.no_grad():
        print(f"score {-criterion(model(task.x_held_out), task.y_held_out).item():.4f}")


if __name__ == "__main__":
    main()
