"""Starting and stopping an engine from Python."""

import gc
import os
import socket
import subprocess
import sys
import threading
import time

import pytest
from tests.blackbox.waiting import until
from tests.transport.gateway import Gateway, make_engine, provider, read_until, split

from fastgate._core import Engine, MockProvider

NOWHERE = provider("http://127.0.0.1:9/v1")


def serve(engine: Engine, listen: str = "127.0.0.1:0") -> tuple[str, int]:
    return split(engine.serve(listen=listen, admin=None, threads=2)[0])


def test_an_engine_that_does_not_serve_is_stopped_already() -> None:
    assert make_engine(NOWHERE).stop(1) is True


def test_a_stopped_engine_serves_again() -> None:
    with Gateway(NOWHERE) as gateway:
        assert gateway.engine.stop(1) is True
        listen, admin = gateway.engine.serve(listen="127.0.0.1:0", admin="127.0.0.1:0", threads=2)
        assert admin is not None
        gateway.address, gateway.admin = split(listen), split(admin)
        assert gateway.ask_admin("/readyz")[0] == 200
        assert gateway.connections_by_core() == [0, 0]


def test_an_engine_serves_once_at_a_time() -> None:
    engine = make_engine(NOWHERE)
    serve(engine)
    with pytest.raises(RuntimeError, match="serving already"):
        serve(engine)
    assert engine.stop(1) is True


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(OSError, match=f"can't listen on {address}: Address already in use"):
            serve(make_engine(NOWHERE), address)


def test_python_goes_on_while_a_stop_waits(mock: MockProvider) -> None:
    """The stream ends only because another thread of Python's runs during the stop."""
    mock.set_script('{"defaults": {"stall": "events:2"}}')
    with Gateway(provider(f"http://{mock.address}/v1")) as gateway, gateway.stream() as client:
        read_until(client, b"\n\n")

        def leave_once_it_is_stopping() -> None:
            until(lambda: gateway.ask_admin("/readyz")[0] == 503, "stopping")
            client.close()

        leaving = threading.Thread(target=leave_once_it_is_stopping)
        leaving.start()
        assert gateway.engine.stop(30) is True
        leaving.join()


def test_clients_that_have_said_nothing_do_not_hold_up_a_stop() -> None:
    with Gateway(NOWHERE) as gateway, socket.create_connection(gateway.address, timeout=10) as silent:
        until(lambda: gateway.connections_by_core() == [1], "connected")
        started = time.monotonic()
        assert gateway.engine.stop(30) is True
        assert time.monotonic() - started < 5
        assert silent.recv(1) == b""


def test_starting_and_stopping_at_once_is_no_deadlock() -> None:
    """In a process of its own: a deadlock that holds the GIL would take this one along."""
    script = """
import sys, threading
from contextlib import suppress
from fastgate._core import Engine
from fastgate.config import compile_tables, load_text
engine = Engine(compile_tables(load_text(sys.argv[1], {})))
def cycle(call):
    for _ in range(100):
        with suppress(RuntimeError):
            call()
starting = lambda: engine.serve(listen="127.0.0.1:0", admin=None, threads=2)
threads = [threading.Thread(target=cycle, args=(call,)) for call in (starting, lambda: engine.stop(0)) * 2]
for thread in threads: thread.start()
for thread in threads: thread.join()
engine.stop(0)
"""
    subprocess.run([sys.executable, "-c", script, NOWHERE], check=True, timeout=20)


def test_a_hundred_cycles_leave_nothing_behind() -> None:
    def cycle() -> None:
        engine = make_engine(NOWHERE)
        with socket.create_connection(serve(engine), timeout=10):
            pass
        assert engine.stop(5) is True

    def held() -> tuple[int, int]:
        return len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))

    cycle()
    gc.collect()
    before = held()
    for _ in range(100):
        cycle()
    assert held() == before
