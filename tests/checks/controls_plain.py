"""Ordinary trainings: the common kinds of network and of target."""

from __future__ import annotations

import torch
from checks_controls import adam, blobs, curve, images, named, perceptron, sequences
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from trainwright.checks.subject import Subject
from trainwright.parts import models
from trainwright.records import DataShape
from trainwright.stages.subject import subject_of


def plain_mlp() -> Subject:
    x, y = blobs()
    model = perceptron(8, 4)
    return subject_of(model, "cross_entropy", (x, y), optimizer=adam(model), planned_steps=500)


def mlp_with_validation_and_decay_on_weights_alone() -> Subject:
    x, y = blobs(288)
    model = perceptron(8, 4)
    groups = [
        {"params": [weight for weight in model.parameters() if weight.dim() > 1], "weight_decay": 0.01},
        {"params": [weight for weight in model.parameters() if weight.dim() == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=3e-3)
    return subject_of(
        model, F.cross_entropy, (x[:192], y[:192]), optimizer=optimizer, validation=(x[192:], y[192:]), seed=3
    )


def shuffled_loader_with_its_own_generator() -> Subject:
    x, y = blobs()
    loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True, generator=torch.Generator().manual_seed(5))
    model = nn.Sequential(nn.Linear(8, 24), nn.Tanh(), nn.Linear(24, 4))
    return subject_of(model, nn.CrossEntropyLoss(), loader, optimizer=adam(model), planned_steps=300)


def cnn_with_batch_norm() -> Subject:
    shape = DataShape(input_shape=(1, 8, 8), outputs=3, task="classification")
    model = models.build("cnn", shape, {"width": 6, "depth": 2, "dropout": 0.0})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    return subject_of(model, "cross_entropy", images(), optimizer=optimizer, planned_steps=400)


def residual_net_with_group_norm() -> Subject:
    shape = DataShape(input_shape=(1, 8, 8), outputs=3, task="classification")
    options = {"width": 8, "depth": 1, "stages": 2, "dropout": 0.1, "norm": "group"}
    model = models.build("resnet", shape, options)
    return subject_of(model, "cross_entropy", images(), optimizer=adam(model))


class Recurrent(nn.Module):
    """Token ids to the class, read from the last state of a GRU."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(12, 8)
        self.cells = nn.GRU(8, 16, batch_first=True)
        self.head = nn.Linear(16, 2)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.cells(self.embedding(ids))[0][:, -1])


def gru_over_tokens() -> Subject:
    model = Recurrent()
    return subject_of(model, F.cross_entropy, sequences(), optimizer=adam(model))


class Encoder(nn.Module):
    """Token ids to the class, by torch's own transformer encoder and the mean over the tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(12, 16)
        self.positions = nn.Parameter(0.02 * torch.randn(1, 8, 16))
        layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.1, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(16)
        self.head = nn.Linear(16, 2)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.layers(self.embedding(ids) + self.positions)).mean(1))


def transformer_encoder() -> Subject:
    model = Encoder()
    return subject_of(model, "cross_entropy", sequences(), optimizer=adam(model, 1e-3))


def successors(samples: int = 96, length: int = 8, tokens: int = 10) -> tuple[torch.Tensor, torch.Tensor]:
    """Return token ids that mostly follow a fixed rule, and for each the token that comes next."""
    follows = torch.randperm(tokens)
    ids = torch.randint(0, tokens, (samples, length + 1))
    for place in range(length):
        ids[:, place + 1] = torch.where(torch.rand(samples) < 0.8, follows[ids[:, place]], ids[:, place + 1])
    return ids[:, :-1].clone(), ids[:, 1:].clone()


def causal_decoder() -> Subject:
    shape = DataShape(input_shape=(8,), outputs=10, task="classification", vocabulary=10)
    model = models.build("transformer", shape, {"layers": 2, "heads": 2, "width": 16, "dropout": 0.1})
    return subject_of(model, "cross_entropy", successors(), optimizer=adam(model, 1e-3), planned_steps=1_000)


def autoencoder_with_sigmoid_output() -> Subject:
    codes, mixing = torch.randn(160, 3), torch.randn(3, 16)
    x = torch.sigmoid(codes @ mixing + 0.2 * torch.randn(160, 16))
    model = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 16), nn.Sigmoid())
    return subject_of(model, F.mse_loss, (x, x.clone()), optimizer=adam(model, 1e-2))


def several_labels() -> Subject:
    x = torch.randn(192, 8)
    y = ((x @ torch.randn(8, 5) + 0.5 * torch.randn(192, 5)) > 0.5).float()
    model = perceptron(8, 5)
    return subject_of(model, nn.BCEWithLogitsLoss(), (x, y), optimizer=adam(model))


def two_classes_by_one_logit() -> Subject:
    x, y = blobs(classes=2)
    model = perceptron(8, 1)
    return subject_of(model, "bce_with_logits", (x, y.float()[:, None]), optimizer=adam(model))


def huber_regression() -> Subject:
    model = perceptron(6, 1)
    return subject_of(model, nn.HuberLoss(), curve(), optimizer=adam(model))


def several_outputs_of_a_regression() -> Subject:
    model = nn.Sequential(nn.Linear(6, 24), nn.GELU(), nn.LayerNorm(24), nn.Linear(24, 3))
    return subject_of(model, F.mse_loss, curve(outputs=3), optimizer=adam(model))


def counts_with_a_positive_output() -> Subject:
    x = torch.randn(192, 6)
    y = torch.poisson(torch.exp(0.5 * x[:, :2].sum(1) + 0.5))[:, None]
    model = nn.Sequential(perceptron(6, 1), nn.Softplus())
    return subject_of(model, nn.PoissonNLLLoss(log_input=False), (x, y), optimizer=adam(model))


def likelihood_of_log_probabilities() -> Subject:
    model = nn.Sequential(perceptron(8, 4), nn.LogSoftmax(dim=1))
    return subject_of(model, F.nll_loss, blobs(), optimizer=adam(model))


def table_of_numbers_and_categories() -> Subject:
    numbers, category = torch.randn(192, 3), torch.randint(0, 4, (192,))
    y = numbers[:, 0] * torch.tensor([1.0, -1.0, 0.5, 2.0])[category] + numbers[:, 1]
    x = torch.cat([numbers, F.one_hot(category, 4).float()], 1)
    shape = DataShape(input_shape=(7,), outputs=1, task="regression", groups=(1, 1, 1, 4))
    model = models.build("table", shape, {"width": 24, "depth": 2, "embedding": 4, "dropout": 0.0})
    return subject_of(model, "mse", (x, (y / y.std())[:, None]), optimizer=adam(model, 1e-3))


def perceptron_without_bias_and_with_dropout() -> Subject:
    model = nn.Sequential(
        *(nn.Linear(8, 32, bias=False), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 4))
    )
    return subject_of(model, "cross_entropy", blobs(), optimizer=adam(model))


CONTROLS = named(
    plain_mlp,
    mlp_with_validation_and_decay_on_weights_alone,
    shuffled_loader_with_its_own_generator,
    cnn_with_batch_norm,
    residual_net_with_group_norm,
    gru_over_tokens,
    transformer_encoder,
    causal_decoder,
    autoencoder_with_sigmoid_output,
    several_labels,
    two_classes_by_one_logit,
    huber_regression,
    several_outputs_of_a_regression,
    counts_with_a_positive_output,
    likelihood_of_log_probabilities,
    table_of_numbers_and_categories,
    perceptron_without_bias_and_with_dropout,
)
