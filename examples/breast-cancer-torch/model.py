"""A small network that tells malignant from benign tumours."""

from torch import nn

framework = "torch"
category = "tabular_classification"
main_class = "Network"
model_type = "neural_network"


class Network(nn.Module):
    def __init__(self, features, outputs):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(features, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, outputs))

    def forward(self, rows):
        return self.layers(rows)
