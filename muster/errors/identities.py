"""Errors M32..: keys and principals."""

from __future__ import annotations

from typing import Final

from muster.errors.entry import Area, Entry, Who

AREA: Final = Area(
    "Keys and principals",
    (
        Entry(
            3201,
            "identity.missing",
            ("configuration",),
            Who.OPERATOR,
            "There are no keys where they are expected.",
            "The federation was never set up, or the directory was moved.",
            "start the federation, or restore its keys from a copy",
            ("muster up DIR",),
        ),
        Entry(
            3202,
            "identity.damaged",
            ("configuration",),
            Who.OPERATOR,
            "The file with the keys cannot be read.",
            "It was cut or edited, or this user lacks the rights.",
            "restore it from a copy",
        ),
        Entry(
            3203,
            "anchor.damaged",
            ("configuration",),
            Who.CALLER,
            "The operator's public keys cannot be read.",
            "anchor.json was cut or edited.",
            "copy it anew from the operator",
        ),
        Entry(
            3204,
            "key.length",
            ("invalid",),
            Who.OPERATOR,
            "A sealing key has the wrong length.",
            "A key of another algorithm, or one that was cut.",
            "register the principal's key again",
        ),
        Entry(
            3205,
            "principal.unknown",
            ("not_found",),
            Who.OPERATOR,
            "A principal or its key is not registered.",
            "It was not set up in this federation, or its key was replaced by something else than 'muster up'.",
            "start the federation: it registers who is not",
            ("muster doctor",),
        ),
        Entry(
            3206,
            "principal.choice",
            ("invalid",),
            Who.CALLER,
            "It is not clear whom the command speaks for.",
            "There are several vendors, or none of that name.",
            "say as whom with --as",
        ),
    ),
)
