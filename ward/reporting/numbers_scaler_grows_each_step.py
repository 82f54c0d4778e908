"""The scale is multiplied by 4096 after each good step, overflows and needs twelve skipped steps to come down again.

kind: scaler-keeps-skipping
tasks: digits, cancer, curve
source: synthetic, row 110
"""

import sys

import torch
from tasks import load
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset


def main():
    seed = int(sys.argv[1])
    torch.manual_seed(seed)
    data = load(sys.argv[2], seed)
    loader = DataLoader(TensorDataset(data.x, data.y), batch_size=32, shuffle=True)
    net = nn.Sequential(nn.Linear(data.inputs, 40), nn.Tanh(), nn.Linear(40, data.outputs))
    criterion = nn.CrossEntropyLoss() if data.kind == "classes" else nn.MSELoss()
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    options = {"growth_factor": 4096.0, "growth_interval": 1}  # sick here
    # fixed: options = {"growth_factor": 2.0, "growth_interval": 2000}
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**14, **options)  # here
    for epoch in range(10):
        for inputs, targets in loader:
            with torch.autocast("cpu", dtype=torch.float16):
                outputs = net(inputs)
            loss = criterion(outputs.float(), targets)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)  # here
            scaler.update()  # here
        print(f"epoch {epoch} loss {loss.item():.4f}")
    with torch.no_grad():
        print(f"score {-criterion(net(data.x_held_out), data.y_held_out).item():.4f}")


if __name__ == "__main__":
    main()
