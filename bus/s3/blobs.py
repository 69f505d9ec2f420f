"""Sealed chunks as objects of an S3-compatible store, one each.

Eight chunks in one object were measured too: neither faster nor cheaper, and what is cut off begins further back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import S3Store

from bus.errors import Integrity, Invalid
from bus.s3.failures import translated
from bus.s3.keys import key, prefix, subject
from bus.s3.settings import Credential, S3Settings
from bus.wire.subjects import matches
from bus.wire.topology import MIB

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

_CONNECT_S: Final = 5
_REQUEST_S: Final = 30
_RETRIES: Final = 4
_RETRY_S: Final = 15
_BATCH: Final = 1000


class S3Blobs:
    """See ``bus.ports.BlobStore``. Callers keep several calls in flight.

    Args:
        settings: Where the store is.
        credential: The principal's key there.
        retry_s: For how long a request that failed is tried again, with growing pauses, before ``Unavailable``.
        request_s: How long one request may take.
    """

    def __init__(
        self,
        settings: S3Settings,
        credential: Credential,
        *,
        retry_s: float = _RETRY_S,
        request_s: float = _REQUEST_S,
    ) -> None:
        self._where = f"{settings.endpoint}/{settings.bucket}"
        client: ClientConfig = {
            "timeout": timedelta(seconds=request_s),
            "connect_timeout": timedelta(seconds=_CONNECT_S),
            "allow_http": settings.endpoint.startswith("http://"),
        }
        if settings.ca is not None:
            client["root_certificate"] = settings.ca.read_bytes()
        retry: RetryConfig = {
            "max_retries": _RETRIES,
            "retry_timeout": timedelta(seconds=retry_s),
            "backoff": {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=2), "base": 2},
        }
        self._store = S3Store(
            settings.bucket,
            endpoint=settings.endpoint,
            region=settings.region,
            access_key_id=credential.access_key_id.get_secret_value(),
            secret_access_key=credential.secret_access_key.get_secret_value(),
            virtual_hosted_style_request=False,
            client_options=client,
            retry_config=retry,
        )

    async def put(self, subject: str, data: bytes | memoryview) -> None:
        """Store ``data`` unless the subject is already written."""
        if len(data) > MIB:
            raise Invalid(f"{len(data)} bytes are too large for {subject!r}: a chunk has at most {MIB}", code="s3.size")
        with self._translated(f"store {subject!r}"):
            try:
                # If-None-Match: *; a store that does not know it replaces a chunk by the same bytes.
                await obstore.put_async(self._store, key(subject), data, mode="create", use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                return

    async def get(self, subject: str) -> bytes:
        """What was stored under ``subject``."""
        with self._translated(f"read {subject!r}"):
            found = await obstore.get_async(self._store, key(subject))
            if found.meta["size"] > MIB:
                # Whatever a store makes of a chunk, it shall not fill the reader's memory.
                raise Integrity(
                    f"{subject!r} has {found.meta['size']} bytes in the S3 store {self._where}; a sealed chunk has at "
                    f"most {MIB}: somebody else wrote there",
                    code="s3.oversize",
                )
            return bytes(await found.bytes_async())

    async def subjects(self, filter_: str) -> frozenset[str]:
        """What is stored under ``filter_``."""
        found: set[str] = set()
        with self._translated(f"list {filter_!r}"):
            async for page in obstore.list(self._store, prefix=prefix(filter_)):
                found.update(name for entry in page if (name := subject(entry["path"])) and matches(filter_, name))
        return frozenset(found)

    async def delete(self, filter_: str) -> int:
        """Forget everything under ``filter_``."""
        keys = [key(name) for name in sorted(await self.subjects(filter_))]
        with self._translated(f"delete {filter_!r}"):
            for start in range(0, len(keys), _BATCH):
                await obstore.delete_async(self._store, keys[start : start + _BATCH])
        return len(keys)

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError) as error:
            # Without its cause: the library's text repeats the store's answer, and with it parts of a signature.
            raise translated(error, what, self._where) from None
