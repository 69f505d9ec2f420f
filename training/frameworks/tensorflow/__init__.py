"""TensorFlow: any ``keras.Model`` from features to classes or to a number, trained in steps from given parameters.

What lives here: a model's variables in and out as arrays (``model``), what a plan and a compiled model may say
(``recipe``), the steps (``learning``), what an optimizer remembers (``remembering``). What does not: rows,
preprocessing, metrics, strategies. Only workers import it, since that takes 2.5 s of CPU and 600 MB.

On one thread of a CPU the same seed gives the same bits on machines of the same kind.
"""

import os

# Read once, when TensorFlow and Keras are loaded. What the site's account has in ~/.keras must not change a model, and
# a worker writes nothing there; a GPU, and oneDNN's choice of kernels by processor, would give other bits.
os.environ.update(
    CUDA_VISIBLE_DEVICES="-1",
    KERAS_BACKEND="tensorflow",
    KERAS_HOME=os.devnull,
    TF_CPP_MIN_LOG_LEVEL="3",
    TF_ENABLE_ONEDNN_OPTS="0",
)

from training.frameworks.tensorflow.model import begin, tabular

__all__ = ["begin", "tabular"]
