"""PyTorch: any ``torch.nn.Module`` from features to classes or to a number, trained in steps from given parameters.

What lives here: a module's tensors in and out as arrays (``model``), what a plan may say (``recipe``), the steps
(``learning``), what an optimizer remembers (``remembering``). What does not: rows, preprocessing, metrics, strategies.
Only workers import it, since that takes 0.8 s of CPU and 220 MB; the first optimizer takes 0.9 s more.

On one thread of a CPU the same seed gives the same bits on machines of the same kind.
"""

from training.frameworks.torch.model import begin, tabular

__all__ = ["begin", "tabular"]
