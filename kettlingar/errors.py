"""What can go wrong, as types that somebody acts on, and each one's HTTP status.

    HttpError                     any status an author chooses
    +-- BadRequest       400      also a ValueError
    +-- NotFound         404      also a KeyError
    +-- Conflict         409
    +-- TooManyRequests  429
    +-- Unavailable      503
    NeedInfoException    423      the caller should ask a person for more
    RedirectException    302
    NotRunning                    an OSError: nobody answers
    RemoteError                   a RuntimeError: the service failed (500)
    ConfigError                   a ValueError: settings that cannot be used, all of them at once

The server turns an exception into a status, the client turns the status back:
both read the table at the end of this file (RFC 9110, section 15).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class HttpError(Exception):
    """An error that an author raises to answer with `status` and `message`."""

    status = 500

    def __init__(self, status: int = 0, message: str = "") -> None:
        super().__init__(message)
        self.status = status or type(self).status
        self.message = message

    def __str__(self) -> str:
        return self.message


class _FixedStatus(HttpError):
    """An HttpError whose class says the status."""

    def __init__(self, message: str = "") -> None:
        super().__init__(0, message)


class BadRequest(_FixedStatus, ValueError):
    """The caller's arguments cannot be used: 400."""

    status = 400


class NotFound(_FixedStatus, KeyError):
    """There is no such thing: 404."""

    status = 404


class Conflict(_FixedStatus):
    """It would contradict what is there: 409."""

    status = 409


class TooManyRequests(_FixedStatus):
    """The caller should slow down: 429."""

    status = 429


class Unavailable(_FixedStatus):
    """Not now, perhaps later: 503."""

    status = 503


class NeedInfoException(Exception):
    """The method needs more from a person: 423; the command line asks and calls again.

    `needed_vars` is a list of names, or of dicts with at least `name`;
    `resource` says what the information is for.
    """

    status = 423

    def __init__(
        self, comment: str = "", needed_vars: Sequence[object] = (), resource: str | None = None
    ) -> None:
        super().__init__(comment)
        self.comment = comment
        self.needed_vars = list(needed_vars)
        self.resource = resource


class RedirectException(Exception):
    """The answer is elsewhere: 302 with `Location: url`."""

    status = 302

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


class NotRunning(OSError):
    """Nobody answers for this service."""


class RemoteError(RuntimeError):
    """The service failed; `remote_type` and, for authorised callers, `traceback` say how."""

    def __init__(self, message: str, remote_type: str = "", traceback: str = "") -> None:
        super().__init__(message)
        self.remote_type = remote_type
        self.traceback = traceback


class ConfigError(ValueError):
    """Settings that cannot be used; `problems` lists all of them, one sentence each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)


# status -> what the client raises for it (anything else: RemoteError)
BY_STATUS: dict[int, type[HttpError]] = {
    cls.status: cls for cls in (BadRequest, NotFound, Conflict, TooManyRequests, Unavailable)
}
