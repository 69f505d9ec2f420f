"""Where NVFlare's server gets the first model and leaves the others.

NVFlare's own persistor for numpy holds one array and writes it to disk every round; this one makes many in memory and
notes the time, like the other systems' programs.
"""

import workload
from nvflare.app_common.abstract.model import ModelLearnableKey, make_model_learnable
from nvflare.app_common.abstract.model_persistor import ModelPersistor


class EchoPersistor(ModelPersistor):
    """See the module."""

    def __init__(self, megabytes=1.0, arrays=0, seed=1, rounds=5, marks="", final=""):
        super().__init__()
        self.megabytes, self.arrays, self.seed, self.rounds = megabytes, arrays, seed, rounds
        self.marks, self.final = marks, final
        self.done = 0

    def load_model(self, fl_ctx):
        """The first model."""
        first = workload.model(self.megabytes, self.arrays, self.seed)
        workload.mark(self.marks, "round", round=0)
        return make_model_learnable(weights=first, meta_props={})

    def save_model(self, model, fl_ctx):
        """A round is over."""
        self.done += 1
        workload.mark(self.marks, "round", round=self.done)
        if self.done == self.rounds:
            workload.keep(self.final, model[ModelLearnableKey.WEIGHTS], self.megabytes, self.arrays)
            workload.mark(self.marks, "done")
