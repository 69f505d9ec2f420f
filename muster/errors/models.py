"""Errors M11..: the model file and what it makes."""

from __future__ import annotations

from typing import Final

from muster.errors.entry import Area, Entry, Who

AREA: Final = Area(
    "The model file and what it makes",
    (
        Entry(
            1101,
            "model.missing",
            ("not_found", "invalid"),
            Who.VENDOR,
            "The model file that the plan names cannot be read, or an experiment has no global model yet.",
            "The path in the plan is relative to the plan; or the experiment has not finished its first cycles.",
            "correct 'model' in the plan; or wait until a cycle is done",
            ("muster list",),
        ),
        Entry(
            1102,
            "model.size",
            ("model",),
            Who.VENDOR,
            "The model file is larger than one MiB.",
            "Weights or data were written into the source.",
            "keep data out of the model file; it only describes the model",
        ),
        Entry(
            1103,
            "model.syntax",
            ("model",),
            Who.VENDOR,
            "The model file is not Python.",
            "A mistake in the line that the message names, or syntax newer than Python 3.11.",
            "correct the line that the message names",
        ),
        Entry(
            1104,
            "model.contract",
            ("model",),
            Who.VENDOR,
            "The header of the model file names what is not known here, or is not that of the experiment.",
            (
                "framework or category is misspelt, the framework cannot train the category, or what main_method or "
                "main_class names was replaced by something that cannot be called."
            ),
            "correct the header of the model file",
        ),
        Entry(
            1105,
            "model.import",
            ("model",),
            Who.VENDOR,
            "The model file fails while it is imported.",
            (
                "It imports a package that edges do not have, or runs code at top level that fails without network, "
                "environment or files."
            ),
            "import only what edges have: numpy, scipy, and the framework that the header names",
        ),
        Entry(
            1106,
            "model.make",
            ("model",),
            Who.VENDOR,
            "The function or class that the header names fails when it is called.",
            (
                "A parameter that the estimator does not have, one of its own beside features and outputs without a "
                "default, or a file or network that is not there in the worker."
            ),
            "call the function or class that the header names by yourself",
        ),
        Entry(
            1107,
            "model.estimator",
            ("model",),
            Who.VENDOR,
            "What the model file makes is no model that can be trained in federation.",
            (
                "A pipeline, a tree or forest, or something that is no estimator at all: only models whose parameters "
                "can be averaged fit."
            ),
            "return what the message names",
        ),
        Entry(
            1108,
            "model.category",
            ("model",),
            Who.VENDOR,
            "A classifier was made for a regression, or the other way round.",
            "The header's category and the estimator do not fit together.",
            "correct the category in the header, or make another estimator",
        ),
        Entry(
            1109,
            "model.solver",
            ("model",),
            Who.VENDOR,
            "The estimator's solver cannot go on from given coefficients, so it cannot train in cycles.",
            "The default of an estimator was kept that solves from the beginning every time.",
            "choose one of the solvers that the message names",
        ),
        Entry(
            1110,
            "model.average",
            ("model",),
            Who.VENDOR,
            "SGD with average=True keeps a running mean that has no meaning across edges.",
            "The parameter was taken over from a training on one machine.",
            "leave 'average' out",
        ),
        Entry(
            1111,
            "model.closed_form",
            ("model",),
            Who.VENDOR,
            "The model is solved at once, so further cycles would change nothing.",
            "Linear and ridge regression have a closed form.",
            "set cycles: 1 and training.epochs: 1",
        ),
        Entry(
            1112,
            "model.training",
            ("model",),
            Who.VENDOR,
            "The framework refuses to train this model.",
            "A parameter out of its range, or layers that do not fit together. Type and place are in the trace.",
            "correct the model's parameters or layers",
        ),
        Entry(
            1113,
            "model.failed",
            ("model",),
            Who.VENDOR,
            "The model's code raised an exception that nobody expected.",
            "Code of the vendor's own that meets rows it was not written for: missing classes, constant columns.",
            "try the model on rows like those that the datasets' columns describe; the trace names line and function",
            ("muster datasets --json",),
        ),
        Entry(
            1114,
            "model.unchanged",
            ("model",),
            Who.VENDOR,
            "No update changed the global model in this cycle.",
            "The learning rate is too low, or the model has converged.",
            "raise the learning rate or the epochs; or be content: the last model has converged",
        ),
        Entry(
            1115,
            "framework.missing",
            ("infra",),
            Who.OWNER,
            "The edge does not have the framework that the model file needs.",
            "Muster was installed without the framework's extra.",
            "install the framework at the edge, as the message says",
            (
                "pip install 'muster-fl[sklearn]'",
                "pip install 'muster-fl[torch]'",
                "pip install 'muster-fl[tensorflow]'",
            ),
        ),
        Entry(
            1116,
            "framework.load",
            ("resource",),
            Who.VENDOR,
            "The edge has the framework that the model file needs, and cannot load it.",
            "The memory limit is too low for it (torch needs about 1 GiB, tensorflow 1.5 GiB), or the installation is "
            "damaged.",
            "raise limits.memory_bytes; if that does not help, have the owner install the framework anew",
        ),
        Entry(
            1117,
            "model.output",
            ("model",),
            Who.VENDOR,
            "The module gives something else than one number per class, or one number, for each row.",
            "The last layer has another width than there are classes, or its shape was changed behind it.",
            "have the model file's function take 'outputs' and give its last layer that width",
        ),
        Entry(
            1118,
            "model.trees",
            ("model",),
            Who.VENDOR,
            "The trees of the global model cannot be used.",
            "An edge contributed arrays that are no trees: children, columns or lengths that cannot be.",
            "find the edge by doing the work again beside the data, and train without it",
            ("muster replay ID --retrain", "muster explain ID"),
        ),
    ),
)
