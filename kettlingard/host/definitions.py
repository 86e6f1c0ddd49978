"""Reads the texts of services.d. What they mean is decided in core.parse."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from kettlingard.errors import PathError

from .files import read_small

MAX_SIZE = 1024 * 1024  # bytes of a definition
SUFFIX = ".toml"
DROPINS = SUFFIX + ".d"


class DefinitionFile(Struct, frozen=True):
    """One file NAME.toml: its text, or why there is none."""

    name: str  # of the service: the file's, without .toml
    path: Path  # absolute
    text: str | None = None
    problem: str = ""  # a sentence; then text is None
    line: int = 0  # where, if the problem has a place
    dropins: tuple[DefinitionFile, ...] = ()  # NAME.toml.d/*.toml, in the order they are laid over


class FolderProblem(Struct, frozen=True):
    """A folder of definitions that cannot be used."""

    path: Path
    problem: str


def ignored(name: str) -> bool:
    """Is this file none of ours: an editor's, a backup, switched off?"""
    return name.startswith((".", "_")) or not name.endswith(SUFFIX)


def read_definitions(
    folders: Iterable[Path],
) -> tuple[dict[str, DefinitionFile], list[FolderProblem]]:
    """Read all definitions by service name; a later folder's file replaces an earlier one's.

    A file that cannot be used stands for itself with its problem; a folder that is
    not there is an empty one. Drop-ins of all folders count, whichever has the definition.
    """
    found: dict[str, DefinitionFile] = {}
    over: dict[str, dict[str, DefinitionFile]] = {}
    problems: list[FolderProblem] = []
    for folder in folders:
        names, problem = _listed(folder)
        if problem:
            problems.append(FolderProblem(folder, problem))
        for name in names:
            if name.endswith(DROPINS) and not ignored(name.removesuffix(".d")):
                problems += _read_dropins(folder.absolute() / name, over)
            elif not ignored(name):
                one = read_definition(folder.absolute() / name)
                found[one.name] = one
    for service, files in over.items():
        if service in found:
            dropins = tuple(files[name] for name in sorted(files))
            found[service] = replace(found[service], dropins=dropins)
        else:
            folder = next(iter(files.values())).path.parent
            problems.append(
                FolderProblem(folder, f"{folder}: there is no {service}.toml to change")
            )
    return found, problems


def _listed(folder: Path) -> tuple[list[str], str]:
    """The names in a folder, none if it is not there; or why it cannot be used."""
    try:
        names = sorted(os.listdir(folder))
        problem = _writable_by_others(folder, folder.stat())
    except FileNotFoundError:
        return [], ""
    except OSError as why:
        return [], f"cannot read {folder}: {why.strerror}"
    return ([], problem) if problem else (names, "")


def _read_dropins(folder: Path, over: dict[str, dict[str, DefinitionFile]]) -> list[FolderProblem]:
    """Add the drop-ins of NAME.toml.d to those of that service."""
    names, problem = _listed(folder)
    if problem:
        return [FolderProblem(folder, problem)]
    service = folder.name.removesuffix(DROPINS)
    for name in names:
        if not ignored(name):
            over.setdefault(service, {})[name] = read_definition(folder / name)
    return []


def read_definition(path: Path) -> DefinitionFile:
    """Read one file, as it is now."""
    name = path.name.removesuffix(SUFFIX)
    try:
        problem = _writable_by_others(path, path.stat())
        if problem:
            return DefinitionFile(name, path, problem=problem)
        data = read_small(path, MAX_SIZE)
    except FileNotFoundError:
        return DefinitionFile(name, path, problem=f"cannot read {path}: there is no such file")
    except OSError as why:
        return DefinitionFile(name, path, problem=f"cannot read {path}: {why.strerror}")
    except PathError as why:
        return DefinitionFile(name, path, problem=str(why))
    try:
        return DefinitionFile(name, path, data.decode("utf-8-sig"))
    except UnicodeDecodeError as why:
        line = data.count(b"\n", 0, why.start) + 1
        byte = data[why.start]
        problem = (
            f"cannot read {path}: line {line} is not UTF-8 (byte 0x{byte:02x}); save it as UTF-8"
        )
        return DefinitionFile(name, path, problem=problem, line=line)


def _writable_by_others(path: Path, found: os.stat_result) -> str:
    """Why root must not do what is written there; empty if it may, or we are not root.

    Its owner was trusted when root was told to use it; nobody else was.
    """
    others = stat.S_IWOTH if found.st_gid == 0 else stat.S_IWOTH | stat.S_IWGRP
    if os.geteuid() != 0 or not found.st_mode & others:
        return ""
    return (
        f"cannot trust {path} as root: others than its owner may write to it "
        f"(mode {stat.S_IMODE(found.st_mode):04o}); do: chmod go-w {path}"
    )
