"""The library's errors in ours. What the store said beyond its code is left out: it may repeat parts of a signature."""

from __future__ import annotations

import re
from typing import Final

from obstore.exceptions import (
    BaseError,
    InvalidPathError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
)

from bus.errors import Configuration, Denied, Invalid, MusterError, NotFound, Timeout, Unavailable

_CODE: Final = re.compile(r"<Code>(\w{1,60})</Code>")
_STATUS: Final = re.compile(r"status code: (\d{3})")
_INTERNALS: Final = "\n\nDebug source"
_DENIED: Final = frozenset({"401", "403"})
_FULL: Final = re.compile(
    r"status code: 507|InsufficientStorage|StorageFull|QuotaExceeded|no (free|writable) volumes|No space left",
    re.IGNORECASE,
)
_LATE: Final = re.compile(r"\bkind: Timeout\b|\bTimedOut\b")
"""Only the library's own account of the request tells."""


def translated(error: BaseError | OSError, what: str, where: str) -> MusterError:
    """What a failure of the store means.

    Args:
        error: From the library; what is missing, it tells with the language's own errors.
        what: Was tried, e.g. ``store 'w.a.b'``.
        where: Address and bucket.
    """
    text, _, internals = str(error).partition(_INTERNALS)
    code, status = _CODE.search(text), _STATUS.search(text)
    told = code[1] if code else f"status {status[1]}" if status else "no answer"
    if told == "NoSuchBucket":
        return Configuration(
            f"the S3 store {where} has no such bucket: create it, or correct the name in the settings", code="s3.bucket"
        )
    if isinstance(error, NotFoundError | FileNotFoundError):
        return NotFound(f"nothing is there to {what} in the S3 store {where}", code="blob.missing")
    if isinstance(error, PermissionDeniedError | UnauthenticatedError) or (status and status[1] in _DENIED):
        return Denied(
            f"the S3 store {where} does not let this principal {what} ({told}): check its key and the policy that "
            "goes with it",
            code="s3.denied",
        )
    if isinstance(error, InvalidPathError):
        return Invalid(f"the S3 store {where} cannot {what}: the key has a form that it does not take", code="s3.key")
    if _FULL.search(text):
        return Unavailable(
            f"the S3 store {where} is full: nothing more can be stored until there is room", code="s3.full"
        )
    if _LATE.search(internals):
        return Timeout(f"no answer from the S3 store {where} in time to {what}: try again", code="s3.timeout")
    return Unavailable(
        f"the S3 store {where} cannot {what} at present ({told}): check its address and whether it runs; it is tried "
        "again",
        code="s3.away",
    )
