"""The ASGI application, called by hand: no server, no framework, no sleeps."""

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.asgi.calls import CHAT, STREAM, Client, Lifespan, scope, write_config
from tests.asgi.conftest import Run

from fastgate._core import MockProvider
from fastgate.asgi import create_app
from fastgate.asgi.application import target_path
from fastgate.errors import AnswerBroken

# Far more than the engine lets be on its way, and than it reads whole.
LARGE_BYTES = 3_000_000


def script(**behaviour: Any) -> str:
    return json.dumps({"steps": [behaviour]})


async def once(file: Path, caller: Client | None = None, /, **parts: Any) -> Client:
    app = create_app(file)
    async with Lifespan(app):
        return await (caller or Client()).call(app, **parts)


def test_json(tmp_path: Path, provider: MockProvider, run: Run) -> None:
    client = run(once(write_config(tmp_path, provider.address)))
    assert client.status == 200
    assert client.is_whole
    assert len(client.sent) == 2
    assert int(client.headers[b"content-length"]) == len(client.body)
    assert client.headers[b"x-fastgate-deployment"] == b"d"
    [received] = provider.requests()
    assert json.loads(received["body"]) == json.loads(CHAT)


def test_stream(tmp_path: Path, provider: MockProvider, run: Run) -> None:
    client = run(once(write_config(tmp_path, provider.address), Client([STREAM])))
    assert client.headers[b"content-type"].startswith(b"text/event-stream")
    assert b"content-length" not in client.headers
    assert client.body.endswith(b"data: [DONE]\n\n")
    assert client.is_whole


def test_body_in_several_events(tmp_path: Path, provider: MockProvider, run: Run) -> None:
    parts = [CHAT[:10], b"", CHAT[10:20], CHAT[20:]]
    assert run(once(write_config(tmp_path, provider.address), Client(parts))).status == 200
    assert json.loads(provider.requests()[0]["body"]) == json.loads(CHAT)


@pytest.mark.parametrize("pieces", [1, 4])
def test_too_large_body(tmp_path: Path, provider: MockProvider, run: Run, pieces: int) -> None:
    file = write_config(tmp_path, provider.address, 'bounds = { request_body = "64KB" }')
    parts = [b"x" * (200_000 // pieces)] * pieces
    client = run(once(file, Client(parts)))
    assert (client.status, client.error) == (413, "request_too_large")
    # Reading stops soon after the limit, and the server is told not to go on.
    assert (client.received_calls == 2) == (pieces == 4) or pieces == 1
    assert (client.headers.get(b"connection") == b"close") == (pieces == 4)
    assert provider.counts()["requests"] == 0


def test_client_leaves_before_the_body_is_whole(tmp_path: Path, provider: MockProvider, run: Run) -> None:
    async def main() -> Client:
        app = create_app(write_config(tmp_path, provider.address))
        client = Client([])
        client.leaving.set()
        async with Lifespan(app):
            return await client.call(app)

    assert run(main()).sent == []


def test_client_leaves_while_waiting(tmp_path: Path, run: Run) -> None:
    provider = MockProvider(latency_ms=50_000)

    async def main() -> tuple[Client, float]:
        app = create_app(write_config(tmp_path, provider.address))
        client = Client()
        async with Lifespan(app):
            call = asyncio.ensure_future(client.call(app))
            assert await asyncio.to_thread(provider.wait, requests=1, in_flight=1)
            started = time.monotonic()
            client.leaving.set()
            await call
            assert await asyncio.to_thread(provider.wait, requests=1, in_flight=0, timeout_s=5)
            return client, time.monotonic() - started

    client, closed_after_s = run(main())
    assert client.sent == []
    assert provider.counts()["client_closed"] == 1
    assert closed_after_s < 0.1
    provider.stop()


def test_client_leaves_while_streaming(tmp_path: Path, run: Run) -> None:
    provider = MockProvider(stall="events:3")

    async def main() -> tuple[Client, float]:
        app = create_app(write_config(tmp_path, provider.address))
        client = Client([STREAM])
        async with Lifespan(app):
            call = asyncio.ensure_future(client.call(app))
            await client.received.wait()
            started = time.monotonic()
            client.leaving.set()
            await call
            assert await asyncio.to_thread(provider.wait, requests=1, in_flight=0, timeout_s=5)
            return client, time.monotonic() - started

    client, closed_after_s = run(main())
    assert not client.is_whole
    assert provider.counts()["client_closed"] == 1
    assert closed_after_s < 0.1
    provider.stop()


def test_cancelled_task_cancels_the_exchange(tmp_path: Path, run: Run) -> None:
    provider = MockProvider(latency_ms=50_000)

    async def main() -> None:
        app = create_app(write_config(tmp_path, provider.address))
        async with Lifespan(app):
            call = asyncio.ensure_future(Client().call(app))
            assert await asyncio.to_thread(provider.wait, requests=1, in_flight=1)
            call.cancel()
            assert await asyncio.to_thread(provider.wait, requests=1, in_flight=0, timeout_s=5)

    run(main())
    provider.stop()


def test_a_quick_exchange_is_never_watched(tmp_path: Path, provider: MockProvider, run: Run) -> None:
    client = run(once(write_config(tmp_path, provider.address)))
    assert client.received_calls == 1


def test_broken_answer_raises(tmp_path: Path, run: Run) -> None:
    provider = MockProvider(
        content_bytes=LARGE_BYTES, framing="chunked", cut=f"bytes:{LARGE_BYTES // 2 + 500_000}"
    )
    client = Client()

    async def main() -> None:
        app = create_app(write_config(tmp_path, provider.address))
        async with Lifespan(app):
            with pytest.raises(AnswerBroken):
                await client.call(app)

    run(main())
    assert client.status == 200
    assert not client.is_whole
    provider.stop()


def test_slow_client_holds_the_provider_back(tmp_path: Path, run: Run) -> None:
    provider = MockProvider(content_bytes=40_000_000, framing="chunked")

    async def main() -> tuple[Client, int]:
        app = create_app(write_config(tmp_path, provider.address))
        gate = asyncio.Semaphore(2)
        client = Client(gate=gate)
        async with Lifespan(app):
            call = asyncio.ensure_future(client.call(app))
            await client.received.wait()
            # Still being answered: what does not fit anywhere waits at the provider.
            assert not await asyncio.to_thread(provider.wait, requests=1, in_flight=0, timeout_s=0.3)
            [door] = app._doors._doors.values()
            [exchange] = door._exchanges.values()
            held = sum(len(event[3]) for event in exchange.pending or () if event)
            for _ in range(2000):
                gate.release()
            await call
            return client, held

    client, held = run(main())
    assert held < 512 * 1024
    assert client.is_whole
    assert len(json.loads(client.body)["choices"][0]["message"]["content"]) == 40_000_000
    provider.stop()


def test_starts_with_the_first_request(tmp_path: Path, provider: MockProvider, run: Run) -> None:
    async def main() -> None:
        app = create_app(write_config(tmp_path, provider.address))
        assert not (tmp_path / "state").exists()
        assert (await Client().call(app)).status == 200
        await app._doors.close()

    run(main())


@pytest.mark.skipif(sys.platform != "linux", reason="thread scheduling is Linux's")
def test_the_engine_interrupts_nobody_and_the_loop_only_while_it_is_ours(
    tmp_path: Path, provider: MockProvider, run: Run
) -> None:
    file = write_config(tmp_path, provider.address)

    def policies(threads: set[int]) -> set[int]:
        return {os.sched_getscheduler(thread) for thread in threads}

    async def main() -> None:
        before = all_threads()
        mounted = create_app(file)
        await Client().call(mounted)
        engine = {thread for thread in all_threads() - before if name(thread).startswith("fastgate-q")}
        assert (policies(engine), policies({0})) == ({os.SCHED_BATCH}, {os.SCHED_OTHER})
        # Not started by a lifespan, so nobody else closes it.
        await close(mounted)
        async with Lifespan(create_app(file)):
            assert policies({0}) == {os.SCHED_BATCH}
        assert policies({0}) == {os.SCHED_OTHER}

    run(main())


def all_threads() -> set[int]:
    return {int(thread) for thread in os.listdir("/proc/self/task")}


def name(thread: int) -> str:
    return Path(f"/proc/self/task/{thread}/comm").read_text()


async def close(app: Any) -> None:
    async with Lifespan(app):
        pass


def test_a_wrong_configuration_fails_the_start(tmp_path: Path, run: Run) -> None:
    file = tmp_path / "fastgate.toml"
    file.write_text("[server]\nlisten = 5\n", encoding="utf-8")

    async def main() -> dict[str, Any]:
        async with Lifespan(create_app(file)) as answer:
            return dict(answer)

    answer = run(main())
    assert answer["type"] == "lifespan.startup.failed"
    assert "fastgate.toml:2" in answer["message"]


def test_one_application_on_two_loops(tmp_path: Path, provider: MockProvider, run: Run) -> None:
    app = create_app(write_config(tmp_path, provider.address))

    async def main(*, goodbye: bool) -> None:
        assert (await Client().call(app)).status == 200
        if goodbye:
            await app._doors.close()

    run(main(goodbye=False))
    run(main(goodbye=True))
    assert app._doors._doors == {}


@pytest.mark.parametrize(
    ("parts", "path"),
    [
        ({"root_path": "/ai", "path": "/ai/v1/models", "raw_path": b"/ai/v1/models"}, b"/v1/models"),
        ({"root_path": "/ai", "path": "/v1/models", "raw_path": b"/v1/models"}, b"/v1/models"),
        ({"root_path": "/ai", "path": "/ai/v1/models"}, "/v1/models"),
        ({"root_path": "/ai", "path": "/aim/v1"}, "/aim/v1"),
        ({"root_path": "/ai", "path": "/ai", "raw_path": b"/ai"}, b"/"),
        ({"root_path": "/a b", "path": "/a b/v1", "raw_path": b"/a%20b/v1"}, "/v1"),
        ({"root_path": "/ai/", "path": "/ai/x%2Fy", "raw_path": b"/ai/x%2Fy"}, b"/x%2Fy"),
    ],
)
def test_root_path(parts: dict[str, Any], path: bytes | str) -> None:
    assert target_path(scope(**parts)) == path


def test_mounted(tmp_path: Path, provider: MockProvider, run: Run) -> None:
    file = write_config(tmp_path, provider.address)
    assert run(once(file, path="/ai/v1/chat/completions", root_path="/ai")).status == 200
    assert run(once(file, path="/ai/v1/chat/completions")).status == 404


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ({"client": ("192.0.2.1", 1)}, 403),
        ({"client": None}, 403),
        ({"client": None, "server": ("/run/x.sock", None)}, 200),
        ({"client": ("::1", 1)}, 200),
        ({"headers": [(b"host", b"localhost"), (b"x-forwarded-for", b"127.0.0.1")]}, 403),
        ({"headers": [(b"host", b"evil.example")]}, 403),
        ({"headers": [(b"host", b"localhost"), (b"b\xc3d name", b"x")]}, 400),
        ({"headers": [(b"host", b"localhost"), (b"x", b"a\r\nb: c")]}, 400),
        ({"method": "GET"}, 405),
        ({"method": "HEAD"}, 405),
        ({"path": "/nowhere"}, 404),
    ],
)
def test_refusals_are_the_engines(
    tmp_path: Path, provider: MockProvider, run: Run, parts: dict[str, Any], status: int
) -> None:
    client = run(once(write_config(tmp_path, provider.address), **parts))
    assert client.status == status, client.body
    assert client.is_whole


def test_websockets_are_refused(tmp_path: Path, run: Run) -> None:
    sent = []

    async def main() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await create_app(tmp_path / "none.toml")({"type": "websocket"}, receive, send)

    run(main())
    assert sent == [{"type": "websocket.close", "code": 1003, "reason": "HTTP only"}]


def test_what_is_in_flight_finishes_before_the_shutdown(tmp_path: Path, run: Run) -> None:
    provider = MockProvider(latency_ms=150)

    async def main() -> Client:
        app = create_app(write_config(tmp_path, provider.address))
        client = Client()
        async with Lifespan(app):
            call = asyncio.ensure_future(client.call(app))
            assert await asyncio.to_thread(provider.wait, requests=1, in_flight=1)
        return await call

    assert run(main()).status == 200
    provider.stop()
