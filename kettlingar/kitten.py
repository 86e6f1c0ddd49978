"""RPCKitten: the class that authors extend, and everything they may override.

A composition root: it joins the method table, the configuration, the server
and the client, and decides nothing itself.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from kettlingar.api.binding import guarantee_type
from kettlingar.api.methods import Method, MethodTable, read_assigned, read_methods, read_object
from kettlingar.config import schema
from kettlingar.wire import content

from . import errors
from .local import LocalCaller
from .logs import OwnLog
from .request import FdsResult, HttpResult, RequestInfo
from .requests import translating
from .standard_api import StandardApi

if TYPE_CHECKING:
    from .calls.client import Client
    from .managed import Managed
    from .requests.serving import Home

QUIT = "quitquitquit"  # of what a supervisor manages, it is a request to that


class RPCKitten(StandardApi, OwnLog):
    """A microservice: each `async def api_NAME` is a method that callers can reach.

    `api_NAME` needs credentials, `public_api_NAME` does not; `raw_NAME` and
    `public_raw_NAME` write their answer themselves. The nested `Configuration`
    holds the settings, one constant in capitals each.
    """

    class Configuration(schema.Configuration):
        """Settings that every service has; an author's own class extends this one."""

    NotRunning = errors.NotRunning
    NeedInfoException = errors.NeedInfoException
    RedirectException = errors.RedirectException
    HttpError = errors.HttpError

    methods: MethodTable = MethodTable()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Read the class once: its methods, and the settings of its whole tree."""
        super().__init_subclass__(**kwargs)
        setattr(cls, "Configuration", schema.joined_configuration(cls))  # noqa: B010  mypy has it as a type
        cls.methods = read_methods(cls)

    def __init__(
        self, config: schema.Configuration | None = None, args: Sequence[str] | None = None
    ) -> None:
        """Take a ready `config`, or make one from `args`, as a command line has them.

        Raise ConfigError, which lists all problems, if `args` cannot be used.
        """
        if config is None:
            config = self.Configuration()
            config.configure(list(args or []))
        self.config = config
        super().__init__()  # mix-ins that come after this class
        self.name: str = config.worker_name
        self.stop_wanted: asyncio.Event | None = None
        self._callers: dict[str, Callable[..., Any]] = {}
        self._client: Client | None = None
        self._managed: Managed | None = None
        self._local: LocalCaller | None = None
        self._home: Home | None = None
        own = {
            name: getattr(self, name)
            for name in translating.OWN
            if getattr(type(self), name) is not getattr(RPCKitten, name)
        }
        self.encoders = translating.encoders(own)
        self.own_decoders = translating.own_decoders(own)

    # --- calling methods ------------------------------------------------------

    async def connect(self, *, auto_start: bool = False, retry: int = 3) -> RPCKitten:
        """Find the running service and return self, on which its methods can then be called.

        With `auto_start` it is started if it does not run. Raise NotRunning when
        nobody answers after `retry` further attempts.
        """
        # Those who are called need none of it, and most processes are such.
        from .calls.client import Client, FileEndpoint
        from .managed import manager_of

        managed = self._managed = await manager_of(self)
        if managed is not None:
            client = Client(managed.endpoint(), use_json=not self.config.worker_use_msgpack)
            start = partial(managed.command, "start")
        else:
            files = FileEndpoint(self.config.app_state_dir, self.config.worker_name)
            client = Client(files, use_json=not self.config.worker_use_msgpack)
            start = partial(_launch, self)
        await client.connect(start=start if auto_start else None, retry=retry)
        self._client = client
        return self

    def disconnect(self) -> None:
        """Close the connections to the service; the next call opens others."""
        if self._client is not None:
            self._client.close()

    async def loopback(self) -> RPCKitten:
        """Run the service in this process, without a server; return self."""
        self._local = LocalCaller(self)
        await self.init_servers([])
        self.read_assigned_methods()
        return self

    async def call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a method by name; a streaming one gives an async iterator.

        `quitquitquit` of a service that a supervisor manages is a request to that:
        the process alone would only be replaced.
        """
        if name == QUIT and self._managed is not None and self._local is None:
            return await self._managed.quit()
        return await self._callee().call(name, *args, **kwargs)

    def serve_locally(self, home: Home) -> None:
        """This process is the service, at `home`: one's own methods, called from inside, run here."""
        self._home = home
        self._local = self._local or LocalCaller(self)

    def _callee(self) -> LocalCaller | Client:
        if self._local is not None:
            return self._local
        if self._client is not None:
            return self._client
        raise errors.NotRunning(
            f"cannot call {self.config.app_name}: not connected; await .connect() first"
        )

    def __getattr__(self, name: str) -> Any:
        # Only reached for names that the class does not have.
        if name.startswith("_"):
            raise AttributeError(name)
        method = self.methods.find(name, private=True)
        if method is not None:
            caller = self._calling(method)
            if not name.startswith(("api_", "raw_", "public_")):  # those would be methods here
                self._callers[name] = self.__dict__[name] = caller  # found at once from now on
            return caller
        if self._client is not None:
            return getattr(self._client, name)
        raise AttributeError(f"{type(self).__name__} has no method or attribute {name!r}")

    def _calling(self, method: Method) -> Callable[..., Any]:
        def call_stream(*args: Any, **kwargs: Any) -> Any:
            from .calls.replies import as_stream

            return as_stream(partial(self.call, method.name, *args, **kwargs))

        name = method.name

        def call_once(*args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
            if self._client is None or self._local is not None or name == QUIT:
                return self.call(name, *args, **kwargs)
            return self._client.call(name, *args, **kwargs)

        caller = call_stream if method.streams else call_once
        caller.__name__ = method.name
        caller.__doc__ = method.doc
        return caller

    def sync_proxy(self) -> Any:
        """Return the same service without async: blocking calls, several threads at once."""
        return import_module("kettlingar.asynctools").SyncProxy(self)

    def __str__(self) -> str:
        return f"{type(self).__name__} on {self.whereabouts()[0] or '(not connected)'}"

    def whereabouts(self) -> tuple[str | None, Any]:
        """Return URL and address of the connected service, or of the one that this process is."""
        if self._home is not None:
            return self._home.url, self._home.address
        return (None, None) if self._client is None else (self._client.url, self._client.address)

    @property
    def api_url(self) -> str | None:
        """Where the service answers, connected to or this process itself; without its secret."""
        return self.whereabouts()[0]

    @property
    def api_addr(self) -> Any:
        """Its address: a path, or (host, port)."""
        return self.whereabouts()[1]

    @property
    def api_secret(self) -> str | None:
        """Its token, where a client has seen it; a method sees its own service's."""
        if self._home is not None:
            return self._home.settings.secret
        return self._client.secret if self._client is not None else None

    # --- for methods to use ---------------------------------------------------

    def fds_result(self, *files: Any) -> FdsResult:
        """Answer with open files or sockets; they are closed here once they are sent."""
        flat: list[Any] = []
        for thing in files:
            flat.extend(thing if isinstance(thing, (list, tuple)) else [thing])
        return FdsResult(flat)

    def sse_start_result(self, data: object = None) -> HttpResult:
        """Make the stream that begins with this item one of server-sent events."""
        return HttpResult("text/event-stream", data)

    def expose_methods(self, thing: object) -> None:
        """Offer the `api_...` methods of another object too. TypeError if names clash."""
        self._add_methods(read_object(thing))

    def read_assigned_methods(self) -> None:
        """Take notice of methods that were assigned to self (`self.api_mrow = ...`)."""
        assigned = read_assigned(self)
        if assigned:
            self._add_methods(assigned)

    def _add_methods(self, methods: Iterable[Method]) -> None:
        self.methods = self.methods.with_methods(methods)
        for name, caller in self._callers.items():
            if self.__dict__.get(name) is caller:
                del self.__dict__[name]
        self._callers.clear()

    # --- hooks an author may override -----------------------------------------

    async def init_servers(self, servers: list[Any]) -> list[Any]:
        """Prepare before the first request; called once, when the loop runs."""
        return servers

    async def shutdown(self) -> None:
        """Clean up after the last request."""

    async def validate_request_header(self, path: str, header: Any) -> None:
        """Look at a request before it is routed; raise to refuse it."""

    def get_api_methods(self, request: RequestInfo) -> Sequence[Any] | None:
        """Return methods to be tried for this request before the table is."""

    def get_method_name(self, request: RequestInfo) -> str | None:
        """Return the name of the method that this request means."""
        return request.route.name if request.route is not None else None

    def get_default_methods(self, request: RequestInfo) -> Sequence[Any] | None:
        """Return methods to be tried when no other answers to this request."""

    # Converts an argument to its annotation. Itself, not a wrapper: `bind` knows it, and then
    # passes values of the right type without calling anything.
    guarantee_type = staticmethod(guarantee_type)

    def to_json(self, data: Any, default: Any = None) -> bytes:
        """Encode as JSON; `default` is asked for what has no form of its own."""
        return content.to_json(data, default)

    def from_json(self, data: bytes) -> Any:
        """Decode a JSON body. Not asked for one that brings open files."""
        return content.from_json(data)

    def to_msgpack(self, data: Any, default: Any = None) -> bytes:
        """Encode as msgpack; `default` is asked for what has no form of its own."""
        return content.to_msgpack(data, default)

    def from_msgpack(self, data: bytes) -> Any:
        """Decode a msgpack body. Not asked for one that brings open files."""
        return content.from_msgpack(data)

    def get_docstring(self, method: Any) -> str:
        """Return the help text of a function or class."""
        return method.__doc__ or ""

    def documented(self) -> tuple[str, MethodTable]:
        """The class's help text, and the methods with theirs, as `get_docstring` has them."""
        doc = self.get_docstring(type(self))
        if type(self).get_docstring is RPCKitten.get_docstring:
            return doc, self.methods
        told = (replace(m, doc=self.get_docstring(m.function(self))) for m in self.methods)
        return doc, MethodTable(told)

    def print_result(self, result: Any) -> None:
        """Print a result on the command line."""
        import_module("kettlingar.cli.render").print_result(result)

    # --- the command line -----------------------------------------------------

    @classmethod
    def Main(cls, argv: Sequence[str] | None = None) -> None:  # noqa: N802  the seed's name
        """Run the service's command line, and exit with its code."""
        main = import_module("kettlingar.cli.main").main
        sys.exit(main(cls, list(sys.argv[1:] if argv is None else argv)))


RPCKitten.methods = read_methods(RPCKitten)


async def _launch(kitten: RPCKitten) -> None:
    await import_module("kettlingar.launch").start(kitten)
