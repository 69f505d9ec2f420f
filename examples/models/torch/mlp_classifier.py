"""A perceptron with two hidden layers and dropout: the usual network for tables with classes."""

from torch import nn

framework = "torch"
category = "tabular_classification"
main_class = "Network"
model_type = "neural_network"

WIDTH = 32


class Network(nn.Module):
    def __init__(self, features, outputs):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(features, WIDTH),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Linear(WIDTH, WIDTH),
            nn.ReLU(),
            nn.Linear(WIDTH, outputs),
        )

    def forward(self, rows):
        return self.layers(rows)
