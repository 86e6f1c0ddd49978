"""Where a supervisor keeps its things: --home, --user or --system (SERVICES.md, section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from posixpath import join

from msgspec import Struct
from msgspec.structs import replace


class Layout(Struct, frozen=True):
    """The folders of one supervisor, all absolute."""

    mode: str  # home, user, system
    run: str  # control socket, lock: nothing of it stays
    state: str  # one folder a service
    log: str
    services: tuple[str, ...]  # definitions; a later one wins
    ctl: str  # the options of `kettlingar ctl` that reach it
    config: str = ""  # kettlingard.toml, which need not be there
    control: str = ""  # the control socket, if kettlingard.toml says where

    @property
    def socket(self) -> str:
        """The control socket."""
        return self.control or join(self.run, "control.sock")

    def adjusted(self, *, control: str, state: str) -> Layout:
        """With what kettlingard.toml says of places; "" = as it is."""
        ctl = f"--socket {control}" if control else self.ctl
        return replace(self, control=control, ctl=ctl, state=state or self.state)

    @property
    def snapshot(self) -> str:
        """What a supervisor that did not end in order has left to the next one."""
        return join(self.run, "state.json")

    @property
    def meetings(self) -> str:
        """Where workers are found that have lost their supervisor."""
        return join(self.run, "workers")

    @property
    def custody(self) -> str:
        """Where connections are found that a killed supervisor had accepted."""
        return join(self.run, "custody")

    @property
    def lock(self) -> str:
        """Held while the supervisor lives."""
        return join(self.run, "kettlingard.lock")


def home_layout(home: str) -> Layout:
    """Everything below one folder; `home` is absolute."""
    return Layout(
        mode="home",
        run=join(home, "run"),
        state=join(home, "state"),
        log=join(home, "log"),
        services=(join(home, "services.d"),),
        ctl=f"--home {home}",
        config=join(home, "kettlingard.toml"),
    )


def user_layout(environ: Mapping[str, str], own_home: str) -> Layout:
    """The XDG directories of this user, whose home directory is `own_home`."""
    state = join(_xdg(environ, "XDG_STATE_HOME", join(own_home, ".local/state")), "kettlingard")
    runtime = _xdg(environ, "XDG_RUNTIME_DIR", "")
    run = join(runtime, "kettlingard") if runtime else join(state, "run")
    config = _xdg(environ, "XDG_CONFIG_HOME", join(own_home, ".config"))
    return Layout(
        mode="user",
        run=run,
        state=state,
        log=join(state, "log"),
        services=(join(config, "kettlingard/services.d"),),
        ctl="" if runtime else f"--socket {run}/control.sock",
        config=join(config, "kettlingard/kettlingard.toml"),
    )


def system_layout() -> Layout:
    """The machine's own directories."""
    return Layout(
        mode="system",
        run="/run/kettlingard",
        state="/var/lib/kettlingard",
        log="/var/log/kettlingard",
        services=("/usr/lib/kettlingard/services.d", "/etc/kettlingard/services.d"),
        ctl="",
        config="/etc/kettlingard/kettlingard.toml",
    )


def _xdg(environ: Mapping[str, str], name: str, default: str) -> str:
    """A base directory; a relative one is to be ignored (XDG Base Directory Specification)."""
    value = environ.get(name, "")
    return value if value.startswith("/") else default
