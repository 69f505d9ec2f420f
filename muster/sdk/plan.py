"""The plan as users of the SDK have it: the one of YAML files, with errors of the SDK, changed by copies."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ModelWrapValidatorHandler, ValidationError, model_validator

from muster.sdk.errors import PlanRefused, refused_as
from training import plan
from training.losses import LossFile


class Plan(plan.Plan):
    """What to train, on what, and how; see ``docs/reference/plan.md`` for all fields.

    Made by ``Link.plan``, by ``Plan.load``, or field by field. It cannot be changed; ``with_`` makes another one, and
    says at once what is wrong with it.

    Raises:
        PlanRefused: A field is unknown, missing or has an impossible value; every one of them is named.
    """

    @model_validator(mode="wrap")
    @classmethod
    def _told(cls, content: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:  # noqa: ANN401 - not read yet
        try:
            return handler(content)
        except ValidationError as error:
            raise PlanRefused(f"the plan cannot be used: {plan.problems_of(error)}", code="plan.field") from error

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """The plan in a YAML file; the paths in it, which are relative to the file, become absolute.

        Raises:
            PlanRefused: It cannot be read, is not YAML, or says something wrong; every wrong field is named.
        """
        file = Path(path).expanduser()
        with refused_as(PlanRefused):
            found = plan.Plan.load(file)  # whose errors name the file
        folder = file.resolve().parent
        said: dict[str, Any] = {name: getattr(found, name) for name in found.model_fields_set}
        placed = {name: (folder / said[name]).resolve() for name in ("model", "weights") if said.get(name) is not None}
        if (loss := found.training.own_loss) is not None:
            own = LossFile(file=str((folder / loss.file).resolve()))
            said["training"] = found.training.model_copy(update={"loss": own})
        return cls.model_validate({**said, **placed})

    def with_(self, **changes: Any) -> Self:  # noqa: ANN401 - values of fields
        """The same plan with other values.

        Args:
            **changes: Field -> value. Of a section, such as ``training={"epochs": 3}``, the fields that are named
                change and the others stay; a ``strategy`` of another name begins with its own defaults.

        Raises:
            PlanRefused: A field is unknown or a value impossible; the plan itself is as it was.
        """
        said: dict[str, Any] = self.model_dump(exclude_unset=True)
        for name, value in changes.items():
            given = value.model_dump(exclude_unset=True) if isinstance(value, BaseModel) else value
            # What another strategy was told means nothing to this one.
            anew = (
                name == "strategy" and isinstance(given, dict) and given.get("name") not in {None, self.strategy.name}
            )
            before = {} if anew else said.get(name)
            said[name] = {**before, **given} if isinstance(given, dict) and isinstance(before, dict) else given
        return type(self).model_validate(said)

    def save(self, path: Path | str) -> Path:
        """Write it as YAML, for ``muster run`` and ``Plan.load``; paths are relative to the file.

        Raises:
            PlanRefused: The file cannot be written.
        """
        file = Path(path).expanduser()
        content = self.model_dump(mode="json", exclude_defaults=True)
        holders = [(content, "model"), (content, "weights")]
        if self.training.own_loss is not None:
            holders.append((content["training"]["loss"], "file"))
        for holder, name in holders:
            if name in holder:
                holder[name] = os.path.relpath(Path(holder[name]).resolve(), file.resolve().parent)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
        except OSError as error:
            raise PlanRefused(
                f"the plan cannot be written to {file}: {error.strerror}", code="plan.unwritten"
            ) from error
        return file

    def __setattr__(self, name: str, value: object) -> None:
        raise PlanRefused(f"a plan is not changed in place: take plan.with_({name}=...) instead", code="plan.field")

    def __str__(self) -> str:
        content = self.model_dump(mode="json", exclude_defaults=True)
        return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True)).rstrip()
