"""The S3-compatible store of a federation: from what the operator names to one key per principal."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import TypeAdapter, ValidationError

from bus.errors import Configuration, Invalid
from bus.ports import BlobStore
from bus.s3.settings import Credential, S3Place
from muster.federation.layout import OPERATOR, Description, Layout

_log = logging.getLogger(__name__)

_EVERYBODY: Final = "*"
_KEYS: Final = TypeAdapter(dict[str, Credential])
_NEEDED_BY: Final = (OPERATOR, "aggregator")
_FORM: Final = "expected https://HOST[:PORT]/BUCKET[?region=NAME][&from_bytes=SIZE]"


@dataclass(frozen=True)
class Store:
    """What the operator says about the store.

    Attributes:
        place: Where it is.
        keys: Principal -> its key there; ``*`` for everybody who is not named.
        ca: Certificates to trust there besides those of the system.
    """

    place: S3Place
    keys: dict[str, Credential]
    ca: Path | None = None

    @classmethod
    def read(cls, url: str, keys: Path, ca: Path | None = None) -> Self:
        """From a URL with the bucket as its path, and a JSON file of keys.

        Raises:
            Invalid: The URL has another form.
            Configuration: The file cannot be read, or says something else.
        """
        parts = urlsplit(url)
        try:
            place = S3Place.model_validate(
                {
                    "endpoint": f"{parts.scheme}://{parts.netloc}",
                    "bucket": parts.path.strip("/"),
                    **dict(parse_qsl(parts.query, strict_parsing=bool(parts.query))),
                }
            )
        except ValueError:
            raise Invalid(f"the S3 store is not named in a form that is understood: {_FORM}", code="s3.url") from None
        try:
            return cls(place, _KEYS.validate_json(keys.read_bytes()), None if ca is None else ca.resolve())
        except OSError as error:
            raise Configuration(
                f"the file of S3 keys {keys} cannot be read: {error.strerror}", code="s3.keys"
            ) from error
        except ValidationError:
            # Its cause would show the keys.
            raise Configuration(
                f"the file of S3 keys {keys} is not usable: expected a JSON object of principals, or '*' for all, each "
                'with {"access_key_id": ..., "secret_access_key": ...}',
                code="s3.keys",
            ) from None

    def given_to(self, layout: Layout, description: Description) -> Description:
        """Write the key of each principal beside its other keys; returns the description with the store in it.

        Raises:
            Configuration: Somebody who cannot work without has none.
        """
        without = []
        for name in description.principals:
            found = self.keys.get(name) or self.keys.get(_EVERYBODY)
            if found is not None:
                found.save(layout.s3_credential(name))
            elif name in (*_NEEDED_BY, *description.edges, *description.vendors):
                without.append(name)
        if without:
            raise Configuration(
                f"no S3 key for {', '.join(without)}: name each in the file of keys, or give one for '*'",
                code="s3.keys",
            )
        return description.model_copy(update={"s3": self.place, "s3_ca": self.ca})


async def first_write_stays(blobs: BlobStore) -> bool:
    """Whether a store refuses to replace what is there; tried with an object that is removed again.

    Raises:
        Denied: The credential may not write or delete.
        Unavailable: The store is away.
        Configuration: There is no such bucket.
    """
    subject = f"w.federation.{OPERATOR}.probe.{secrets.token_hex(8)}"
    await blobs.put(subject, b"first")
    await blobs.put(subject, b"second")
    try:
        return await blobs.get(subject) == b"first"
    finally:
        await blobs.delete(subject)
