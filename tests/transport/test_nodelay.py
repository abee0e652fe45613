"""No socket of the data path waits for acknowledgements (Nagle)."""

import os
import socket
from collections.abc import Iterator
from contextlib import suppress

from tests.transport.gateway import Gateway, provider, read_until, split

from fastgate._core import MockProvider


def own_tcp_sockets() -> Iterator[socket.socket]:
    """Copies of this process's connected sockets; each is open until the next is asked for."""
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            if not os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(name))) as copy:
                if copy.type == socket.SOCK_STREAM and copy.family == socket.AF_INET:
                    copy.getpeername()
                    yield copy


def test_both_sides_send_at_once(mock: MockProvider) -> None:
    mock.set_script('{"defaults": {"stall": "events:2"}}')
    with Gateway(provider(f"http://{mock.address}/v1")) as gateway, gateway.stream() as client:
        read_until(client, b"\n\n")
        found = {
            (link.getsockname(), link.getpeername()): link.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            for link in own_tcp_sockets()
        }
        from_client = (gateway.address, client.getsockname())
        (to_provider,) = [ends for ends in found if ends[1] == split(mock.address)]
        assert found[from_client] == 1
        assert found[to_provider] == 1
        # The test's own end shows that the option is not everyone's default.
        assert found[client.getsockname(), gateway.address] == 0
