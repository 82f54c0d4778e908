# ruff: noqa: D101, D102
"""Lightning: a classifier with validation, a schedule and gradient clipping."""

import lightning
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset


class Classifier(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Dropout(0.1))
        self.head = nn.Linear(64, 3)

    def forward(self, x):
        return self.head(self.body(x))

    def training_step(self, batch, index):
        x, y = batch
        loss = F.cross_entropy(self(x), y)
        self.log("loss", loss)
        return loss

    def validation_step(self, batch, index):
        x, y = batch
        self.log("validation_loss", F.cross_entropy(self(x), y))

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=3e-3)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=4)
        return {"optimizer": optimizer, "lr_scheduler": schedule}


lightning.seed_everything(0)
x = torch.randn(1536, 20)
y = x[:, :3].argmax(1)
training = DataLoader(TensorDataset(x[:1024], y[:1024]), batch_size=32, shuffle=True)
validation = DataLoader(TensorDataset(x[1024:], y[1024:]), batch_size=64)
model = Classifier()
trainer = lightning.Trainer(
    max_epochs=4,
    accelerator="cpu",
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    gradient_clip_val=1.0,
)
trainer.fit(model, training, validation)
