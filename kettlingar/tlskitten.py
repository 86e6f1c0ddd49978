"""TLSKitten: a mix-in that answers HTTPS on the port that answers HTTP.

class MyKitten(RPCKitten, TLSKitten):
    class Configuration(RPCKitten.Configuration, TLSKitten.Configuration):
        TLS_CERT = TLSKitten.SELF_SIGNED
"""

from __future__ import annotations

import logging
import os
import socket
import ssl
from functools import partial
from pathlib import Path
from typing import Any

from kettlingar.config.paths import make_private_dir
from kettlingar.transport.duplex import StreamFactory
from kettlingar.transport.tls import TlsStream

from .errors import ConfigError, NotRunning

log = logging.getLogger(__name__)

EVERYWHERE = {"", "*", "0.0.0.0", "::"}  # noqa: S104 - compared with, not bound
AT_HOME = ("localhost", "127.0.0.1", "::1")


class TLSKitten:
    """A mix-in for services that speak TLS too; plain HTTP goes on working on the same port."""

    SELF_SIGNED = "self-signed"

    class Configuration:
        """Settings: the files, or how a certificate is made."""

        TLS_CERT: str = ""  # a PEM file with the chain, or TLSKitten.SELF_SIGNED; "": no TLS
        TLS_KEY: str = ""  # a PEM file; "": the key is in TLS_CERT
        TLS_CERT_NAME: str = ""  # one more name that a self-signed certificate is for
        TLS_CERT_DAYS: int = 825  # more than this, and some clients refuse it
        TLS_RECREATE_CERT: bool = False  # make a new one at each start
        TLS_HANDSHAKE_TIMEOUT: float = 10.0  # seconds

    config: Any
    _tls_context: ssl.SSLContext | None = None

    def tcp_stream(self) -> StreamFactory | None:
        """Say how the bytes of TCP connections travel; None: plain ones only.

        ConfigError if the certificate cannot be used.
        """
        if not self.config.tls_cert:
            log.warning("TLS is off: set tls_cert to a file, or to %r", self.SELF_SIGNED)
            return None
        self._tls_context = server_context_of(self.config)
        return partial(
            TlsStream, context=self._tls_context, seconds=self.config.tls_handshake_timeout
        )

    def renew_tls(self) -> None:
        """Read certificate and key again; connections that come from now on get them.

        ConfigError, and the old ones stay, if they cannot be used.
        """
        if self._tls_context is not None:
            cert, key = _files(self.config)
            server_context_of(self.config)  # a try: half a change would be worse than none
            self._tls_context.load_cert_chain(cert, key)

    async def on_config_tls_cert(self) -> None:
        """Use a certificate that was configured while the service runs."""
        self.renew_tls()

    def https_url(self, *args: Any, **kwargs: Any) -> str:
        """Return an https URL of this service: of `path`, or as `web_url` makes it.

        NotRunning if no TCP address is known (it is to a client, and without a supervisor).
        """
        # Of the class: on a client's side the instance has methods of the service's names.
        make = getattr(type(self), "web_url", TLSKitten._plain_url)
        _, found, rest = str(make(self, *args, **kwargs)).partition("://")
        if not found:
            raise NotRunning("cannot name an https URL: no TCP address is known here")
        return f"https://{rest}"

    def _plain_url(self, path: str = "/") -> str:
        url = getattr(self, "api_url", None) or ""
        return f"{url}/{path.removeprefix('/')}"


def server_context_of(config: Any) -> ssl.SSLContext:
    """Return a server's settings: TLS 1.2 or later, HTTP/1.1, no renegotiation.

    ConfigError if the configured certificate cannot be used.
    """
    cert, key = _files(config)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(cert, key)
    except OSError as error:  # ssl.SSLError is one
        why = error.strerror or str(error)
        problem = f"cannot use tls_cert {cert}{f' with tls_key {key}' if key else ''}: {why}"
        raise ConfigError([problem]) from error
    return context


def _files(config: Any) -> tuple[str, str | None]:
    if config.tls_cert != TLSKitten.SELF_SIGNED:
        return config.tls_cert, config.tls_key or None
    try:
        from . import certificates
    except ModuleNotFoundError as error:
        problem = "tls_cert: a self-signed certificate needs `pip install kettlingar[tls]`"
        raise ConfigError([problem]) from error
    path = make_private_dir(config.app_state_dir) / f"{config.app_name}.pem"
    certificates.keep_self_signed(
        Path(path),
        config.tls_cert_name or config.app_name,
        _names(config),
        config.tls_cert_days,
        anew=config.tls_recreate_cert,
    )
    return os.fspath(path), None


def _names(config: Any) -> list[str]:
    """What clients may call this machine."""
    hosts = [host.partition("://")[2] or host for host in config.worker_allowed_hosts]
    named = [config.worker_listen_host] if config.worker_listen_host not in EVERYWHERE else []
    more = [config.tls_cert_name] if config.tls_cert_name else []
    return [*AT_HOME, socket.gethostname(), *named, *more, *map(_without_port, hosts)]


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0] if host.count(":") == 1 else host


__all__ = ["TLSKitten"]
