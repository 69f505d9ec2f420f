# ruff: noqa: E501
"""Bad model files, and what each has to be told. Three tables, by what it takes to find out."""

from __future__ import annotations

import io
import stat
import struct
import warnings
import zipfile
from dataclasses import dataclass, field
from typing import Any

import numpy as np

HEAD = 'framework = "sklearn"\ncategory = "tabular_classification"\nmain_method = "build"\n'
BODY = "def build():\n    from sklearn.linear_model import LogisticRegression\n    return LogisticRegression()\n"
GOOD = HEAD + BODY
TORCH = 'framework = "torch"\ncategory = "tabular_classification"\nmain_class = "Network"\n'
MIB = 1024 * 1024


@dataclass(frozen=True)
class Bad:
    """A file that is refused before anything runs.

    Attributes:
        what: What is wrong with it.
        code: Of the error.
        words: What the message must say.
        data: Its content.
    """

    what: str
    code: str
    words: str
    data: bytes


def said(line: str) -> bytes:
    """A model file that is good but for one line of its header."""
    return (HEAD + line + "\n" + BODY).encode()


def without(name: str) -> bytes:
    """A model file without one of its variables."""
    return "".join(line + "\n" for line in GOOD.splitlines() if not line.startswith(name)).encode()


def of(name: str, value: str) -> bytes:
    """A model file with another value of a variable."""
    return without(name) + f"{name} = {value}\n".encode()


def entry(definition: str) -> bytes:
    """A model file with another ``build``."""
    return (HEAD + definition + "\n").encode()


HEADERS = (
    Bad("no framework", "contract.missing", "has no framework (what the model is written in)", without("framework")),
    Bad("no category", "contract.missing", "has no category", without("category")),
    Bad("nothing at all", "contract.missing", "has no framework", b""),
    Bad(
        "a misspelt framework",
        "contract.misspelt",
        "line 1: framwork means nothing; did you mean 'framework'?",
        GOOD.replace("framework", "framwork").encode(),
    ),
    Bad("a misspelt number", "contract.misspelt", "did you mean 'output_classes'?", said("output_class = 2")),
    Bad("a misspelt license", "contract.misspelt", "did you mean 'license'?", said('licence = "MIT"')),
    Bad("an unknown framework", "model.contract", "did you mean 'sklearn'?", of("framework", '"sklaern"')),
    Bad(
        "an unknown category",
        "model.contract",
        "did you mean 'tabular_classification'?",
        of("category", '"tabular_clasification"'),
    ),
    Bad(
        "a later category",
        "contract.later",
        "for image_classification, which this version does not train yet",
        of("category", '"image_classification"'),
    ),
    Bad("a model type of another framework", "model.type", "did you mean 'linear'?", said('model_type = "liner"')),
    Bad(
        "a number in quotes",
        "contract.value",
        "line 4: batch_size is '16'; expected a whole number above 0",
        said('batch_size = "16"'),
    ),
    Bad("nought", "contract.value", "batch_size is 0", said("batch_size = 0")),
    Bad("less than nought", "contract.value", "output_classes is -2", said("output_classes = -2")),
    Bad("a fraction", "contract.value", "batch_size is 16.0", said("batch_size = 16.0")),
    Bad("a truth", "contract.value", "batch_size is True", said("batch_size = True")),
    Bad(
        "beyond all measure", "contract.value", "expected a whole number", said("batch_size = 10000000000000000000000")
    ),
    Bad("a name that is a number", "contract.value", "framework is 7; expected a text in quotes", of("framework", "7")),
    Bad("an empty text", "contract.value", "license is ''", said('license = ""')),
    Bad("a text with control characters", "contract.value", "license is", said('license = "\\x1b[2J"')),
    Bad(
        "a shape that is a number",
        "contract.value",
        "input_shape is 30; expected whole numbers above 0 in brackets",
        said("input_shape = 30"),
    ),
    Bad("a shape without numbers", "contract.value", "input_shape is ()", said("input_shape = ()")),
    Bad("a computed number", "contract.computed", "line 4: batch_size must be written out", said("batch_size = 4 * 4")),
    Bad("a called text", "contract.computed", "license must be written out", said('license = "MIT".lower()')),
    Bad("an f-string", "contract.computed", "framework must be written out", of("framework", 'f"skl{1}"')),
    Bad(
        "an environment variable",
        "contract.computed",
        "framework must",
        of("framework", '__import__("os").environ["F"]'),
    ),
    Bad("no value", "contract.computed", "batch_size must be written out", said("batch_size: int")),
    Bad("two at once", "contract.computed", "batch_size must", said("batch_size, x = 16, 1")),
    Bad("within a condition", "contract.computed", "line 5: batch_size must", said("if True:\n    batch_size = 16")),
    Bad("within a loop", "contract.computed", "batch_size must", said("for batch_size in (1, 2):\n    pass")),
    Bad("made larger", "contract.computed", "line 5: batch_size must", said("batch_size = 16\nbatch_size += 1")),
    Bad("by a walrus", "contract.computed", "batch_size must", said("print(batch_size := 16)")),
    Bad(
        "twice",
        "contract.twice",
        "line 5: batch_size was set in line 4 already",
        said("batch_size = 1\nbatch_size = 2"),
    ),
    Bad(
        "of another category",
        "contract.unused",
        "image_size, which means nothing for tabular_classification",
        said("image_size = 224"),
    ),
    Bad("a horizon for a table", "contract.unused", "forecast_horizon", said("forecast_horizon = 12")),
    Bad("no entry", "contract.entry", "neither main_method and main_class", without("main_method")),
    Bad("two entries", "contract.entry", "both main_method and main_class", said('main_class = "X"')),
    Bad("an entry that is not there", "contract.entry", "did you mean 'build'?", of("main_method", '"biuld"')),
    Bad("a class as a function", "contract.entry", "defines no function 'build'", entry("class build:\n    pass")),
    Bad("a coroutine", "contract.entry", "defines no function 'build'", entry("async def build():\n    return 1")),
    Bad(
        "arguments that nobody gives",
        "contract.arguments",
        "cannot be made without hidden: it is called with nothing but features and outputs",
        entry("def build(features, hidden):\n    return 1"),
    ),
    Bad("arguments by place", "contract.arguments", "without features", entry("def build(features, /):\n    return 1")),
    Bad("a keyword that nobody gives", "contract.arguments", "without k", entry("def build(*, k):\n    return 1")),
    Bad(
        "a class with arguments",
        "contract.arguments",
        "Network cannot be made without width",
        (TORCH + "class Network:\n    def __init__(self, width):\n        pass\n").encode(),
    ),
    Bad("not Python", "model.syntax", "line 4 is not Python", (HEAD + "def (\n").encode()),
    Bad("Python 2", "model.syntax", "is not Python", (HEAD + "print 'hello'\n").encode()),
    Bad("a null byte", "model.syntax", "is not Python", GOOD.encode() + b"\0"),
    Bad("bytes", "model.syntax", "is not Python", bytes(range(128, 256)) * 8),
    Bad("too many brackets", "model.syntax", "is", (HEAD + "(" * 5000 + ")" * 5000).encode()),
    Bad("too deep", "model.syntax", "is", (HEAD + "x = " + "-" * 200_000 + "1\n").encode()),
    Bad("too large", "model.size", "at most 1048576 are allowed", b"#" * (MIB + 1)),
)


def zipped(files: dict[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these files."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


def odd(name: str, content: bytes = b"x = 1\n", *, mode: int = 0, twice: bool = False) -> bytes:
    """A zip with a good main file and an odd one."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net.py", GOOD)
        info = zipfile.ZipInfo(name)
        info.external_attr, info.compress_type = mode << 16, zipfile.ZIP_DEFLATED
        with warnings.catch_warnings(action="ignore"):
            for _ in range(1 + twice):
                archive.writestr(info, content)
    return made.getvalue()


def patched(data: bytes, name: bytes, at: int, value: int) -> bytes:
    """A zip with two bytes of a file's entry in the directory replaced (APPNOTE.TXT 4.3.12)."""
    place = data.rindex(b"PK\x01\x02", 0, data.rindex(name))
    return data[: place + at] + struct.pack("<H", value) + data[place + at + 2 :]


FLAT = zipped({"net.py": GOOD.encode(), "helper.py": b"x = 1\n"})
ZEROS = bytes(8 * MIB)
ARCHIVES = (
    Bad("a folder", "archive.folder", "'src/net.py': put all files side by side", odd("src/net.py")),
    Bad("a folder of Windows", "archive.folder", "side by side", odd("src\\net.py")),
    Bad("a folder alone", "archive.folder", "side by side", odd("src/")),
    Bad("a way out", "archive.path", "'../evil.py', which leads out of its folder", odd("../evil.py")),
    Bad("a hidden way out", "archive.path", "leads out", odd("a/../../evil.py")),
    Bad("the root", "archive.path", "leads out", odd("/etc/cron.d/evil.py")),
    Bad("a drive", "archive.path", "leads out", odd("C:evil.py")),
    Bad(
        "a link",
        "archive.link",
        "'link.py', which is a link",
        odd("link.py", b"/etc/passwd", mode=stat.S_IFLNK | 0o777),
    ),
    Bad("a device", "archive.link", "no regular file", odd("null.py", mode=stat.S_IFCHR | 0o666)),
    Bad("a pipe", "archive.link", "no regular file", odd("pipe.py", mode=stat.S_IFIFO | 0o666)),
    Bad("two of one name", "archive.duplicate", "'a.py' and 'a.py'", odd("a.py", twice=True)),
    Bad("two but for capitals", "archive.duplicate", "more than capitals", odd("NET.py")),
    Bad("odd letters", "archive.name", "expected up to 64 letters", odd("a b.py")),
    Bad("letters of other scripts", "archive.name", "expected up to 64", odd("\u0430.py")),
    Bad("a name that is too long", "archive.name", "expected up to 64", odd("a" * 70 + ".py")),
    Bad("a null byte in a name", "archive.name", "expected up to 64", odd("help__.py").replace(b"help__", b"help\0_")),
    Bad("something else", "archive.name", "expected Python files", odd("run.sh")),
    Bad("what cannot be imported", "archive.name", "expected Python files", odd("my-helper.py")),
    Bad("a module of Python", "archive.name", "'json.py', and Python has a module of that name", odd("json.py")),
    Bad("a part of the worker", "archive.name", "of that name", odd("training.py")),
    Bad("a pickle", "pretrained.format", "safetensors files only", odd("net_weights.pkl")),
    Bad("weights of PyTorch", "pretrained.format", "safetensors.torch.save_file", odd("net_weights.pth")),
    Bad(
        "weights of somebody else",
        "archive.name",
        "expected at most one file of weights, net_weights.safetensors",
        odd("other_weights.safetensors"),
    ),
    Bad("a password", "archive.encrypted", "encrypted", patched(FLAT, b"helper.py", 8, 1)),
    Bad(
        "another compression",
        "archive.format",
        "'net.py' is compressed in another way",
        zipped({"net.py": GOOD.encode(), "helper.py": b"x = 1\n" * 99}, method=zipfile.ZIP_LZMA),
    ),
    Bad("too many files", "archive.size", "at most 64", zipped({f"f{n}.py": b"" for n in range(80)})),
    Bad(
        "more files than it counts",
        "archive.size",
        "at most 64",
        (lambda data: data[:-14] + struct.pack("<HH", 2, 2) + data[-10:])(
            zipped({f"f{n:050}.py": b"" for n in range(900)})
        ),
    ),
    Bad("a bomb", "archive.bomb", "more than 200 times", odd("bomb.py", ZEROS)),
    Bad(
        "a bomb that lies about its size",
        "archive.format",
        "damaged",
        patched(odd("bomb.py", ZEROS), b"bomb.py", 26, 0),
    ),
    Bad(
        "too much",
        "archive.size",
        "more than 33554432 bytes",
        zipped(
            {
                "net.py": GOOD.encode(),
                **{f"f{n}.py": (b"%d" % n) * 90_000 + np.random.default_rng(n).bytes(40_000) for n in range(60)},
                **{f"g{n}.py": np.random.default_rng(n).bytes(90_000) + bytes(14 * MIB) for n in range(3)},
            }
        ),
    ),
    Bad("too large a zip", "archive.size", "at most 16777216", b"PK\x03\x04" + bytes(16 * MIB)),
    Bad("cut off", "archive.format", "cut off", FLAT[:-9]),
    Bad("something behind it", "archive.format", "put behind it", FLAT + b"evil"),
    Bad("a comment", "archive.format", "put behind it", FLAT[:-2] + struct.pack("<H", 3) + b"abc"),
    Bad("something in front of it", "archive.format", "does not begin with a file", b"PK#!/bin/sh\n" + FLAT),
    Bad("a broken file", "archive.format", "damaged", FLAT[:45] + b"\xff" * 9 + FLAT[54:]),
    Bad("an empty zip", "archive.format", "does not begin with a file", zipped({})),
    Bad(
        "no header anywhere",
        "archive.main",
        "has none: expected exactly one file with a header",
        zipped({"a.py": b"x = 1\n"}),
    ),
    Bad(
        "two headers",
        "archive.main",
        "has 2 of them: a.py, b.py",
        zipped({"a.py": GOOD.encode(), "b.py": GOOD.encode()}),
    ),
    Bad(
        "a helper that is not Python",
        "model.syntax",
        "helper.py in model.py, line 1 is not Python",
        zipped({"net.py": GOOD.encode(), "helper.py": b"def (\n"}),
    ),
    Bad(
        "a header that is wrong",
        "contract.value",
        "net.py in model.py, line 4: batch_size is 0",
        zipped({"net.py": said("batch_size = 0")}),
    ),
)


@dataclass(frozen=True)
class Wrong:
    """A model that is honest and wrong: found by a check, on 4 columns and 3 classes.

    Attributes:
        check: Which of the eight.
        source: The model file; bytes are a zip.
        training: What the plan says.
        classes: Of the target; ``None`` for a number.
        weights: Pretrained.
    """

    what: str
    check: str
    code: str
    words: str
    source: str | bytes
    training: dict[str, Any] = field(default_factory=dict)
    classes: int | None = 3
    weights: dict[str, Any] | None = None


def network(
    init: str = "self.layer = nn.Linear(features, outputs)", forward: str = "self.layer(rows)", head: str = ""
) -> str:
    """A model file for PyTorch."""
    return (
        f"from torch import nn\nimport torch\n{TORCH}{head}\n"
        "class Network(nn.Module):\n    def __init__(self, features, outputs):\n        super().__init__()\n"
        f"        {init}\n    def forward(self, rows):\n        return {forward}\n"
    )


def estimator(code: str, head: str = "") -> str:
    """A model file for scikit-learn."""
    return f"{HEAD}{head}\ndef build(features, outputs):\n    {code}\n"


def regression(source: str) -> str:
    """The same for a number."""
    return source.replace("tabular_classification", "tabular_regression")


LOSS = "def loss(outputs, targets):\n    return {}\n"
LOGISTIC = "from sklearn.linear_model import LogisticRegression; return LogisticRegression({})"
CHECKED = (
    Wrong(
        "an import that is not there", "loads", "model.import", "No module named 'no_such'", "import no_such\n" + GOOD
    ),
    Wrong("an import that fails", "loads", "model.import", "ZeroDivisionError", "1 / 0\n" + GOOD),
    Wrong(
        "a helper that is not there",
        "loads",
        "model.import",
        "No module named 'helper'",
        zipped({"net.py": ("import helper\n" + GOOD).encode()}),
    ),
    Wrong(
        "a helper that is installed",
        "loads",
        "archive.name",
        "a package of that name is installed",
        zipped({"net.py": GOOD.encode(), "numpy.py": b"x = 1\n"}),
    ),
    Wrong(
        "sys.exit at import",
        "loads",
        "model.exit",
        "ends the process while it is imported",
        "import sys; sys.exit(0)\n" + GOOD,
    ),
    Wrong("exit when made", "loads", "model.exit", "ends the process in build()", estimator("exit()")),
    Wrong(
        "an error when made",
        "loads",
        "model.make",
        "build() failed: ValueError: no",
        estimator("raise ValueError('no')"),
    ),
    Wrong("endless recursion", "loads", "model.make", "RecursionError", estimator("return build(features, outputs)")),
    Wrong(
        "an entry that was replaced", "loads", "model.contract", "no 'build' that can be called", GOOD + "build = 3\n"
    ),
    Wrong("nothing", "framework", "model.estimator", "NoneType cannot be trained", estimator("return None")),
    Wrong(
        "PyTorch for sklearn",
        "framework",
        "model.estimator",
        "is framework = 'torch' meant?",
        estimator("from torch import nn; return nn.Linear(features, outputs)"),
    ),
    Wrong(
        "sklearn for PyTorch",
        "framework",
        "model.estimator",
        "is framework = 'sklearn' meant?",
        TORCH.replace("main_class", "main_method").replace("Network", "build") + BODY,
    ),
    Wrong(
        "a class in the place of an object",
        "framework",
        "model.estimator",
        "cannot be trained",
        estimator("from sklearn.linear_model import Ridge; return Ridge"),
    ),
    Wrong(
        "a pipeline",
        "framework",
        "model.estimator",
        "expected a bare estimator",
        estimator(
            "from sklearn.pipeline import make_pipeline; from sklearn.linear_model import Ridge; return make_pipeline(Ridge())"
        ),
    ),
    Wrong(
        "a regressor for classes",
        "framework",
        "model.category",
        "the target is classes",
        estimator("from sklearn.linear_model import Ridge; return Ridge()"),
    ),
    Wrong(
        "a classifier for a number",
        "framework",
        "model.category",
        "the target is a number",
        regression(estimator(LOGISTIC.format(""))),
        classes=None,
    ),
    Wrong(
        "a parameter out of range",
        "inputs",
        "model.training",
        "alpha",
        estimator("from sklearn.linear_model import SGDClassifier; return SGDClassifier(alpha=-1)"),
    ),
    Wrong(
        "nothing to learn", "framework", "model.estimator", "no parameter that can be learnt", network("pass", "rows")
    ),
    Wrong(
        "a tensor that cannot travel",
        "framework",
        "model.estimator",
        "torch.complex64",
        network(
            "self.p = nn.Parameter(torch.ones(3)); self.register_buffer('c', torch.ones(2, dtype=torch.complex64))"
        ),
    ),
    Wrong(
        "declared classes",
        "outputs",
        "contract.data",
        "declares output_classes = 5, the data has 3",
        estimator(LOGISTIC.format(""), "output_classes = 5"),
    ),
    Wrong(
        "too few outputs",
        "outputs",
        "model.output",
        "expected floating-point numbers of shape [24, 3]",
        network("self.layer = nn.Linear(features, 2)"),
    ),
    Wrong(
        "outputs for a number",
        "outputs",
        "model.output",
        "[24] or [24, 1]",
        regression(network("self.layer = nn.Linear(features, 2)")),
        classes=None,
    ),
    Wrong(
        "outputs that are whole numbers",
        "outputs",
        "model.output",
        "torch.int64[24, 3]",
        network(forward="self.layer(rows).long()"),
    ),
    Wrong("two things at once", "outputs", "model.output", "gives tuple", network(forward="(self.layer(rows), rows)")),
    Wrong(
        "rows lost", "outputs", "model.output", "gives torch.float32[23, 3]", network(forward="self.layer(rows)[1:]")
    ),
    Wrong(
        "numbers that are not finite",
        "outputs",
        "model.output",
        "not finite",
        network(forward="self.layer(rows) / 0 * 0"),
    ),
    Wrong(
        "declared columns",
        "inputs",
        "contract.data",
        "declares num_feature_points = 9, the data has 4",
        estimator(LOGISTIC.format(""), "num_feature_points = 9"),
    ),
    Wrong(
        "a declared shape",
        "inputs",
        "contract.data",
        "declares input_shape = (3, 4), a record of the data (4,)",
        estimator(LOGISTIC.format(""), "input_shape = (3, 4)"),
    ),
    Wrong(
        "too many columns", "inputs", "model.training", "24x4 and 9x3", network("self.layer = nn.Linear(9, outputs)")
    ),
    Wrong("images", "inputs", "model.training", "conv2d", network("self.layer = nn.Conv2d(3, outputs, 3)")),
    Wrong(
        "an index out of range", "inputs", "model.training", "IndexError", network(forward="self.layer(rows)[:, 7, 7]")
    ),
    Wrong(
        "another model type",
        "model_type",
        "model.type",
        "LogisticRegression is linear",
        estimator(LOGISTIC.format(""), 'model_type = "neural_network"'),
    ),
    Wrong(
        "a forest as a tree",
        "model_type",
        "model.type",
        "is ensemble",
        estimator("from sklearn.ensemble import RandomForestClassifier as F; return F(2)", 'model_type = "tree"'),
    ),
    Wrong(
        "too many parameters",
        "parameters",
        "model.parameters",
        "learns 3,000,000,001 parameters; at most 3,000,000,000",
        network("self.p = nn.Parameter(torch.empty(1).expand(3_000_000_001))"),
    ),
    Wrong(
        "weights of another shape",
        "parameters",
        "pretrained.mismatch",
        "'coef' is float64[3, 9] where the model has float64[3, 4]",
        estimator(LOGISTIC.format("")),
        weights={"coef": np.zeros((3, 9)), "intercept": np.zeros(3)},
    ),
    Wrong(
        "weights of another type",
        "parameters",
        "pretrained.mismatch",
        "float16",
        estimator(LOGISTIC.format("")),
        weights={"coef": np.zeros((3, 4), np.float16), "intercept": np.zeros(3)},
    ),
    Wrong(
        "weights with other names",
        "parameters",
        "pretrained.mismatch",
        "'coef' is missing; 'intercept' is missing; 'x' is not",
        estimator(LOGISTIC.format("")),
        weights={"x": np.zeros(3)},
    ),
    Wrong(
        "weights that are not finite",
        "parameters",
        "pretrained.finite",
        "1 values in 'intercept'",
        estimator(LOGISTIC.format("")),
        weights={"coef": np.zeros((3, 4)), "intercept": np.array([0, np.nan, 0])},
    ),
    Wrong(
        "a solver without steps",
        "loss",
        "model.solver",
        "liblinear",
        estimator(LOGISTIC.format("solver='liblinear'")),
        classes=2,
    ),
    Wrong(
        "a setting of the plan that it has not",
        "loss",
        "plan.training",
        "has no learning_rate",
        estimator(LOGISTIC.format("")),
        training={"learning_rate": 0.1},
    ),
    Wrong(
        "a batch size that it has not",
        "loss",
        "plan.training",
        "has no batch_size: leave it out of the plan and the model file",
        estimator(LOGISTIC.format("")),
        training={"batch_size": 4},
    ),
    Wrong(
        "a loss for numbers",
        "loss",
        "plan.training",
        "training.loss is mse, but the target is classes",
        network(),
        training={"loss": "mse"},
    ),
    *(
        Wrong(
            what,
            "loss" if code == "model.loss" else "framework",
            code,
            words,
            zipped({"net.py": network().encode(), "loss.py": f"import torch\n{source}\n".encode()}),
            training={"loss": {"file": "loss.py"}},
        )
        for what, code, words, source in (
            (
                "a loss of every row",
                "model.loss",
                "gives torch.float32[1, 3] for a batch: expected one number",
                LOSS.format("outputs ** 2"),
            ),
            ("a loss that is no tensor", "model.loss", "gives float for a batch", LOSS.format("1.0")),
            (
                "a loss that is not finite",
                "model.loss",
                "of 1 row is nan: expected a finite number",
                LOSS.format("(outputs - outputs.detach()).sqrt().sum() / 0"),
            ),
            (
                "a loss of nothing",
                "model.loss",
                "of 1 row does not depend on the outputs",
                LOSS.format("torch.ones(())"),
            ),
            (
                "a loss that is flat",
                "model.loss",
                "of 24 rows does not depend on the outputs",
                LOSS.format("outputs.sum() * 0"),
            ),
            (
                "a loss with a steep end",
                "model.loss",
                "has a gradient that is not finite",
                LOSS.format("(outputs - outputs.detach()).abs().sqrt().sum()"),
            ),
            ("a loss file that does not import", "model.import", "loss.py does not import", f"import no_such\n{LOSS}"),
            (
                "a loss file that ends the process",
                "model.exit",
                "the loss file loss.py ends the process while it is imported",
                f"raise SystemExit\n{LOSS}",
            ),
            (
                "a loss file without a loss",
                "loss.file",
                "loss.py defines no function loss",
                "def losses(outputs, targets): ...",
            ),
            (
                "a loss file whose loss is taken away",
                "loss.file",
                "defines no 'loss' that can be called",
                f"{LOSS}\nloss = None",
            ),
        )
    ),
    Wrong(
        "a loss for one size of batch",
        "loss",
        "model.training",
        "invalid for input of size 3",
        zipped({"net.py": network().encode(), "loss.py": LOSS.format("outputs.reshape(24, 3).sum()").encode()}),
        training={"loss": {"file": "loss.py"}},
    ),
    Wrong(
        "a loss file that did not come along",
        "framework",
        "loss.file",
        "loss.py is not among the model's files",
        network(),
        training={"loss": {"file": "loss.py"}},
    ),
    Wrong(
        "a loss file for an estimator",
        "framework",
        "plan.training",
        "LogisticRegression takes no loss from a file: leave training.loss out",
        zipped({"net.py": estimator(LOGISTIC.format("")).encode(), "loss.py": LOSS.encode()}),
        training={"loss": {"file": "loss.py"}},
    ),
    Wrong(
        "classes that count differently, for a number",
        "loss",
        "plan.training",
        "the target is a number",
        regression(network()),
        training={"class_weights": {"a": 2.0}},
        classes=None,
    ),
    Wrong(
        "weights for classes that there are not",
        "loss",
        "plan.training",
        "names 'c9', which is no class of the target; expected one of c0, c1, c2",
        network(),
        training={"class_weights": {"c9": 2.0}},
    ),
    Wrong(
        "an optimizer with nothing to keep",
        "loss",
        "plan.training",
        "leave training.optimizer_state out",
        network(),
        training={"optimizer_state": "keep"},
    ),
    Wrong(
        "an estimator's optimizer to keep",
        "loss",
        "plan.training",
        "leave training.optimizer_state out",
        estimator("from sklearn.neural_network import MLPClassifier; return MLPClassifier((2,))"),
        training={"optimizer_state": "keep"},
    ),
    Wrong(
        "steps that are too large",
        "loss",
        "weights.finite",
        "not finite",
        regression(network()),
        training={"learning_rate": 1e30, "epochs": 3},
        classes=None,
    ),
    Wrong(
        "a loss beyond all numbers",
        "loss",
        "model.loss",
        "the loss is not finite in epoch 1",
        regression(network(forward="self.layer(rows) * 0 + 1e30 if self.training else self.layer(rows)")),
        classes=None,
    ),
    Wrong(
        "what fails in training alone",
        "loss",
        "model.training",
        "only here",
        network(forward="self.layer(rows) if not self.training else self.fail()")
        + "    def fail(self):\n        raise ValueError('only here')\n",
    ),
    Wrong(
        "a mask that is drawn anew",
        "averages",
        "model.averaged",
        "'model.mask', which must stay as it was",
        network(
            "self.layer = nn.Linear(features, outputs); self.register_buffer('mask', torch.ones(64, dtype=torch.bool))",
            "self.layer(rows) if not self.training else self.drawn(rows)",
        )
        + "    def drawn(self, rows):\n        self.mask.copy_(rows.sum() * torch.arange(64).sin() > 0)\n        return self.layer(rows)\n",
    ),
)
