"""Control groups (v2): each run has one where a part of the tree is ours, so that it is found whole.

    BASE/kettlingard.supervisor        this process, where others must not share BASE with groups
    BASE/kettlingard.HOME/RUN          one group a run; HOME tells several supervisors apart

BASE is the group that we were started in. Nobody else may write there: systemd
has said so by Delegate=yes, or there is no systemd on this machine.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from errno import EBUSY
from hashlib import sha256
from pathlib import Path

from msgspec import Struct

LEAF = "kettlingard.supervisor"
SYSTEMD = Path("/run/systemd/system")
DELEGATED = (
    "trusted.delegate",
    "user.delegate",
)  # what systemd writes on a group that it gives away
NO_V2 = "this machine has no cgroup v2 mounted"
NOT_OURS = (
    "the control group {} is not given to kettlingard; start it with Delegate=yes, "
    "as `kettlingard unit` has it"
)


class Cgroups(Struct, frozen=True):
    """The part of the tree for the runs of one supervisor; without `base`, `missing` says why not."""

    base: Path | None
    home: str = ""
    missing: str = ""

    @property
    def folder(self) -> Path | None:
        """In which the runs' groups are."""
        return self.base / f"kettlingard.{self.home}" if self.base is not None else None

    def lacks(self, controllers: Collection[str]) -> str:
        """Why these limits cannot be set; "" if they can."""
        if self.base is None:
            return self.missing
        left = sorted(set(controllers) - set(_words(self.base / "cgroup.controllers")))
        if not left:
            return ""
        return (
            f"the control group {self.base} has no {' and no '.join(left)} controller "
            "(one that is mounted as cgroup v1 is not in v2; Delegate=yes gives all there are)"
        )

    def make(self, name: str, contents: Mapping[str, str]) -> Path:
        """A new group for a run, with these limits. Raises OSError."""
        assert self.base is not None
        assert self.folder is not None
        self.folder.mkdir(exist_ok=True)
        group = self.folder / name
        group.mkdir(exist_ok=True)
        try:
            self.limit(group, contents)
        except OSError:
            remove(group)
            raise
        return group

    def limit(self, group: Path, contents: Mapping[str, str]) -> None:
        """Limits of a run that may be there already. Raises OSError."""
        assert self.base is not None
        assert self.folder is not None
        controllers = {name.partition(".")[0] for name in contents}
        if controllers:
            self._enable(self.base, controllers)
            self._enable(self.folder, controllers)
        for name, text in contents.items():
            (group / name).write_text(text)

    def _enable(self, group: Path, controllers: set[str]) -> None:
        """Groups below this one have these controllers from now on."""
        new = controllers - set(_words(group / "cgroup.subtree_control"))
        if not new:
            return
        text = " ".join(f"+{name}" for name in sorted(new))
        try:
            (group / "cgroup.subtree_control").write_text(text)
        except OSError as why:
            if why.errno != EBUSY or group != self.base:
                raise
            # A group with processes of its own gives no controllers on (but the root).
            self._step_aside()
            (group / "cgroup.subtree_control").write_text(text)

    def _step_aside(self) -> None:
        assert self.base is not None
        leaf = self.base / LEAF
        leaf.mkdir(exist_ok=True)
        for pid in _words(self.base / "cgroup.procs"):
            with suppress(ProcessLookupError):
                (leaf / "cgroup.procs").write_text(pid)

    def clear(self, keep: Iterable[str] = ()) -> list[int]:
        """Remove the groups of runs that have ended; the pids of what was left in them, now killed.

        `keep` are the marks of runs that live, or are not ours to end.
        """
        if self.folder is None or not self.folder.is_dir():
            return []
        left: list[int] = []
        for group in [one for one in self.folder.iterdir() if one.is_dir()]:
            if group.name.removesuffix(SPARED).rpartition(".")[2] not in set(keep):
                left += kill(group) if not group.name.endswith(SPARED) else []
                remove(group)
        return left

    def close(self) -> bool:
        """Remove what is empty; False while somebody is there still."""
        if self.folder is None or not self.folder.is_dir():
            return True
        remove_empty(self.folder, "")
        return remove(self.folder)


SPARED = (
    ".spared"  # ends the name of a group whose members outlive their run (kill_mode = "process")
)


def machine() -> Cgroups:
    """What limits this machine can have at all, whoever supervises."""
    mount = _mount()
    return Cgroups(None, missing=NO_V2) if mount is None else Cgroups(mount)


def find(home: str) -> Cgroups:
    """The tree of this machine for the supervisor of this folder."""
    mount = _mount()
    if mount is None:
        return Cgroups(None, missing=NO_V2)
    try:
        base = mount / _own_path().lstrip("/")
    except ValueError:
        return Cgroups(None, missing="the kernel does not say in which control group we are")
    if base.name == LEAF:
        base = base.parent
    if not _is_given(base):
        return Cgroups(None, missing=NOT_OURS.format(base))
    return Cgroups(base, sha256(home.encode()).hexdigest()[:12])


def own_groups() -> list[Path]:
    """The groups that hold us, from ours up to the roots, of all trees that can count processors."""
    found: list[Path] = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers or "cpu" in controllers.split(","):
            mount = _mount("cpu" if controllers else "")
            below = [Path(path), *Path(path).parents] if mount is not None else []
            found += [mount / one.relative_to("/") for one in below if mount is not None]
    return found


def _mount(controller: str = "") -> Path | None:
    """Of cgroup v2, or of the tree of v1 that has this controller."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        if kind == "cgroup2" if not controller else controller in options.split(","):
            return Path(left.split()[4])
    return None


def _own_path() -> str:
    """Raises ValueError."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        if line.startswith("0::"):
            return line[3:]
    raise ValueError


def _is_given(base: Path) -> bool:
    if not os.access(base, os.W_OK) or not os.access(base / "cgroup.procs", os.W_OK):
        return False
    return not SYSTEMD.is_dir() or any(_has(base, name) for name in DELEGATED)


def _has(base: Path, attribute: str) -> bool:
    try:
        return os.getxattr(base, attribute) == b"1"
    except OSError:
        return False


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


def members(group: Path) -> list[int]:
    """The living processes in it; zombies are none."""
    return [int(pid) for pid in _words(group / "cgroup.procs")]


def kill(group: Path) -> list[int]:
    """SIGKILL to all that is in it; their pids."""
    found = members(group)
    if not found:
        return []
    try:
        (group / "cgroup.kill").write_text("1")
    except OSError:  # Linux < 5.14
        _kill_one_by_one(group)
    return found


def _kill_one_by_one(group: Path) -> None:
    """Whoever is in the group is ours to kill, so that a pid that was given again harms nobody."""
    for _ in range(10):
        left = members(group)
        if not left:
            return
        for pid in left:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def remove_empty(folder: Path, start: str) -> None:
    """Groups of this folder whose names begin so, and in which nobody is any more."""
    with suppress(OSError):
        for name in os.listdir(folder):
            if name.startswith(start):
                remove(folder / name)


def remove(group: Path) -> bool:
    """Remove an empty group; False if somebody is in it still."""
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
