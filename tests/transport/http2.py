"""An HTTP/2 client that does what it is told and no more: one connection, streams by number."""

import socket
import ssl
from types import TracebackType
from typing import Self

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RemoteSettingsChanged, ResponseReceived, StreamEnded, StreamReset
from h2.settings import SettingCodes
from tests.transport.gateway import CHAT, CLIENT_TIMEOUT_S, Address


class Http2Client:
    """Speaks HTTP/2 from the first byte, over TLS if given a context."""

    def __init__(self, address: Address, tls: ssl.SSLContext | None = None) -> None:
        plain = socket.create_connection(address, timeout=CLIENT_TIMEOUT_S)
        if tls is None:
            self._socket = plain
        else:
            tls.set_alpn_protocols(["h2"])
            secure = tls.wrap_socket(plain, server_hostname="localhost")
            assert secure.selected_alpn_protocol() == "h2"
            self._socket = secure
        self.headers: dict[int, dict[str, str]] = {}
        self.bodies: dict[int, bytes] = {}
        self.ended: set[int] = set()
        self.was_reset: set[int] = set()
        self.stream_limit: int | None = None
        """What the gateway says of concurrent streams."""
        self._scheme = "https" if tls else "http"
        self._http2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._http2.initiate_connection()
        self._flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def chat(self, body: bytes, *more: tuple[str, str], end: bool = True) -> int:
        """Sends a request with `more` headers, or all but its end; its stream's number."""
        stream = self._http2.get_next_available_stream_id()
        headers = [
            (":method", "POST"),
            (":scheme", self._scheme),
            (":authority", "localhost"),
            (":path", CHAT),
            ("content-type", "application/json"),
            *more,
        ]
        self._http2.send_headers(stream, headers)
        self._http2.send_data(stream, body, end_stream=end)
        self.bodies[stream] = b""
        self._flush()
        return stream

    def reset(self, stream: int) -> None:
        """CANCEL."""
        self._http2.reset_stream(stream, 8)
        self._flush()

    def read_until(self, stream: int, end: bytes) -> None:
        while end not in self.bodies[stream]:
            self._receive()

    def read_all(self, *streams: int) -> None:
        while not self.ended.issuperset(streams):
            self._receive()

    def read_until_reset(self, stream: int) -> None:
        while stream not in self.was_reset:
            self._receive()

    def read_to_the_end(self) -> None:
        """Until the gateway closes the connection."""
        while data := self._socket.recv(65536):
            self._http2.receive_data(data)

    def send(self, data: bytes) -> None:
        """Bytes that no well-behaved client sends."""
        self._socket.sendall(data)

    def _receive(self) -> None:
        data = self._socket.recv(65536)
        assert data, "the connection was closed"
        for event in self._http2.receive_data(data):
            self._take(event)
        self._flush()

    def _take(self, event: Event) -> None:
        match event:
            case ResponseReceived(stream_id=int(stream)):
                self.headers[stream] = {str(name): str(value) for name, value in event.headers or []}
            case DataReceived(stream_id=int(stream)):
                self.bodies[stream] += event.data or b""
                self._http2.acknowledge_received_data(event.flow_controlled_length or 0, stream)
            case StreamReset(stream_id=int(stream)):
                self.was_reset.add(stream)
            case RemoteSettingsChanged(changed_settings=changed):
                if limit := changed.get(SettingCodes.MAX_CONCURRENT_STREAMS):
                    self.stream_limit = limit.new_value
            case StreamEnded(stream_id=int(stream)):
                self.ended.add(stream)

    def _flush(self) -> None:
        self._socket.sendall(self._http2.data_to_send())
