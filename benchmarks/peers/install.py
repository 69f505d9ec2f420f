"""Virtual environments for the systems that Muster is measured beside. Safe to repeat: what is there is kept.

Usage: ``python -m benchmarks.peers.install [--cache .bench]``
"""

from __future__ import annotations

import argparse
import email
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

CACHE: Final = Path(__file__).parents[2] / ".bench"
WANTED: Final[Mapping[str, tuple[str, str]]] = {"nvflare": ("nvflare", "2.9.0"), "flower": ("flwr", "1.42.0")}
"""Name -> distribution and version. Another version is another environment."""
_DONE: Final = "installed"


class NotInstalled(Exception):
    """A peer that cannot be installed here; says why."""


def environment(name: str, cache: Path) -> Path:
    """Where the environment of ``name`` is, or will be."""
    return cache / f"{name}-{WANTED[name][1]}"


def installed(name: str, cache: Path) -> Path:
    """The environment of ``name``, made if it is not there.

    Raises:
        NotInstalled: pip failed.
    """
    folder = environment(name, cache)
    if not (folder / _DONE).exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        distribution, version = WANTED[name]
        _install(folder, distribution, version)
        (folder / _DONE).write_text(_run([_python(folder), "-m", "pip", "freeze"]))
    return folder


def _install(folder: Path, distribution: str, version: str) -> None:
    pip = [_python(folder), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    try:
        _run([*pip, f"{distribution}=={version}", "numpy"])
    except NotInstalled:
        # Flower asks for a certifi so new that some registries lack it; what runs here asks no foreign server.
        wheels = folder / "wheels"
        _run(
            [
                _python(folder),
                "-m",
                "pip",
                "download",
                "-q",
                "--no-deps",
                "-d",
                str(wheels),
                f"{distribution}=={version}",
            ]
        )
        wheel = next(wheels.glob("*.whl"), None)
        if wheel is None or not any(need.startswith("certifi") for need in _needs(wheel)):
            raise
        _run([*pip, *("certifi" if need.startswith("certifi") else need for need in _needs(wheel)), "numpy"])
        _run([*pip, "--no-deps", str(wheel)])


def _needs(wheel: Path) -> list[str]:
    """What a wheel requires, without extras."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
    return [need for need in metadata.get_all("Requires-Dist") or [] if "extra ==" not in need]


def _python(folder: Path) -> str:
    return str(folder / "bin" / "python")


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-3:]
        raise NotInstalled(f"{' '.join(command[:6])} ... ended with {done.returncode}: {' / '.join(last)}")
    return done.stdout


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=CACHE)
    cache = parser.parse_args().cache
    for peer in WANTED:
        try:
            print(f"{peer}: {installed(peer, cache)}")
        except NotInstalled as reason:
            print(f"{peer}: not installed: {reason}")
