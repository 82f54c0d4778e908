"""Two rows in a hundred are positive, the loss counts all alike, and no positive is ever found.

kind: class-imbalance
also: collapsed-predictions
tasks: cancer, rings
source: synthetic, row 22
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Trainer:
    def __init__(self, model, criterion, lr):
        self.model, self.criterion = model, criterion
        self.optimizer = torch.optim.SGD(model.parameters(), lr=lr)

    def fit(self, loader, epochs):
        for epoch in range(epochs):
            self.model.train()
            for x, y in loader:
                self.optimizer.zero_grad()
                loss = self.criterion(self.model(x).squeeze(1), y)  # here
                loss.backward()
                self.optimizer.step()
            print(f"epoch {epoch + 1}/{epochs} loss {loss.item():.4f}")

    @torch.no_grad()
    def predict(self, x):
        self.model.eval()
        return (self.model(x).squeeze(1) > 0).long()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
fraud = (task.y == 0).nonzero().flatten()
normal = (task.y == 1).nonzero().flatten()
keep = torch.cat([normal, fraud[: max(6, len(normal) // 50)]])
x, y = task.x[keep], (task.y[keep] == 0).float()
y_test = (task.y_held_out == 0).long()

pos_weight = torch.tensor(1.0)  # sick
# fixed: pos_weight = (1 - y).sum() / y.sum()
net = nn.Sequential(nn.Linear(task.inputs, 16), nn.ReLU(), nn.Linear(16, 1))
trainer = Trainer(net, nn.BCEWithLogitsLoss(pos_weight=pos_weight), lr=0.03)
trainer.fit(DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True), epochs=15)  # here
guess = trainer.predict(task.x_held_out)
recalls = [(guess[y_test == c] == c).float().mean().item() for c in (0, 1)]
print(f"score {sum(recalls) / 2:.4f}")
