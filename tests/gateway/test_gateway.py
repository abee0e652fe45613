"""`fastgate.Gateway`: the whole engine without a socket of its own."""

import asyncio
import gc
import json
from pathlib import Path
from typing import Any

import pytest
from tests.asgi.calls import CHAT, STREAM, write_config
from tests.asgi.conftest import Run

from fastgate import Gateway, Response
from fastgate._core import MockProvider
from fastgate.core import SseReader
from fastgate.errors import AnswerBroken, ConfigError, StateInUse

PATH = "/v1/chat/completions"
JSON = {"content-type": "application/json"}


def settings(folder: Path, provider: MockProvider, **more: Any) -> dict[str, Any]:
    return {
        "server": {"state_dir": str(folder / "state"), "admin": "off"},
        "providers": {"mock": {"dialect": "openai", "base_url": f"http://{provider.address}/v1"}},
        "deployments": {"d": {"provider": "mock", "model": "m"}},
        **more,
    }


async def closed_at_the_provider(provider: MockProvider) -> bool:
    return await asyncio.to_thread(provider.wait, requests=1, in_flight=0, timeout_s=5)


def test_json(tmp_path: Path, provider: MockProvider, run: Run) -> None:
    async def main() -> Response:
        async with Gateway(write_config(tmp_path, provider.address)) as gateway:
            return await gateway.handle("POST", PATH, JSON, CHAT)

    response = run(main())
    assert response.status == 200
    assert response.header("X-Fastgate-Deployment") == "d"
    body = asyncio.run(response.read())
    assert json.loads(body)["choices"][0]["message"]["content"]
    assert response.header("content-length") == str(len(body))
    assert response.header("nothing") is None
    [received] = provider.requests()
    assert json.loads(received["body"]) == json.loads(CHAT)


def test_stream(tmp_path: Path, provider: MockProvider, run: Run) -> None:
    async def main() -> list[bytes]:
        async with (
            Gateway(settings(tmp_path, provider)) as gateway,
            await gateway.handle("POST", PATH, list(JSON.items()), STREAM) as response,
        ):
            reader = SseReader()
            return [event.data async for chunk in response for event in reader.feed(chunk)]

    events = run(main())
    assert events[-1] == b"[DONE]"
    assert len(events) > 2


def test_query_errors_and_keys(tmp_path: Path, provider: MockProvider, run: Run) -> None:
    digest = "sha256:81b637d8fcd2c6da6359e6963113a1170de795e4b725b84d1e0b4cfd9ec58ce9"  # bob
    config = settings(tmp_path, provider, tenants={"t": {}}, keys=[{"digest": digest, "tenant": "t"}])

    async def main() -> None:
        async with Gateway(config) as gateway:
            assert (await gateway.handle("GET", "/v1/models?limit=1")).status == 401
            key = {"Authorization": "Bearer bob"}
            models = await gateway.handle("GET", "/v1/models?limit=1", key)
            assert models.status == 200
            answer = await gateway.handle("POST", PATH, key, b'{"model": "unknown"}')
            assert answer.status == 404
            assert json.loads(await answer.read())["error"]["code"] == "model_not_found"

    run(main())


def test_many_at_once(tmp_path: Path, provider: MockProvider, run: Run) -> None:
    async def main() -> set[int]:
        async with Gateway(settings(tmp_path, provider)) as gateway:
            calls = [gateway.handle("POST", PATH, JSON, CHAT) for _ in range(50)]
            return {response.status for response in await asyncio.gather(*calls)}

    assert run(main()) == {200}
    assert provider.counts()["requests"] == 50


def test_cancelling_closes_the_call(tmp_path: Path, run: Run) -> None:
    provider = MockProvider(latency_ms=50_000)

    async def main() -> None:
        async with Gateway(settings(tmp_path, provider)) as gateway:
            call = asyncio.ensure_future(gateway.handle("POST", PATH, JSON, CHAT))
            assert await asyncio.to_thread(provider.wait, requests=1, in_flight=1)
            call.cancel()
            assert await closed_at_the_provider(provider)

    run(main())
    assert provider.counts()["client_closed"] == 1
    provider.stop()


@pytest.mark.parametrize("way", ["aclose", "forget", "cancel"])
def test_giving_up_a_stream_closes_the_call(tmp_path: Path, run: Run, way: str) -> None:
    provider = MockProvider(stall="events:3")

    async def main() -> None:
        async with Gateway(settings(tmp_path, provider)) as gateway:
            response = await gateway.handle("POST", PATH, JSON, STREAM)
            assert await anext(response)
            if way == "aclose":
                await response.aclose()
                with pytest.raises(AnswerBroken, match="closed before its end"):
                    await response.read()
            elif way == "cancel":
                reading = asyncio.ensure_future(response.read())
                await asyncio.sleep(0)
                reading.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await reading
            else:
                del response
                gc.collect()
            assert await closed_at_the_provider(provider)

    run(main())
    assert provider.counts()["client_closed"] == 1
    provider.stop()


def test_a_broken_answer_raises(tmp_path: Path, run: Run) -> None:
    provider = MockProvider(content_bytes=3_000_000, framing="chunked", cut="bytes:2000000")

    async def main() -> None:
        async with Gateway(settings(tmp_path, provider)) as gateway:
            response = await gateway.handle("POST", PATH, JSON, CHAT)
            assert response.status == 200
            with pytest.raises(AnswerBroken):
                await response.read()

    run(main())
    provider.stop()


def test_a_large_answer_arrives_whole_and_slow_readers_hold_it_back(tmp_path: Path, run: Run) -> None:
    provider = MockProvider(content_bytes=20_000_000, framing="chunked")

    async def main() -> bytes:
        async with Gateway(settings(tmp_path, provider)) as gateway:
            response = await gateway.handle("POST", PATH, JSON, CHAT)
            first = await anext(response)
            assert not await asyncio.to_thread(provider.wait, requests=1, in_flight=0, timeout_s=0.3)
            return first + await response.read()

    body = run(main())
    assert len(json.loads(body)["choices"][0]["message"]["content"]) == 20_000_000
    provider.stop()


def test_several_gateways_in_one_process(tmp_path: Path, run: Run) -> None:
    providers = [MockProvider(content=name) for name in ("one", "two")]

    async def main() -> None:
        one, two = (settings(tmp_path / str(index), each) for index, each in enumerate(providers))
        async with Gateway(one) as first, Gateway(two) as second:
            for gateway, content in ((first, "one"), (second, "two")):
                answer = json.loads(await (await gateway.handle("POST", PATH, JSON, CHAT)).read())
                assert answer["choices"][0]["message"]["content"] == content
            with pytest.raises(StateInUse):
                await Gateway(one).__aenter__()
        async with Gateway(one) as again:
            assert (await again.handle("GET", "/v1/models")).status == 200

    run(main())
    for provider in providers:
        provider.stop()


def test_closing_waits_for_what_is_in_flight(tmp_path: Path, run: Run) -> None:
    provider = MockProvider(latency_ms=300)

    async def main() -> int:
        async with Gateway(settings(tmp_path, provider)) as gateway:
            call = asyncio.ensure_future(gateway.handle("POST", PATH, JSON, CHAT))
            assert await asyncio.to_thread(provider.wait, requests=1, in_flight=1)
        return (await call).status

    assert run(main()) == 200
    provider.stop()


def test_only_where_it_is_open(tmp_path: Path, provider: MockProvider, run: Run) -> None:
    gateway = Gateway(settings(tmp_path, provider))

    async def main() -> None:
        with pytest.raises(RuntimeError, match="not open here"):
            await gateway.handle("GET", "/v1/models")

    async def opened_elsewhere() -> None:
        async with gateway:
            await asyncio.to_thread(asyncio.run, main())
        await main()

    run(main())
    run(opened_elsewhere())


def test_wrong_settings_are_named(tmp_path: Path, provider: MockProvider, run: Run) -> None:
    config = settings(tmp_path, provider, deployments={"d": {"provider": "mok", "model": "m"}})

    async def main() -> None:
        with pytest.raises(ConfigError, match=r"deployments\.d\.provider"):
            await Gateway(config).__aenter__()

    run(main())
    assert not (tmp_path / "state").exists()
