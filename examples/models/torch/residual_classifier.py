"""A residual network for tables, in blocks with layer normalisation: deep, many rows, tells classes apart.

After the ResNet of Gorishniy et al., "Revisiting Deep Learning Models for Tabular Data", NeurIPS 2021, but for the
normalisation: that of a layer keeps no running means, which edges with different rows would disagree on.
"""

from torch import nn

framework = "torch"
category = "tabular_classification"
main_class = "Network"
model_type = "neural_network"

WIDTH = 32
BLOCKS = 2


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 2 * WIDTH), nn.ReLU(), nn.Dropout(0.1), nn.Linear(2 * WIDTH, WIDTH)
        )

    def forward(self, rows):
        return rows + self.body(rows)


class Network(nn.Module):
    def __init__(self, features, outputs):
        super().__init__()
        blocks = [Block() for _ in range(BLOCKS)]
        self.layers = nn.Sequential(nn.Linear(features, WIDTH), *blocks, nn.LayerNorm(WIDTH), nn.Linear(WIDTH, outputs))

    def forward(self, rows):
        return self.layers(rows)
