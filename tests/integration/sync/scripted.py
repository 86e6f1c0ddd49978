"""A service that does exactly what a test says, on a thread."""

from __future__ import annotations

import json
import re
import socket
import threading
from contextlib import contextmanager

import msgpack

from kettlingar.sync import BlockingClient, Line
from kettlingar.transport.fdpass import close_all, recv_fds, send_fds
from kettlingar.transport.listeners import bind_tcp, bind_unix


class Request:
    """What a client sent: its head, its body decoded, its descriptors."""

    def __init__(self, head, body, fds):
        self.head, self.fds = head.decode("latin-1"), fds
        self.path = self.head.split()[1]
        loads = msgpack.unpackb if "msgpack" in self.head else json.loads
        self.arguments = loads(body)


class Peer:
    """The service's side of one connection."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(5)
        self._rest, self._fds = b"", []

    def request(self):
        """The next request; None when the client has closed."""
        while b"\r\n\r\n" not in self._rest:
            if not self._more():
                return None
        head, _, body = self._rest.partition(b"\r\n\r\n")
        length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
        while len(body) < length:
            self._more()
            body = self._rest.partition(b"\r\n\r\n")[2]
        self._rest = body[length:]
        fds, self._fds = self._fds, []
        return Request(head, body[:length], fds)

    def _more(self):
        data, fds = recv_fds(self.sock, 1 << 16)
        self._rest += data
        self._fds += fds
        return data

    def answer(self, value, status="200 OK", close=False, fds=()):
        body = msgpack.packb(value)
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/x-msgpack\r\n"
        head += f"Content-Length: {len(body)}\r\n" + "Connection: close\r\n" * close + "\r\n"
        data = head.encode() + body
        sent = send_fds(self.sock, data, list(fds))
        if sent < len(data):  # even to send nothing fails once the client has closed
            self.sock.sendall(data[sent:])

    def start_stream(self):
        self.sock.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-msgpack\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )

    def items(self, *values):
        chunks = [msgpack.packb(value) for value in values]
        self.sock.sendall(b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks))

    def end_stream(self):
        self.sock.sendall(b"0\r\n\r\n")


class Service:
    """Runs `script(peer, number)` for each connection, in a thread; closes it afterwards."""

    def __init__(self, listener, script):
        self.connections, self.errors = 0, []
        self._listener, self._script = listener, script
        self._threads = []
        self._socks = []
        listener.setblocking(True)
        thread = threading.Thread(target=self._accept)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._socks.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock, self.connections))
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock, number):
        peer = Peer(sock)
        try:
            with sock:
                self._script(peer, number)
        except (OSError, AssertionError) as error:
            self.errors.append(error)
        finally:
            close_all(peer._fds)

    def end_connections(self):
        """As when the process ends."""
        for sock in self._socks:
            sock.shutdown(socket.SHUT_RDWR)

    def stop(self):
        """Accept no more, and wait until all scripts are through."""
        if self._listener.fileno() < 0:
            return
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)


@contextmanager
def serving(script, path=None):
    """A service on TCP, or at `path`, and a client for it."""
    listener = bind_unix(path) if path else bind_tcp("127.0.0.1", 0)
    address = listener.getsockname()
    service = Service(listener, script)

    def connect():
        sock = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        sock.connect(address)
        return Line(sock, token="TOKEN")

    client = BlockingClient(connect)
    try:
        yield client, service
    finally:
        client.close()
        service.stop()


def echo(peer, _number):
    """Answer each call with its path and arguments."""
    while request := peer.request():
        peer.answer({"path": request.path, **request.arguments})
