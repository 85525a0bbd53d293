"""A raw socket that says to a daemon whatever a test wants, and what tests look at in the daemon's process."""

import os
import time
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import msgpack
import torch
import zmq

from fakes import drawn_shot
from matted.service.gate import Gate
from matted_protocol.connection import read_connection

PATIENCE = 60
"""Seconds a test waits for what should come in milliseconds."""


class Answer(NamedTuple):
    type: str
    parent: str | None
    body: dict
    buffers: list

    @property
    def code(self):
        return self.body["code"] if self.type == "error" else None


class Raw:
    """A DEALER with the keys of a connection, or with none. It checks nothing of what it sends."""

    def __init__(self, connection, *, keys=True, **options):
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.sndhwm = 0
        for name, value in options.items():
            setattr(self.socket, name, value)
        if keys:
            self.socket.curve_serverkey = connection.server_key.encode()
            self.socket.curve_publickey = connection.public_key.encode()
            self.socket.curve_secretkey = connection.secret_key.encode()
        self.socket.connect(connection.endpoint)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.socket.close(linger=0)

    def send(self, *parts):
        self.socket.send_multipart(parts)

    def say(self, kind, body=None, *buffers, **header):
        """Send a well-formed request; returns its id."""
        told = {"id": uuid4().hex, "type": kind, "version": [1, 0], **header}
        self.send(msgpack.packb(told), msgpack.packb({} if body is None else body), *buffers)
        return told["id"]

    def receive(self, seconds=PATIENCE):
        """The next message, or None when none comes in time."""
        if not self.socket.poll(int(seconds * 1000)):
            return None
        header, body, *buffers = self.socket.recv_multipart()
        header = msgpack.unpackb(header)
        return Answer(header["type"], header["parent"], msgpack.unpackb(body), buffers)

    def answer_to(self, asked):
        """The answer to the request with this id; what comes before it is dropped."""
        while True:
            answer = self.receive()
            assert answer is not None, "no answer came"
            if answer.parent == asked and answer.type in ("reply", "error"):
                return answer

    def ask(self, kind, body=None, *buffers, **header):
        """Send a well-formed request and wait for its answer."""
        return self.answer_to(self.say(kind, body, *buffers, **header))

    def pongs(self):
        """Whether the daemon answers a ping."""
        return self.ask("ping").type == "reply"


def connection_of(daemon):
    """What the connection file of a running daemon holds."""
    return read_connection(daemon.file)


def another_user(daemon, name):
    """The connection of another user, put on the daemon's list."""
    return Gate(daemon.state).admit(name, connection_of(daemon).endpoint)


def memory_of(pid):
    """Bytes a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def files_of(pid):
    """How many files and sockets a process holds open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def wait_until(holds, what):
    """Wait for what another thread or process brings about."""
    until = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < until, f"waited in vain: {what}"
        time.sleep(0.01)


KINDS = {"uint8": (255, "u1"), "uint16": (65535, "<u2"), "half": (1, "<f2"), "float": (1, "<f4")}


def drawn_pixels(frame, dtype="uint8"):
    """The body of ``pixels`` and the buffer for a frame of the drawn plate, 96x64 RGB."""
    scale, kind = KINDS[dtype]
    values = drawn_shot.plate(frame).permute(1, 2, 0).to(torch.float32) * scale
    values = values.round() if scale > 1 else values
    told = {"width": 96, "height": 64, "channels": ["R", "G", "B"], "dtype": dtype}
    return told, values.numpy().astype(kind).tobytes()


def drawn_mask(frame):
    """The body of ``pixels`` and the buffer for the mask of the first drawn object, half."""
    told = {"width": 96, "height": 64, "channels": ["A"], "dtype": "half"}
    return told, drawn_shot.known(frame)[0].numpy().astype("<f2").tobytes()
