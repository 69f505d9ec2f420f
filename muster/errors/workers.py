"""Errors M13..: workers and their limits."""

from __future__ import annotations

from typing import Final

from muster.errors.entry import Area, Entry, Who

AREA: Final = Area(
    "Workers and their limits",
    (
        Entry(
            1301,
            "resource.memory",
            ("resource",),
            Who.VENDOR,
            "The worker reached its limit on memory.",
            "A batch or a model that is too large for limits.memory_bytes.",
            "raise limits.memory_bytes; the owner's limit may be lower",
        ),
        Entry(
            1302,
            "resource.cpu",
            ("resource",),
            Who.VENDOR,
            "The worker used up its CPU time.",
            "More rows or epochs per cycle than limits.cpu_s has room for, or a loop without end.",
            "raise limits.cpu_s, or train fewer epochs per cycle; the owner's limit may be lower",
        ),
        Entry(
            1303,
            "resource.wall",
            ("resource",),
            Who.VENDOR,
            "The worker took longer than it may.",
            "Too much work for limits.wall_s, a machine under load, or code that waits for something.",
            "raise limits.wall_s, or train fewer epochs per cycle; the owner's limit may be lower",
        ),
        Entry(
            1304,
            "resource.disk",
            ("resource",),
            Who.VENDOR,
            "The worker wrote more to its disk than it may.",
            "Weights or temporary files beyond limits.disk_bytes.",
            "raise limits.disk_bytes, or write less; the owner's limit may be lower",
        ),
        Entry(
            1305,
            "resource.killed",
            ("resource",),
            Who.OWNER,
            "The system killed the worker; it is tried again.",
            "The machine ran out of memory: all workers and the daemon share it.",
            "give the edge more memory, or lower 'workers' in its settings",
        ),
        Entry(
            1306,
            "resource.system",
            ("resource",),
            Who.OWNER,
            "A system call of the worker failed.",
            "A limit on processes or open files, or a path that is not there within the walls.",
            "see the worker's limits on processes and files",
        ),
        Entry(
            1307,
            "worker.config",
            ("infra",),
            Who.OPERATOR,
            "The worker cannot read the configuration that the daemon wrote for it.",
            "Coordinator and edge have releases that do not fit together.",
            "bring the edge to the coordinator's release",
            ("muster edges",),
        ),
        Entry(
            1308,
            "worker.crashed",
            ("model",),
            Who.VENDOR,
            "The worker ended without giving a reason.",
            "The model's code ended the process or crashed the interpreter, often in native code.",
            "run the model file on made-up rows here: 'muster run' does so before it submits",
        ),
        Entry(
            1309,
            "worker.weights",
            ("model",),
            Who.OPERATOR,
            "The task needs weights, and none came with the command.",
            "A coordinator of another release, or one that lost part of the log.",
            "bring edge and coordinator to one release; then report it if it comes again",
        ),
        Entry(
            1310,
            "worker.other",
            ("model",),
            Who.VENDOR,
            "The worker gave a reason that the edge does not know, so its code was not passed on.",
            (
                "The model's code raised an error in Muster's words with a code of its own, or the edge is older than "
                "its framework plug-in."
            ),
            "raise ordinary exceptions in the model's code; the message says what it was",
        ),
        Entry(
            1311,
            "edge.failed",
            ("infra",),
            Who.OWNER,
            "The daemon met something that it did not expect; the job is tried again.",
            "A full disk, a fault in the daemon, or a store in a state that was not thought of.",
            "see the edge's log; the daemon met something that it did not expect",
        ),
        Entry(
            1312,
            "edge.isolation",
            ("configuration",),
            Who.OWNER,
            "The settings demand an isolation of workers that does not work on this machine.",
            "bubblewrap is not installed, or the kernel forbids user namespaces.",
            "install bubblewrap, or leave 'isolation' out of the edge's settings and take less",
        ),
        Entry(
            1313,
            "seal.recipient",
            ("not_found",),
            Who.VENDOR,
            "The model file or the weights are not sealed for this edge, or are no longer kept.",
            "The edge holds the dataset only since after the submission, or the experiment is older than what is kept.",
            "submit again: the edge holds the dataset only since after the submission",
        ),
        Entry(
            1314,
            "edge.disk",
            ("unavailable", "infra"),
            Who.OWNER,
            (
                "The edge's disk is full. The daemon waits and goes on by itself once there is room; at the deadline "
                "it says that it failed."
            ),
            "Logs, other programs, or datasets that have grown.",
            "free space on the disk that the message names",
        ),
        Entry(
            1315,
            "edge.store",
            ("unavailable",),
            Who.OWNER,
            "The daemon cannot use the file in which it keeps its jobs.",
            "A full disk, or a folder that it may not write to.",
            "free space, and see that the daemon's user may write there",
        ),
        Entry(
            1316,
            "worker.state",
            ("infra",),
            Who.OWNER,
            "What the edge kept of its last update belongs to a model of another form.",
            "The folder 'kept' of the edge's data was filled or changed by somebody else.",
            "stop the edge and remove 'kept' in its data folder: it begins its control variates anew",
        ),
    ),
)
