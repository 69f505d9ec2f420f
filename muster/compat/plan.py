"""The training plan of the older SDK: setters in both spellings, each a field of ``muster.Plan``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import yaml

from bus.errors import Invalid
from bus.suggestions import did_you_mean
from muster.compat import saying, words
from muster.compat.setting import SETTER, Fields, setting
from muster.sdk.blocking import Experiment, Federation
from muster.sdk.errors import PlanRefused
from muster.sdk.link import Link
from muster.sdk.plan import Plan
from muster.submission import submit
from training import splitting

_BATCH: Final = 16
_RATE: Final = 0.001
_EPOCHS: Final = 10
_PAIR: Final = 2
_OWN: Final = {"sklearn": "an estimator brings its own, as the model file makes it"}
_STEPLESS: Final = {"sklearn": "its estimators are not frozen in parts"}


class TrainingPlan:
    """What to train and how; ``User.link_model_dataset`` makes it.

    A setter tries its value at once. What is refused is printed with the setter's name, and ``start`` does nothing
    until that setter was called with a value that can be used.

    Args:
        federation: Where it is to run.
        link: The model and its data.
    """

    def __init__(self, federation: Federation, link: Link) -> None:
        self._federation = federation
        self._link = link
        self.refused: dict[str, str] = {}
        self.experiment: Experiment | None = None
        """What was started."""
        self._plan = self._usual()

    @property
    def framework(self) -> str:
        """Of the model."""
        return self._link.model.header.framework

    @property
    def category(self) -> str:
        """Task category of the model."""
        return self._link.model.header.category

    def _usual(self) -> Plan:
        """The older SDK's defaults."""
        header = self._link.model.header
        training: dict[str, Any] = {"validation_split": self._link.found.least_validation_split.share}
        if self.framework in words.OPTIMIZERS:
            batch = {} if header.batch_size else {"batch_size": _BATCH}
            training |= {"epochs": _EPOCHS, "optimizer": "sgd", "learning_rate": _RATE, **batch}
        return self._link.plan(
            f"{self._link.model.path.stem} on {self._link.found.dataset}", cycles=1, training=training
        )

    def change(self, fields: Fields) -> None:
        """Take over what a setter says, if the plan can have it.

        Raises:
            Invalid: It cannot; the plan is as it was.
        """
        changed = self._plan.with_(**fields)
        submit.with_model(changed, self._link.model.subject)
        self._plan = changed

    # What the experiment is called.

    @setting()
    def experiment_name(self, name: str) -> Fields:
        """What it is called."""
        return {"name": name}

    @setting()
    def objective(self, text: str) -> Fields:
        """Why: shown to the owners of the data."""
        return {"objective": text}

    # How long, and on which rows.

    @setting()
    def epochs(self, number: int) -> Fields:
        """Passes over the rows in each cycle."""
        return {"training": {"epochs": words.whole(number, words.EPOCHS)}}

    @setting()
    def cycles(self, number: int) -> Fields:
        """Rounds of training."""
        return {"cycles": words.whole(number, words.CYCLES)}

    @setting()
    def validation_split(self, share: float) -> Fields:
        """Share of each edge's rows that is kept for validation."""
        least = self._link.found.least_validation_split
        if not isinstance(share, int | float) or isinstance(share, bool) or share < 0:
            words.refuse(f"expected a share from {least.share:g} to {splitting.MOST:g}, found {share!r}")
        kept = min(share or max(words.SPLIT_FOR_NONE, least.share), splitting.MOST)
        if kept != share:
            saying.note(f"validation_split: {share:g} means {kept:g}")
        if kept < least.share:
            words.refuse(
                f"{share:g} leaves {least.edge}, with {least.rows} rows, none of some class: expected from "
                f"{least.share:g} to {splitting.MOST:g}"
            )
        return {"training": {"validation_split": kept}}

    @setting()
    def seed(self, number: int | bool) -> Fields:  # noqa: FBT001 - as it was
        """Decides every random choice; an earlier release took true or false."""
        return {"seed": int(number) if isinstance(number, bool) else number}

    @setting()
    def class_weights(self, weights: str | Mapping[str, float]) -> Fields:
        """What a row of each class counts: by class, or ``balanced``."""
        return {"training": {"class_weights": weights}}

    @setting()
    def training_classes(self, rows: Mapping[str, int]) -> Fields:
        """Class -> how many of its training rows are taken, over all edges; every class is named."""
        return {
            "data": {"rows": {"classes": words.rows_of_classes(rows, self._link.found.total["train"].classes or {})}}
        }

    @setting()
    def training_size(self, rows: int) -> Fields:
        """How many training rows are taken, over all edges, of data without classes."""
        if self._link.data.classes is not None:
            words.refuse(f"{self._link.found.dataset} has classes: say how many of each, with training_classes")
        return {"data": {"rows": {"total": rows}}}

    # How it learns.

    @setting()
    def batch_size(self, rows: int) -> Fields:
        """Rows per step."""
        return {"training": {"batch_size": rows}}

    @setting(without=_OWN)
    def optimizer(self, name: str) -> Fields:
        """What takes the steps."""
        known = words.OPTIMIZERS[self.framework]
        return {"training": {"optimizer": words.one_of(name, {each: each for each in known}, "the optimizer")}}

    @setting()
    def learning_rate(self, rate: Mapping[str, Any]) -> Fields:
        """Its size: ``{"type": "constant", "value": 0.001}``."""
        return {"training": {"learning_rate": words.learning_rate(rate)}}

    @setting(without=_OWN)
    def loss_function(self, loss: Mapping[str, Any]) -> Fields:
        """What is made small: ``{"type": "standard", "value": "crossentropy"}``, or a file, of type ``custom``."""
        kind, value = words.typed(loss, ("standard", "custom"), '{"type": "standard", "value": "crossentropy"}')
        if kind == "standard":
            return {"training": {"loss": words.one_of(value, words.LOSSES[self.category], "the loss")}}
        return {"training": {"loss": {"file": words.file_of_loss(value)}}}

    @setting(without=_STEPLESS)
    def layers_freeze(self, names: Sequence[str]) -> Fields:
        """Layers that stay as they are; a name stands for all of its parameters."""
        if isinstance(names, str):
            words.refuse(f"expected a list of names, found {names!r}")
        return {"training": {"freeze": tuple(f"{name}*" for name in names)}}

    @setting()
    def aggregation_strategy(self, /, name: str, **parameters: float) -> Fields:
        """How updates become the next global model."""
        return {"strategy": words.strategy(name, parameters)}

    # What is watched. Patience counts cycles here: the global model is what is judged.

    @setting()
    def early_stop_callback(self, monitor: str, patience: int) -> Fields:
        """End the training once the global model gets no better."""
        return {"callbacks": {"early_stopping": {"monitor": self._watched(monitor), "patience": patience}}}

    @setting()
    def reduce_lr_callback(self, monitor: str, factor: float, patience: int, min_delta: float = 1e-4) -> Fields:
        """Lower the learning rate whenever the global model gets no better."""
        told = {"factor": factor, "patience": patience, "min_delta": min_delta}
        return {"callbacks": {"reduce_on_plateau": {"monitor": self._watched(monitor), **told}}}

    @setting()
    def model_checkpoint_callback(self, monitor: str, save_best_only: bool) -> Fields:  # noqa: FBT001 - as it was
        """Which global model is the result: the best one, or the last."""
        best = {"keep": "best", "monitor": self._watched(monitor)}
        return {"callbacks": {"checkpoint": best if save_best_only else {"keep": "last"}}}

    @setting()
    def terminate_on_nan_callback(self) -> Fields:
        """Fail at once when an edge's training leads to numbers that are not finite."""
        return {"callbacks": {"terminate_on_nan": True}}

    def _watched(self, monitor: str) -> str:
        found = words.monitor(monitor, self.category)
        saying.note(f"watched is {found} of the global model, once in each cycle; patience counts cycles")
        return found

    # What becomes of columns.

    @setting()
    def scaler(self, name: str) -> Fields:
        """How numbers are scaled."""
        return {"preprocessing": {"scale": words.one_of(name, words.SCALERS, "the scaler")}}

    @setting()
    def normalize_features(self, wanted: bool) -> Fields:  # noqa: FBT001 - as it was
        """Whether numbers are scaled."""
        return {"preprocessing": {"scale": "standard" if wanted else "none"}}

    @setting()
    def handle_missing_values(self, wanted: bool) -> Fields:  # noqa: FBT001 - as it was
        """Whether missing cells are filled in."""
        return {"preprocessing": {"impute": "median" if wanted else "none"}}

    @setting()
    def imputation_strategy(self, name: str) -> Fields:
        """What a missing cell counts as."""
        known = {each: each for each in words.IMPUTATIONS}
        return {"preprocessing": {"impute": words.one_of(name, known, "the imputation")}}

    @setting()
    def encoding_strategy(self, name: str) -> Fields:
        """How words become numbers."""
        return {"preprocessing": {"encode": words.one_of(name, words.ENCODINGS, "the encoding")}}

    @setting()
    def missingness_indicators(self, wanted: bool) -> Fields:  # noqa: FBT001 - as it was
        """Whether a further feature says which cells were missing."""
        return {"preprocessing": {"missing_indicators": wanted}}

    @setting()
    def feature_points(self, number: int) -> Fields:
        """How many numbers the model sees of a row: it follows from the columns, and can only be confirmed."""
        found = len(self._link.data.features)
        if number != found:
            words.refuse(f"the model sees {found} columns of {self._link.found.dataset}, not {number}")
        return {}

    @setting()
    def feature_interaction(self, wanted: Mapping[str, Any]) -> Fields:
        """Make a feature of two columns, or choose columns; calls add up."""
        if not isinstance(wanted, Mapping) or not isinstance(wanted.get("method"), str):
            words.refuse('expected {"feature1": ..., "feature2": ..., "method": "product"}, or a feature_list')
        method = wanted["method"]
        if method in words.NOT_MADE:
            saying.warning(f"feature_interaction has no effect: {method!r} would change rows, which Muster does not do")
            return {}
        names = list(wanted["feature_list"] if "feature_list" in wanted else _two(wanted))
        self._check_columns(names)
        if method in words.CHOSEN:
            field = words.CHOSEN[method]
            return {"data": {field: tuple(dict.fromkeys((*(getattr(self._plan.data, field) or ()), *names)))}}
        made = {"make": words.one_of(method, words.MADE, "the method"), "of": tuple(names)}
        more = {"components": 1, "keep": True} if method == "pca" else {}
        before = [each.model_dump(exclude_unset=True) for each in self._plan.data.derive]
        return {"data": {"derive": tuple(before if {**made, **more} in before else [*before, {**made, **more}])}}

    def _check_columns(self, names: Sequence[Any]) -> None:
        known = [column.name for column in self._link.found.columns]
        if not names or not all(isinstance(name, str) for name in names):
            words.refuse(f"expected names of columns, found {list(names)!r}")
        for name in names:
            if name not in known:
                words.refuse(f"{name!r} is no column of {self._link.found.dataset}; {did_you_mean(name, known)}")

    # Both spellings.

    experimentName = experiment_name
    validationSplit = validation_split
    trainingClasses = training_classes
    trainingSize = training_size
    batchSize = batch_size
    learningRate = learning_rate
    lossFunction = loss_function
    layersFreeze = layers_freeze
    classWeights = class_weights
    earlystopCallback = early_stop_callback
    reducelrCallback = reduce_lr_callback
    modelCheckpointCallback = model_checkpoint_callback
    terminateOnNaNCallback = terminate_on_nan_callback

    # What it says, and what comes of it.

    def get_features(self) -> tuple[str, ...]:
        """Print the columns, and the ways to make features of them; returns the columns that are learnt from."""
        columns = self._link.data.features
        saying.note(f"features: {', '.join(columns)}")
        examples = self._link.found.derivable
        if not examples or len(examples[0].of) < _PAIR:
            saying.note("no features can be made of them: too few hold numbers, or an owner does not permit it")
            return columns
        one, other = examples[0].of[:_PAIR]
        for method in (*words.MADE, *words.CHOSEN):
            example = (
                {"feature_list": [one], "method": method}
                if method in words.CHOSEN
                else {"feature1": one, "feature2": other, "method": method}
            )
            saying.note(f"  plan.feature_interaction({example!r})")
        return columns

    def get_available_methods(self) -> list[str]:
        """Print the setters, and return them."""
        found = [name for name, each in vars(type(self)).items() if hasattr(each, SETTER)]
        saying.note(f"setters for {self.category} with {self.framework}: {', '.join(found)}")
        return found

    def plan(self) -> dict[str, Any]:
        """The plan as it stands, as a mapping."""
        return self._plan.model_dump(mode="json", exclude_unset=True, exclude_none=True)

    def get_training_plan(self) -> None:
        """Print the plan as it stands, in the words of ``muster run``."""
        saying.note(yaml.safe_dump(self.plan(), sort_keys=False).rstrip())

    def reset_training_plan(self) -> None:
        """Go back to the defaults."""
        self._plan, self.refused = self._usual(), {}

    getTrainingPlan = get_training_plan
    resetTrainingPlan = reset_training_plan

    def start(self) -> str:
        """Submit the experiment; returns its id. Progress: ``plan.experiment.follow()``.

        Raises:
            PlanRefused: A setter was refused, or the plan does not fit the data; nothing was sent.
            ModelRefused: The model fails a check with this plan; nothing was sent.
            Invalid: It was started already.
        """
        if self.experiment is not None:
            raise Invalid(
                f"this plan was started, as experiment {self.experiment.id}: link anew for another", code="plan.field"
            )
        if self.refused:
            wrong = "; ".join(f"{name}: {message}" for name, message in self.refused.items())
            saying.refusal("not started, since not all settings can be used; call these again:")
            for name in self.refused:
                saying.refusal(f"  {name}")
            raise PlanRefused(f"the plan was not started: {wrong}", code="plan.field")
        self.experiment = self._federation.start(self._plan)
        saying.note(f"experiment {self.experiment.id} is submitted: 'muster list' tells how it stands")
        saying.note("what it learns can be downloaded once it has ended: muster download ID")
        self.get_training_plan()
        return self.experiment.id

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Settings of tasks that this release does not train: each says so."""
        if name not in words.OF_OTHER_TASKS:
            known = [*self.__class__.__dict__, *words.OF_OTHER_TASKS]
            raise AttributeError(f"a training plan has no {name!r}; {did_you_mean(name, known)}")

        def told(*_: object, **__: object) -> None:
            saying.warning(f"{name} has no effect: it {words.OF_OTHER_TASKS[name]}")

        return told


def _two(wanted: Mapping[str, Any]) -> list[Any]:
    return [wanted.get("feature1"), wanted.get("feature2")]
