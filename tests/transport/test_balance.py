"""Connections are spread over the cores as they come and go."""

from contextlib import ExitStack

from tests.blackbox.waiting import until
from tests.transport.gateway import Gateway, provider, read_until

from fastgate._core import MockProvider


def test_long_streams_are_spread_evenly(mock: MockProvider) -> None:
    mock.set_script('{"defaults": {"stall": "events:2"}}')
    with Gateway(provider(f"http://{mock.address}/v1"), threads=2) as gateway, ExitStack() as clients:
        streams = [clients.enter_context(gateway.stream()) for _ in range(64)]
        for stream in streams:
            read_until(stream, b"\n\n")
        assert gateway.connections_by_core() == [32, 32]
        # Whoever leaves makes room where it was: the next ones fill it up.
        for stream in streams[:21]:
            stream.close()
        until(lambda: sum(gateway.connections_by_core()) == 43, "21 connections are closed")
        for _ in range(21):
            read_until(clients.enter_context(gateway.stream()), b"\n\n")
        assert gateway.connections_by_core() == [32, 32]
        clients.close()
        until(lambda: gateway.connections_by_core() == [0, 0], "all connections are closed")
        assert gateway.engine.statistics()["connections"] == 0
