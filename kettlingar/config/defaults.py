"""What every service can be told: each constant is a setting, with its meaning beside it.

Annotations here are values, not text: nothing has to evaluate them when a service starts.
"""

from typing import Annotated, Literal

from .values import Between, Level, Octal

PORT = Between(0, 65535)
SECONDS = Between(0)
SOME = Between(1)


class Defaults:
    """Durations are seconds, sizes bytes."""

    APP_NAME: Annotated[str, "the application; its folders have this name"] = "kettlingar"
    APP_DATA_DIR: Annotated[str, "where its data is; empty: the user's folder for data"] = ""
    APP_STATE_DIR: Annotated[str, "where NAME.url, NAME.sock and NAME.log are; likewise"] = ""

    WORKER_NAME: Annotated[str, "the service; two with different names live side by side"] = (
        "worker"
    )
    WORKER_CONFIG: Annotated[str, "a file of settings; y: DATA_DIR/NAME.cfg"] = ""
    WORKER_NICE: Annotated[int, "added to the niceness of the process"] = 0
    WORKER_UMASK: Annotated[Octal, "rights that new files do not get"] = Octal(0o077)
    WORKER_SECRET: Annotated[str, "the token; empty: a new one at every start"] = ""

    WORKER_LISTEN_QUEUE: Annotated[int, "connections that may wait to be accepted", SOME] = 1024
    WORKER_LISTEN_HOST: Annotated[str, "the address of the TCP port; * is every one"] = "127.0.0.1"
    WORKER_LISTEN_PORT: Annotated[int, "the TCP port; 0: a free one", PORT] = 0
    WORKER_URL_PATH: Annotated[str, "a prefix of all paths"] = ""
    WORKER_USE_TCP: Annotated[bool, "whether it listens on a TCP port"] = True
    WORKER_USE_UNIXDOMAIN: Annotated[bool, "whether it listens on NAME.sock"] = True
    WORKER_USE_MSGPACK: Annotated[bool, "whether answers may be msgpack; no: always JSON"] = True
    WORKER_ALLOWED_HOSTS: Annotated[
        list[str], "names that Host and Origin may have over TCP, with or without a port; none: any"
    ] = []  # noqa: RUF012  a default that is never changed

    WORKER_LOG_LEVEL: Annotated[
        int | str, "trace, debug, info, warning, error, critical", Level()
    ] = "info"
    WORKER_LOG_FORMAT: Annotated[Literal["text", "json"], "how log lines are written"] = "text"

    WORKER_ACCEPT_TIMEOUT: Annotated[float, "nothing: connections are not polled for", SECONDS] = (
        1.0
    )
    WORKER_HTTP_MAX_HEAD: Annotated[int, "of a request's head: 431", SOME] = 16 * 1024
    WORKER_HTTP_MAX_LINE: Annotated[int, "of its first line: 414", SOME] = 8 * 1024
    WORKER_HTTP_MAX_HEADERS: Annotated[int, "how many headers it may have: 431", SOME] = 100
    WORKER_HTTP_REQUEST_MAX_SIZE: Annotated[int, "of a request's body: 413", SOME] = 1024 * 1024
    WORKER_HTTP_REQUEST_TIMEOUT1: Annotated[float, "until the head is whole: 408", SECONDS] = 1.0
    WORKER_HTTP_REQUEST_TIMEOUT2: Annotated[float, "until the body is: 408", SECONDS] = 15.0
    WORKER_HTTP_KEEPALIVE: Annotated[float, "that a connection may be idle", SECONDS] = 60.0
    WORKER_HTTP_SEND_TIMEOUT: Annotated[float, "that a reader may take nothing", SECONDS] = 30.0
    WORKER_WS_PING: Annotated[
        float, "silence before a WebSocket is asked whether it lives; 0: never", SECONDS
    ] = 20.0
    WORKER_MAX_DEPTH: Annotated[int, "how deeply a payload may be nested: 400", SOME] = 64
    WORKER_MAX_CONNECTIONS: Annotated[int, "at once: 503", SOME] = 10_000
    WORKER_DRAIN_TIMEOUT: Annotated[float, "that what runs may take at the end", SECONDS] = 20.0
    WORKER_LOOP: Annotated[
        Literal["auto", "asyncio", "uvloop"], "the event loop; auto: uvloop where it is installed"
    ] = "auto"
