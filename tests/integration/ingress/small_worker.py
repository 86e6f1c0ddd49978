"""A worker for tests: blocking, one connection at a time, and as odd as its argument says.

serve   answers with its pid          deaf     reads no message
take    says taken, then waits        read     takes and reads, then waits
half    sends half an answer, waits   begin    as half, and says `answering`
return  gives all back                foreign  says `done` for numbers that are not its own
finish  serves one, and is killed right after saying `done`
"""

from __future__ import annotations

import os
import signal
import socket
import sys

import msgspec

from kettlingar.transport.messages import Connections, Guard, Progress, ToWorker

channel = socket.socket(fileno=3)
channel.setblocking(True)
mode = sys.argv[1]
encode = msgspec.msgpack.encode
decode = msgspec.msgpack.Decoder(ToWorker).decode


def say(**progress: list[int]) -> None:
    channel.send(encode(Progress(**progress)))


def receive() -> tuple[list[int], list[int]]:
    data, ancillary, _flags, _ = channel.recvmsg(65536, 8192)
    if not data:
        sys.exit(0)
    message = decode(data)
    fds = [
        int.from_bytes(rights[at : at + 4], sys.byteorder)
        for _, _, rights in ancillary
        for at in range(0, len(rights), 4)
    ]
    if isinstance(message, Guard):
        for fd in fds:
            os.close(fd)
        return receive()
    assert isinstance(message, Connections), message
    return message.ids, fds


def request(connection: socket.socket) -> bytes:
    """Read one request without a body; empty if the client has gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        try:
            more = connection.recv(65536)
        except ConnectionError:
            return b""
        if not more:
            return b""
        data += more
    return data


def serve(number: int, connection: socket.socket) -> None:
    say(taken=[number])
    if mode == "take":
        signal.pause()
    if request(connection):
        if mode == "read":
            signal.pause()
        answer(number, connection)
    say(done=[number])
    if mode == "finish":
        os.kill(os.getpid(), signal.SIGKILL)


def answer(number: int, connection: socket.socket) -> None:
    body = str(os.getpid())
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    if mode in ("half", "begin"):
        connection.sendall(head.encode())
        if mode == "begin":
            say(answering=[number])
        signal.pause()
    try:
        connection.sendall((head + body).encode())
        say(answering=[number])
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        pass


if mode == "deaf":
    signal.pause()
while True:
    ids, fds = receive()
    connections = [socket.socket(fileno=fd) for fd in fds]
    if mode == "return":
        for one in connections:
            one.close()
        say(returned=ids)
        continue
    if mode == "foreign":
        say(done=[number + 1 for number in ids] + [number - 1 for number in ids])
    for number, one in zip(ids, connections, strict=True):
        one.setblocking(True)
        with one:
            serve(number, one)
