"""The older SDK's way in: a user who uploads a model and links it to a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from bus.errors import Invalid, NotFound
from muster.compat import saying
from muster.compat.plan import TrainingPlan
from muster.sdk.blocking import Federation
from muster.sdk.model import Model
from training.contract.archive import WEIGHTS

_HERE: Final = ("", "local")
_FILES: Final = (".py", ".zip")
_HELP: Final = """\
user.upload_model("model", weights=False)      reads model.py or model.zip and puts it through eight checks
plan = user.link_model_dataset("dataset")      holds it to a dataset
plan.get_available_methods()                   what can be set
plan.start()                                   submits the experiment; plan.experiment.follow() waits for it
user.get_experiment_status(id)                 how it stands
user.logout(), user.login()                    disconnects, connects
The SDK beneath: muster.Federation, docs/how-to/use-from-python.md"""


class User:
    """A connection to a federation, and the model that was uploaded last.

    Args:
        environment: Name of a profile, see ``muster.sdk.profiles``; without it, and for ``local``, the federation that
            the command line means.
        username: Has no meaning here: keys say who somebody is.
        password: Has no meaning here either.
        stage: Another name for ``environment``.

    Raises:
        NotFound: There is no such profile, or no federation is meant.
        Unavailable: The federation does not run, or cannot be reached.
    """

    def __init__(
        self,
        environment: str | None = None,
        username: str | None = None,
        password: str | None = None,
        *,
        stage: str | None = None,
    ) -> None:
        self._profile = environment if environment is not None else stage
        self._model: Model | None = None
        if username is not None or password is not None:
            saying.warning("user names and passwords have no effect: the keys of the profile say who connects")
        self.login()

    def login(self) -> None:
        """Connect, by the keys of the profile. Raises as ``User``."""
        profile = None if self._profile in {None, *_HERE} else self._profile
        self._federation = Federation.connect(profile=profile)
        saying.note(f"connected as {self._federation.principal}")

    def logout(self) -> None:
        """Disconnect. Experiments go on."""
        self._federation.close()
        saying.note("disconnected")

    def help(self) -> None:
        """Print what there is."""
        saying.note(_HELP)

    def upload_model(self, name: str, weights: bool = False, tokenizer: Any = None) -> Model:  # noqa: ANN401, FBT001, FBT002 - as it was
        """Read a model and put it through the eight checks; nothing leaves this machine before a plan is started.

        Args:
            name: Of the file, with its path; ``.py`` or ``.zip`` may be left out.
            weights: Whether it begins with ``<name>_weights.safetensors`` beside it.
            tokenizer: Has no meaning for tables.

        Raises:
            Invalid: There are no weights beside it.
            ModelRefused: The file is missing or wrong, or fails a check; the message says which, and what to do.
        """
        if tokenizer is not None:
            saying.warning("tokenizer has no effect: it is for texts, and this release trains on tables")
        path = _found(name)
        beside = path.with_name(f"{path.stem}{WEIGHTS}")
        if weights and not beside.exists():
            raise Invalid(
                f"there is no {beside.name} beside {path.name}: weights are a safetensors file of that name, see "
                "docs/how-to/write-a-model.md",
                code="pretrained.missing",
            )
        if beside.exists() and not weights:
            saying.warning(f"{beside.name} lies beside the model, which begins with it: move it away if it shall not")
        self._model = self._federation.upload(path)
        saying.note(f"{path.name} passes the eight checks")
        return self._model

    def link_model_dataset(self, dataset: str) -> TrainingPlan:
        """Hold the model that was uploaded to a dataset; prints what fits, and returns a plan with the usual settings.

        Raises:
            Invalid: No model was uploaded.
            NotFound: Nobody registered the dataset; the nearest name is told.
            LinkRefused: It does not fit; every mismatch is named.
        """
        if self._model is None:
            raise Invalid("there is no model to link: call upload_model first", code="model.missing")
        link = self._federation.link(self._model, dataset)
        saying.note(repr(link))
        return TrainingPlan(self._federation, link)

    def get_experiment_status(self, key: str) -> dict[str, str | None] | None:
        """How an experiment stands; ``None`` if there is none of that id."""
        try:
            status = self._federation.experiment(key).status
        except NotFound:
            return None
        failure = status.failure or {}
        return {
            "experiment_key": status.id,
            "status": status.state,
            "status_display": f"{status.state}, {status.cycles_done} of {status.cycles} cycles",
            "category": failure.get("category"),
            "reason": failure.get("message"),
        }

    uploadModel = upload_model
    linkModelDataset = link_model_dataset


def _found(name: str) -> Path:
    path = Path(name)
    tried = [path, *(path.with_name(path.name + suffix) for suffix in _FILES)]
    return next((each for each in tried if each.is_file()), path)
