"""Errors M44..: the Python SDK."""

from __future__ import annotations

from typing import Final

from muster.errors.entry import Area, Entry, Who

AREA: Final = Area(
    "The Python SDK",
    (
        Entry(
            4401,
            "sdk.closed",
            ("invalid",),
            Who.CALLER,
            "Something was asked of a connection that is closed.",
            "The 'with' block is over, or 'close' was called; what came of the connection ended with it.",
            "connect again, and attach to the experiment with 'experiment(id)'",
        ),
        Entry(
            4402,
            "sdk.wait",
            ("timeout",),
            Who.CALLER,
            "An experiment had not ended when the time to wait for it was over.",
            "It takes longer, or waits for edges. It goes on all the same.",
            "wait longer, or see what it waits for",
            ("muster list", "muster explain ID"),
        ),
        Entry(
            4403,
            "sdk.library",
            ("configuration",),
            Who.CALLER,
            "A library is missing that only notebooks need.",
            "Tables need pandas and figures matplotlib, which come with an extra of their own.",
            "install what the message names",
            ("pip install 'muster-fl[notebook]'",),
        ),
        Entry(
            4404,
            "profile.missing",
            ("not_found",),
            Who.CALLER,
            "There is no profile of that name.",
            "A spelling mistake, or another file of profiles than expected: MUSTER_PROFILES names one.",
            "correct the name, or add the profile to the file that the message names",
        ),
        Entry(
            4405,
            "profile.invalid",
            ("configuration",),
            Who.CALLER,
            "It is not clear from a profile or the environment to which federation to connect, or as whom.",
            "The file is not TOML, a field is missing or unknown, or two ways were named at once.",
            "correct what the message names; docs/how-to/use-from-python.md has an example",
        ),
        Entry(
            4406,
            "plan.unwritten",
            ("invalid",),
            Who.CALLER,
            "A plan could not be written to a file.",
            "The directory does not permit it, or the disk is full.",
            "name another file",
        ),
        Entry(
            4407,
            "sdk.unrecorded",
            ("not_found",),
            Who.CALLER,
            "A figure was asked for of something that the experiment has not recorded.",
            "No cycle has ended yet, the metric has another name, or no rows are kept for validation.",
            "take a name that the message gives, or set training.validation_split in the plan",
        ),
    ),
)
