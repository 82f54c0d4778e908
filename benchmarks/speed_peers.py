"""The other ways of `speed.py`: libraries that may be installed beside this one (`make bench-peers` does).

Each trains the plain case the way its own documentation shows, with its progress displays, loggers and checkpoints off.
"""

from __future__ import annotations

import importlib.util
import logging
import math
import os
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from speed_cases import CLIP, DECAY, RATE, Case, Data
from speed_ways import Timed


def _loader(case: Case, data: Data) -> DataLoader[Any]:
    return DataLoader(TensorDataset(*data), batch_size=case.batch, shuffle=True)


def _cosine(optimizer: torch.optim.Optimizer, planned: int) -> torch.optim.lr_scheduler.LRScheduler:
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * step / planned)))


def _adamw(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)


def by_loader(case: Case, data: Data, epochs: int) -> float:
    """The hand-written loop over a DataLoader, as the tutorials have it."""
    model = case.build()
    optimizer, loader = _adamw(model), _loader(case, data)
    schedule = _cosine(optimizer, epochs * case.updates)
    started = time.thread_time()
    for _ in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            schedule.step()
            loss.item()
    return time.thread_time() - started


def by_ignite(case: Case, data: Data, epochs: int) -> float:
    """PyTorch Ignite: an Engine around one's own step."""
    from ignite.engine import Engine, Events

    model = case.build()
    optimizer = _adamw(model)
    schedule = _cosine(optimizer, epochs * case.updates)

    def step(engine: Any, batch: Data) -> float:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(batch[0]), batch[1])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        return loss.item()

    engine = Engine(step)
    engine.add_event_handler(Events.ITERATION_COMPLETED, lambda: schedule.step())
    started = time.thread_time()
    engine.run(_loader(case, data), max_epochs=epochs)
    return time.thread_time() - started


def by_skorch(case: Case, data: Data, epochs: int) -> float:
    """skorch: a classifier with scikit-learn's interface."""
    from skorch import NeuralNetClassifier
    from skorch.callbacks import GradientNormClipping, LRScheduler

    planned = epochs * case.updates
    net = NeuralNetClassifier(
        case.build(),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=DECAY,
        lr=RATE,
        max_epochs=epochs,
        batch_size=case.batch,
        train_split=None,
        iterator_train__shuffle=True,
        callbacks=[
            GradientNormClipping(CLIP),
            LRScheduler(
                torch.optim.lr_scheduler.LambdaLR,
                lr_lambda=lambda step: 0.5 * (1 + math.cos(math.pi * step / planned)),
                step_every="batch",
            ),
        ],
        verbose=0,
    )
    started = time.thread_time()
    net.fit(data[0].numpy(), data[1].numpy())
    return time.thread_time() - started


def by_lightning(case: Case, data: Data, epochs: int) -> float:
    """Lightning: a module and a Trainer, its displays and files off."""
    import lightning

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = case.build()

        def training_step(self, batch: Data, place: int) -> torch.Tensor:
            return F.cross_entropy(self.model(batch[0]), batch[1])

        def configure_optimizers(self) -> Any:
            optimizer = _adamw(self)
            schedule = _cosine(optimizer, epochs * case.updates)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        devices=1,
        gradient_clip_val=CLIP,
        enable_progress_bar=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        logger=False,
    )
    started = time.thread_time()
    trainer.fit(Module(), _loader(case, data))
    return time.thread_time() - started


def by_accelerate(case: Case, data: Data, epochs: int) -> float:
    """Hugging Face Accelerate: one's own loop over what it has prepared."""
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    model = case.build()
    optimizer = _adamw(model)
    schedule = _cosine(optimizer, epochs * case.updates)
    model, optimizer, loader, schedule = accelerator.prepare(model, optimizer, _loader(case, data), schedule)
    started = time.thread_time()
    for _ in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            schedule.step()
            loss.item()
    return time.thread_time() - started


def by_transformers(case: Case, data: Data, epochs: int) -> float:
    """Hugging Face Trainer, its displays and files off."""
    import tempfile

    from transformers import Trainer, TrainingArguments

    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = case.build()

        def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
            logits = self.model(x)
            return {"loss": F.cross_entropy(logits, labels), "logits": logits}

    rows = [{"x": x, "labels": y} for x, y in zip(*data, strict=True)]
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            num_train_epochs=epochs,
            per_device_train_batch_size=case.batch,
            learning_rate=RATE,
            weight_decay=DECAY,
            max_grad_norm=CLIP,
            lr_scheduler_type="cosine",
            use_cpu=True,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
        )
        trainer = Trainer(model=Wrapped(), args=arguments, train_dataset=rows)  # type: ignore[arg-type]
        started = time.thread_time()
        trainer.train()
        return time.thread_time() - started


def by_keras(case: Case, data: Data, epochs: int) -> float:
    """Keras on torch: the same layers in its own words."""
    os.environ["KERAS_BACKEND"] = "torch"
    import keras

    model = keras.Sequential(
        [
            keras.layers.Input((64,)),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dense(10),
        ]
    )
    schedule = keras.optimizers.schedules.CosineDecay(RATE, epochs * case.updates)
    model.compile(
        optimizer=keras.optimizers.AdamW(schedule, weight_decay=DECAY, global_clipnorm=CLIP),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    started = time.thread_time()
    model.fit(data[0].numpy(), data[1].numpy(), batch_size=case.batch, epochs=epochs, verbose=0)
    return time.thread_time() - started


_PEERS: dict[str, tuple[str, Timed]] = {
    "Ignite": ("ignite", by_ignite),
    "skorch": ("skorch", by_skorch),
    "Lightning": ("lightning", by_lightning),
    "Accelerate": ("accelerate", by_accelerate),
    "HF Trainer": ("transformers", by_transformers),
    "Keras on torch": ("keras", by_keras),
}


def installed() -> dict[str, Timed]:
    """Return the ways of the libraries that are here."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    found: dict[str, Callable[[Case, Data, int], float]] = {"loop over a DataLoader": by_loader}
    return found | {name: way for name, (module, way) in _PEERS.items() if importlib.util.find_spec(module)}
