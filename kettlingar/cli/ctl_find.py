"""Where the supervisor's control socket is. Pure: the environment comes in."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SOCKET = "control.sock"
SYSTEM = f"/run/kettlingard/{SOCKET}"


def candidates(
    *,
    socket: str | None,
    home: str | None,
    environ: Mapping[str, str],
    exists: Callable[[str], bool],
) -> list[str]:
    """The paths to try, in order. What somebody names is the only one.

    --socket or --home, then $KETTLINGARD_SOCKET, then the user's own where that
    exists, then the system's.
    """
    if socket is not None:
        return [socket]
    if home is not None:
        return [f"{home.rstrip('/') or '/'}/run/{SOCKET}"]
    if named := environ.get("KETTLINGARD_SOCKET"):
        return [named]
    return [*filter(exists, _users(environ)), SYSTEM]


def _users(environ: Mapping[str, str]) -> list[str]:
    found = []
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        found.append(f"{runtime}/kettlingard/{SOCKET}")
    state = environ.get("XDG_STATE_HOME") or f"{environ.get('HOME', '')}/.local/state"
    return [*found, f"{state}/kettlingard/run/{SOCKET}"]


def nobody_answers(tried: list[tuple[str, str]]) -> str:
    """The message for when there was no supervisor at any of these (path, why)."""
    lines = [f"  {path}: {why}" for path, why in tried]
    advice = "start one with kettlingard up, or name its folder with --home DIR"
    return "\n".join(["cannot reach kettlingard; tried", *lines, advice])
