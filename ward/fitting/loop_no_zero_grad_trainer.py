"""A trainer class whose step forgets to reset the gradients of the model before it adds the new ones.

kind: missing-zero-grad
tasks: digits, blobs, shapes
source: llm.c#548
"""

import argparse

import torch
import torch.nn as nn
from tasks import load


class Trainer:
    def __init__(self, model, lr, batch_size):
        self.model = model
        self.batch_size = batch_size
        self.optim = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, nesterov=True)
        self.loss_fn = nn.CrossEntropyLoss()
        self.history = []

    def training_step(self, x, y):
        self.model.train()
        # fixed: self.model.zero_grad()
        loss = self.loss_fn(self.model(x), y)
        loss.backward()  # here
        self.optim.step()  # here
        return loss.item()

    def fit(self, x, y, epochs):
        for epoch in range(1, epochs + 1):
            order = torch.randperm(x.shape[0])
            losses = []
            for start in range(0, x.shape[0], self.batch_size):
                index = order[start : start + self.batch_size]
                losses.append(self.training_step(x[index], y[index]))
            self.history.append(sum(losses) / len(losses))
            if epoch % 4 == 0:
                print(f"[{epoch:3d}/{epochs}] train_loss={self.history[-1]:.4f}")

    @torch.no_grad()
    def accuracy(self, x, y):
        self.model.eval()
        return (self.model(x).argmax(dim=-1) == y).float().mean().item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("seed", type=int)
    parser.add_argument("task")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    data = load(args.task, args.seed)
    size = data.x[0].numel()
    mlp = nn.Sequential(nn.Flatten(), nn.Linear(size, 96), nn.GELU(), nn.Dropout(0.1), nn.Linear(96, data.outputs))
    trainer = Trainer(mlp, lr=0.02, batch_size=32)
    trainer.fit(data.x, data.y, epochs=16)
    print(f"score {trainer.accuracy(data.x_held_out, data.y_held_out):.4f}")
