"""One layer: linear regression in PyTorch, by steps."""

from torch import nn

framework = "torch"
category = "tabular_regression"
main_class = "Network"
model_type = "linear"


class Network(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.head = nn.Linear(features, 1)

    def forward(self, rows):
        return self.head(rows)
