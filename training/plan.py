"""The plan: a YAML file in which a vendor says what to train, on what, and how."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from training import losses, splitting, weighting
from training.callbacks import Callbacks
from training.errors import model_error
from training.losses import Loss, LossFile
from training.preprocessing.choices import Derived, Preprocessing
from training.schedules import KINDS, NUMBER, LearningRate, slowed
from training.suggestions import known_or_nearest
from training.taking import Taken
from training.weighting import ClassWeights

_MIB: Final = 1024 * 1024
_TAGS: Final = frozenset({NUMBER, losses.NAMED, losses.FILED, weighting.WORD, weighting.TABLE})
"""Tell kinds of values apart where a field takes several."""
OptimizerState = Literal["reset", "keep"]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Optimizer = Literal["adadelta", "adagrad", "adam", "adamax", "adamw", "ftrl", "nadam", "radam", "rmsprop", "sgd"]


class _Section(BaseModel):
    """A part of the plan; a field that does not exist is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Data(_Section):
    """What is learnt from what."""

    dataset: str
    """Name of the dataset, as ``muster datasets`` shows it."""
    target: str | None = None
    """Column to be learned; the one that the owners registered if left out."""
    features: tuple[str, ...] | None = None
    """Columns to learn from; all of numbers but the target if left out, and those of text too if
    ``preprocessing.encode`` is set."""
    exclude: tuple[str, ...] = ()
    """Columns not to learn from. ``derive`` may still use them."""
    derive: tuple[Derived, ...] = ()
    """Features that are made from columns, if the owners permit it; docs/explanation/preprocessing.md."""
    rows: Taken | None = None
    """How many of the training rows are taken; all if left out. Which ones follows from the seed, at every edge alone.
    Test rows are all used, always."""


class Strategy(_Section):
    """How the updates of a cycle become the next global model."""

    name: str = "fedavg"
    """``fedavg``, the mean of the updates, weighted by example counts (McMahan et al. 2017), or one of those in
    docs/reference/strategies.md."""
    parameters: dict[str, float] = Field(default_factory=dict)
    """What the strategy is to be told, by name; what is left out has the default of docs/reference/strategies.md."""


class Training(_Section):
    """What each edge does in a cycle. A field left out leaves the choice to the model file."""

    epochs: int = Field(default=1, ge=1, le=100_000)
    """Passes over the edge's rows per cycle; iterations of a solver that has no passes."""
    batch_size: int | None = Field(default=None, ge=1)
    """Rows per step; that of the model file's header if left out."""
    learning_rate: LearningRate | None = None
    """Step size: a number, or a schedule over the epochs of the whole experiment, such as
    ``{schedule: cosine, rate: 0.1, over: 20, end: 0.001}``. Schedules are for torch and tensorflow."""
    validation_split: float = Field(default=0.0, ge=0.0, le=splitting.MOST)
    """Share of each edge's training rows that is kept for validation, class by class; the same rows in every cycle. 0:
    none. The least above 0 is what the smallest edge needs for a row of every class; ``muster link`` says it."""
    shuffle: bool = True
    """Whether rows are taken in a new, seeded order in every epoch."""
    optimizer: Optimizer | None = None
    """What takes the steps. ``ftrl`` is TensorFlow's, ``radam`` PyTorch's. Left out: for torch ``sgd``; for tensorflow
    that of a compiled model, else ``sgd``."""
    optimizer_state: OptimizerState = "reset"
    """Whether an edge's optimizer begins anew in every cycle (``reset``), or goes on with the momentum, averages and
    counts that it had after the edge's last cycle that counted (``keep``). For torch and tensorflow."""
    momentum: float | None = Field(default=None, ge=0, lt=1)
    """Of the optimizers ``sgd`` and ``rmsprop``. For torch and tensorflow: 0 if left out."""
    weight_decay: float | None = Field(default=None, ge=0)
    """What the optimizer makes of the parameters' size. For torch and tensorflow: the framework's default for the
    optimizer if left out."""
    freeze: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Parameters that stay as they are, by patterns of their names such as ``layers.0.*``. For torch and tensorflow;
    what the model file froze itself stays frozen."""
    gradient_clip: float | None = Field(default=None, gt=0)
    """Longest gradient of a step, as the Euclidean norm over all parameters; a longer one is made shorter before a
    strategy adds to it. For torch and tensorflow: not limited if left out."""
    loss: Loss | None = None
    """What is made small: a loss by its name, or ``{file: loss.py}``, a Python file with a function
    ``loss(outputs, targets)``, for torch and tensorflow. Left out: ``cross_entropy`` for classes and ``mse`` for
    numbers; for tensorflow that of a compiled model, if it has one."""
    class_weights: ClassWeights | None = None
    """What a row of each class counts in the loss: by label, such as ``{ill: 3.0}``, with 1 for labels left out; or
    ``balanced``, by which all classes count the same over the training rows of all edges. For classes."""

    def slowed(self, factor: float) -> Training:
        """The same with the learning rate, or the whole schedule, multiplied with ``factor``.

        Raises:
            TrainingError: There is no learning rate, and the factor is not 1.
        """
        if factor == 1:
            return self
        if self.learning_rate is None:
            raise model_error(
                "plan.callbacks", "the learning rate is to be lowered, and training.learning_rate is not set"
            )
        return self.model_copy(update={"learning_rate": slowed(self.learning_rate, factor)})

    @model_validator(mode="after")
    def _one_who_weighs(self) -> Self:
        if self.class_weights is not None and self.own_loss is not None:
            raise PydanticCustomError(
                "weights",
                "class_weights weigh the losses of rows, and a loss file gives one number for all: leave class_weights "
                "out, and weigh them in the file",
            )
        return self

    @property
    def own_loss(self) -> LossFile | None:
        """The vendor's own loss, if it is one."""
        return self.loss if isinstance(self.loss, LossFile) else None

    @property
    def keeps_optimizer(self) -> bool:
        """Whether optimizers go on from cycle to cycle."""
        return self.optimizer_state == "keep"

    @property
    def canonical(self) -> str:
        """As canonical JSON, the form in which it travels; what was left out is not said."""
        return json.dumps(self.model_dump(mode="json", exclude_none=True), sort_keys=True, separators=(",", ":"))


class Limits(_Section):
    """Bounds of one worker run at an edge. An owner may set lower ones."""

    memory_bytes: int = Field(default=2048 * _MIB, ge=256 * _MIB)
    cpu_s: float = Field(default=600.0, gt=0)
    wall_s: float = Field(default=600.0, gt=0)
    disk_bytes: int = Field(default=1024 * _MIB, ge=_MIB)
    processes: int = Field(default=64, ge=1)


class Encoding(_Section):
    """How updates are made smaller on their way to the aggregator. Global models always travel exactly."""

    values: Literal["exact", "float16", "bfloat16", "int8"] = "exact"
    """What the differences to the global model are rounded to. ``float16`` and ``bfloat16`` round to nearest, ``int8``
    at random so that the mean is right."""
    keep: float = Field(default=1.0, gt=0, le=1)
    """Share of the elements that are sent: those that changed most. The others stay as they were."""
    error_feedback: bool | None = None
    """Whether an edge adds to its next update what this one left out. Left out: with ``int8`` and with a ``keep`` below
    1."""
    compression: Literal["none", "zstd"] = "none"
    """Compresses what is sent; loses nothing."""


class Transport(_Section):
    """How weights travel. The store changes neither the model nor any digest of it."""

    store: Literal["auto", "jetstream", "s3"] = "auto"
    """Where sealed weights lie: at the broker (``jetstream``) or in the federation's S3-compatible store (``s3``).
    ``auto`` takes ``s3`` for large models, if the federation has such a store."""
    encoding: Encoding = Encoding()


class Plan(_Section):
    """A whole plan."""

    name: str = Field(min_length=1, max_length=120)
    """For humans."""
    objective: str = Field(default="", max_length=2000)
    """Why: shown to the owners of the data."""
    model: Path
    """The model file, or a flat zip of several, relative to the plan."""
    weights: Path | None = None
    """A safetensors file that the model begins with, relative to the plan; left out: ``<model>_weights.safetensors``
    beside the model file, if there is one."""
    data: Data
    seed: Seed = 0
    """Decides every random choice; the same seed gives the same model, bit for bit."""
    cycles: int = Field(ge=1, le=10_000)
    """Rounds of training."""
    quorum: int | None = Field(default=None, ge=1)
    """Least number of edges whose updates a cycle needs; all that hold the dataset if left out."""
    deadline_s: float = Field(default=600.0, gt=0)
    """Longest time that a cycle may take. The second of the two time knobs."""
    strategy: Strategy = Strategy()
    training: Training = Training()
    limits: Limits = Limits()
    transport: Transport = Transport()
    preprocessing: Preprocessing = Preprocessing()
    callbacks: Callbacks = Callbacks()

    @classmethod
    def load(cls, path: Path) -> Self:
        """The plan in a YAML file.

        Raises:
            TrainingError: It cannot be read, is not YAML, or says something wrong; every wrong field is named.
        """
        content = _mapping(path)
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            problems = problems_of(error)
        raise model_error("plan.field", f"the plan {path} cannot be used: {problems}")

    def digest(self, code: bytes, weights: Path | None = None) -> str:
        """``sha256:...`` of everything that the plan says, of the model file's content, and of pretrained weights'."""
        content = self.model_dump(mode="json", exclude={"model", "weights"})
        text = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
        whole = hashlib.sha256(text + bytes(1) + code)
        if weights is not None:
            with weights.open("rb") as file:
                whole.update(bytes(1) + hashlib.file_digest(file, "sha256").digest())
        return f"sha256:{whole.hexdigest()}"


def problems_of(error: ValidationError) -> str:
    """Every wrong field of a plan, with what is allowed; the nearest name for one that is unknown."""
    return "; ".join(_told(dict(item), Plan) for item in error.errors(include_url=False))


def _mapping(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise model_error("plan.missing", f"there is no plan {path}") from None
    except OSError as error:
        raise model_error("plan.missing", f"the plan {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise model_error("plan.yaml", f"the plan {path} is not UTF-8 text") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        what = getattr(error, "problem", None) or "it cannot be parsed"
        raise model_error("plan.yaml", f"the plan {path}{where} is not YAML: {what}") from error
    if not isinstance(content, dict):
        raise model_error("plan.yaml", f"the plan {path} has no fields: expected 'name: ...', 'model: ...' and so on")
    return content


def _told(problem: dict[str, Any], root: type[BaseModel]) -> str:
    location: tuple[int | str, ...] = tuple(part for part in problem["loc"] if part not in _TAGS)
    name = ".".join(map(str, location))
    if problem["type"] == "extra_forbidden":
        section = _section(root, location[:-1])
        return f"{name} is not a field; {known_or_nearest(str(location[-1]), section.model_fields)}"
    if problem["type"] == "union_tag_not_found":
        return f"{name}: expected a number, or schedule: and one of {', '.join(KINDS)}"
    if problem["type"] == "union_tag_invalid":
        tag = problem["ctx"]["tag"]
        return f"{name}: the schedule {tag[:40]!r} is not known; {known_or_nearest(tag, KINDS)}"
    if problem["type"] == "missing":
        return f"{name} is missing"
    if problem["type"] == "literal_error" and isinstance(problem["input"], str):
        words = re.findall("'([^']*)'", problem["ctx"]["expected"])
        return f"{name}: {problem['input'][:40]!r} is not known; {known_or_nearest(problem['input'], words)}"
    found = problem.get("input")
    shown = f", found {found!r}" if isinstance(found, str | int | float | bool) else ""
    return f"{name}: {problem['msg'][0].lower()}{problem['msg'][1:]}{shown}"


def _section(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel]:
    for part in location:
        if str(part) not in model.model_fields:
            # The kind of a schedule, a place in a list, or a key that the plan's author chose.
            model = KINDS.get(str(part), model)
            continue
        model = next(_models(model.model_fields[str(part)].annotation), model)
    return model


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """Sections within a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
