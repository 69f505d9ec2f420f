"""A model of several files: a flat zip, refused while it is read if anything about it is odd.

What is read stays in memory, within bounds that hold whatever the archive says about itself. Nothing is ever written
under a name that it chose, unless that name is a plain word.
"""

from __future__ import annotations

import io
import re
import stat
import struct
import sys
import zipfile
import zlib
from typing import Final

from training.errors import TrainingError, model_error

MAX_ARCHIVE_BYTES: Final = 16 * 1024 * 1024
MAX_TOTAL_BYTES: Final = 32 * 1024 * 1024
MAX_FILES: Final = 64
MAX_RATIO: Final = 200
"""Largest ratio of a file's size to what it takes in the archive; deflate can do 1032."""
MAX_NAME: Final = 64
PYTHON: Final = ".py"
WEIGHTS: Final = "_weights.safetensors"

_MAGIC: Final = b"PK\x03\x04"
_END: Final = struct.Struct("<4s4H2LH")
"""End of central directory (APPNOTE.TXT 4.3.16): magic, disks, entries, size and place of the directory, comment."""
_MAX_DIRECTORY_BYTES: Final = MAX_FILES * 1024
_ONLY_WHEN_LARGER: Final = 64 * 1024
"""Files smaller than this may be as repetitive as they like."""
_NAME: Final = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9_.-]{{0,{MAX_NAME - 1}}}", re.ASCII)
_MODULE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\.py", re.ASCII)
_ENCRYPTED: Final = 0x1 | 0x40 | 0x2000
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
PICKLES: Final = (".pkl", ".pickle", ".pth", ".pt", ".bin", ".joblib", ".npy", ".npz", ".h5", ".keras")
_TAKEN: Final = sys.stdlib_module_names | {"training", "vendor_model", "vendor_loss"}


def is_archive(data: bytes) -> bool:
    """Whether this is a zip, rather than Python, which cannot begin like that."""
    return data.startswith(b"PK")


def read_archive(data: bytes, name: str) -> dict[str, bytes]:
    """The files of a model archive, by name; what file managers add is left out.

    Args:
        data: The archive.
        name: How to call it in errors.

    Raises:
        TrainingError: It is no flat, bounded, plain zip of Python files and weights.
    """
    _check_frame(data, name)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            chosen = _chosen(archive, name)
            return _contents(archive, chosen, name)
    except (zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, RuntimeError, ValueError, OSError) as e:
        raise _broken(name, f"it is damaged: {str(e)[:120]}") from e


def added(data: bytes, file: str, content: bytes) -> bytes:
    """An archive with a file more, behind the others; the same bytes each time.

    Args:
        data: An archive; no bytes for an empty one.
        file: Its name.
        content: What is in it.
    """
    buffer = io.BytesIO(data)
    info = zipfile.ZipInfo(file)
    # Otherwise it depends on the system.
    info.create_system = 3
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(info, content)
    return buffer.getvalue()


def _check_frame(data: bytes, name: str) -> None:
    """Check beginning, end and directory before a library goes through them."""
    if len(data) > MAX_ARCHIVE_BYTES:
        raise _size(name, f"it has {len(data)} bytes; at most {MAX_ARCHIVE_BYTES} are allowed")
    if not data.startswith(_MAGIC):
        raise _broken(name, "it does not begin with a file")
    magic, _, _, _, entries, size, _, comment = _END.unpack(data[-_END.size :].rjust(_END.size, b"\0"))
    if magic != b"PK\x05\x06" or comment:
        raise _broken(name, "it does not end with its directory: it was cut off, or something was put behind it")
    if entries > MAX_FILES or size > _MAX_DIRECTORY_BYTES:
        raise _size(name, f"it has {entries} files; at most {MAX_FILES} are allowed")


def _chosen(archive: zipfile.ZipFile, name: str) -> list[zipfile.ZipInfo]:
    """The files that count, none of which is odd."""
    infos = [info for info in archive.infolist() if not _is_junk(info.orig_filename)]
    if len(infos) > MAX_FILES:
        raise _size(name, f"it has {len(infos)} files; at most {MAX_FILES} are allowed")
    seen: dict[str, str] = {}
    for info in infos:
        _check_name(info.orig_filename, name)
        _check_info(info, name)
        folded = info.filename.casefold()
        if folded in seen:
            raise model_error(
                "archive.duplicate",
                f"{name} holds {seen[folded]!r} and {info.filename!r}: names must differ in more than capitals",
            )
        seen[folded] = info.filename
    return infos


def _is_junk(name: str) -> bool:
    return name.startswith("__MACOSX/") or name.rpartition("/")[2] in {".DS_Store", "Thumbs.db", "desktop.ini"}


def _check_name(found: str, name: str) -> None:
    shown = repr(found[:80])
    parts = re.split(r"[/\\]", found)
    if ".." in parts or parts[0] == "" or re.match(r"[A-Za-z]:", found):
        raise model_error("archive.path", f"{name} holds {shown}, which leads out of its folder: use plain names")
    if len(parts) > 1:
        raise model_error("archive.folder", f"{name} holds {shown}: put all files side by side, without folders")
    if not _NAME.fullmatch(found):
        raise _name(name, f"{shown}: expected up to {MAX_NAME} letters, digits, '_', '-' and '.'")
    if found.endswith(PICKLES):
        raise model_error("pretrained.format", f"{name} holds {shown}: {SAFETENSORS_ONLY}")
    if found.endswith(WEIGHTS):
        return
    if not _MODULE.fullmatch(found):
        raise _name(name, f"{shown}: expected Python files that can be imported, and <model>{WEIGHTS}")
    if found.removesuffix(PYTHON) in _TAKEN:
        raise _name(name, f"{shown}, and Python has a module of that name already: rename the file")


def _check_info(info: zipfile.ZipInfo, name: str) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in {0, stat.S_IFREG}:
        what = "a link" if kind == stat.S_IFLNK else "no regular file"
        raise model_error("archive.link", f"{name} holds {info.filename!r}, which is {what}: put the file itself in")
    if info.flag_bits & _ENCRYPTED:
        raise model_error("archive.encrypted", f"{name} is encrypted: make it without a password")
    if info.compress_type not in _METHODS:
        raise _broken(name, f"{info.filename!r} is compressed in another way than stored or deflated")


def _contents(archive: zipfile.ZipFile, infos: list[zipfile.ZipInfo], name: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    left = MAX_TOTAL_BYTES
    for info in infos:
        allowed = min(left, max(_ONLY_WHEN_LARGER, MAX_RATIO * info.compress_size))
        with archive.open(info) as file:
            # A byte more than is allowed tells; what the directory says about sizes is not asked.
            data = file.read(allowed + 1)
        if len(data) > allowed < left:
            raise model_error(
                "archive.bomb",
                f"{name} holds {info.filename!r}, which grows to more than {MAX_RATIO} times its size: nothing that "
                "anybody wrote does",
            )
        if len(data) > allowed:
            raise _size(name, f"its files have more than {MAX_TOTAL_BYTES} bytes together")
        found[info.filename] = data
        left -= len(data)
    return found


SAFETENSORS_ONLY: Final = (
    "weights are read from safetensors files only, since other formats can run code; convert them, e.g. with "
    "safetensors.torch.save_file(torch.load(FILE, weights_only=True), NEW_FILE) or safetensors.numpy.save_file"
)


def _broken(name: str, problem: str) -> TrainingError:
    return model_error("archive.format", f"{name} is no usable zip: {problem}")


def _size(name: str, problem: str) -> TrainingError:
    return model_error("archive.size", f"{name} is too large: {problem}")


def _name(name: str, problem: str) -> TrainingError:
    return model_error("archive.name", f"{name} holds {problem}")
