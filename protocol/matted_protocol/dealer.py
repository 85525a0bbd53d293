"""One connection to one daemon: a DEALER socket with CURVE, and what its monitor says went wrong."""

from collections.abc import Sequence
from typing import Any, Optional

import zmq
from zmq.utils.monitor import recv_monitor_message

from matted_protocol.connection import Connection
from matted_protocol.errors import DaemonError

LOST, REFUSED, DOUBTFUL = "lost", "refused", "doubtful"
"""The peer went or was not there; it knows no such client key; it could not read us: its key is another one."""

_TROUBLE = {
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: REFUSED,
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: DOUBTFUL,
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: DOUBTFUL,
    zmq.EVENT_DISCONNECTED: LOST,
    zmq.EVENT_CLOSED: LOST,
}


class Dealer:
    """A socket of the thread that made it. It connects once: whoever owns it decides when and where to try again.

    Raises:
        DaemonError: ``connection_damaged``; the endpoint or a key is not one.
    """

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", connection: Connection) -> None:
        self.connection = connection
        self._socket = context.socket(zmq.DEALER)
        self._socket.linger = 0
        self._socket.sndhwm = 0  # the daemon's own limits hold; a send never blocks
        self._socket.reconnect_ivl = 3_600_000  # ms: never; but with -1 what has come and is not read yet is dropped
        self._socket.heartbeat_ivl = 5000
        self._socket.heartbeat_timeout = 30000
        self._monitor = self._socket.get_monitor_socket(sum(_TROUBLE))
        try:
            self._socket.curve_serverkey = connection.server_key.encode()
            self._socket.curve_publickey = connection.public_key.encode()
            self._socket.curve_secretkey = connection.secret_key.encode()
            self._socket.connect(connection.endpoint)
        except (zmq.ZMQError, ValueError) as error:
            self.close()
            message = f"The connection file names an endpoint or keys that are none: {connection.endpoint!r}, {error}."
            hint = "Restart the daemon, or make the file again with 'matted connect-file'."
            raise DaemonError("connection_damaged", message, hint) from error

    def register(self, poller: zmq.Poller) -> None:
        """Wake this poller when a message or bad news comes."""
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._monitor, zmq.POLLIN)

    def send(self, parts: Sequence[Any], buffers: Sequence[Any] = ()) -> Optional[zmq.MessageTracker]:
        """Send a message. With ``buffers``, what tells when the last of them may change again."""
        if not buffers:
            self._socket.send_multipart(parts, zmq.NOBLOCK)
            return None
        self._socket.send_multipart(parts, zmq.NOBLOCK | zmq.SNDMORE)
        return self._socket.send_multipart(buffers, zmq.NOBLOCK, copy=False, track=True)

    def receive(self) -> Optional[list[bytes]]:
        """The next message that has come, if any."""
        try:
            return self._socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return None

    def trouble(self) -> Optional[str]:
        """What has ended this connection, if anything has."""
        while self._monitor.poll(0):
            event = zmq.Event(recv_monitor_message(self._monitor)["event"])
            if event in _TROUBLE:
                return _TROUBLE[event]
        return None

    def close(self) -> None:
        """Let go of both sockets; what was not sent is dropped."""
        self._socket.disable_monitor()
        self._monitor.close(linger=0)
        self._socket.close(linger=0)
