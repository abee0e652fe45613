"""Multipart forms: passed on as they come, with the model found in them, and bounded."""

from contextlib import suppress

import pytest
from tests.blackbox.configuration import CHAT_ONLY_KEY, KEY, open_provider
from tests.blackbox.conftest import Start
from tests.blackbox.gateway import Answer, Gateway
from tests.blackbox.upstream import Upstream

PATH = "/v1/audio/transcriptions"
BOUNDARY = "xYz"
BIG = b"\x00\xff\r\n-" * 40_000


def part(name: str, value: bytes, more: str = "") -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + value + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


FILE = part("file", BIG, '; filename="a.wav"')


def send(gateway: Gateway, body: bytes, key: str = KEY, **headers: str) -> Answer:
    own = {
        "authorization": f"Bearer {key}",
        "content-type": f"multipart/form-data; boundary={BOUNDARY}",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return gateway.fetch("POST", PATH, body, own)


def test_a_form_passes_to_the_byte(gateway: Gateway, upstream: Upstream) -> None:
    body = form(part("model", b"whisper-1"), FILE)
    assert send(gateway, body).status == 200
    seen = upstream.only()
    assert seen.body == body
    assert seen.header("content-length") == str(len(body))


def test_the_model_is_renamed_in_place(named_gateway: Gateway, upstream: Upstream) -> None:
    assert send(named_gateway, form(part("model", b"fast"), FILE)).status == 200
    assert upstream.only().body == form(part("model", b"upstream-alpha"), FILE)


def test_a_form_keeps_to_the_models_of_its_key(named_gateway: Gateway, upstream: Upstream) -> None:
    answer = send(named_gateway, form(part("model", b"fast"), FILE), key=CHAT_ONLY_KEY)
    assert (answer.status, answer.error()["code"]) == (403, "model_not_allowed")
    assert not upstream.seen()


def test_a_model_behind_the_file_needs_the_header(gateway: Gateway, upstream: Upstream) -> None:
    body = form(FILE, part("model", b"whisper-1"))
    answer = send(gateway, body)
    assert (answer.status, answer.error()["param"]) == (400, "model")
    assert not upstream.seen()
    assert send(gateway, body, x_fastgate_model="whisper-1").status == 200
    assert upstream.only().body == body
    refused = send(gateway, body, x_fastgate_model="another")
    assert (refused.status, refused.error()["param"]) == (400, "model")


@pytest.mark.parametrize(
    "body",
    [
        form(part("model", b"a"), part("model", b"b"), FILE),
        form(part("model", b"a"), FILE, part("model", b"b")),
        form(part("model", b"")),
        form(f"--{BOUNDARY}\r\n\r\nno name\r\n".encode()),
    ],
    ids=["twice", "twice, late", "empty", "no name"],
)
def test_a_form_that_can_be_read_in_two_ways(gateway: Gateway, upstream: Upstream, body: bytes) -> None:
    answer = send(gateway, body)
    assert (answer.status, answer.error()["code"]) == (400, "invalid_request")
    with suppress(ValueError):
        assert upstream.only().body != body


@pytest.mark.parametrize("chunked", [False, True])
def test_a_form_over_the_bound(door: str, start: Start, upstream: Upstream, chunked: bool) -> None:
    gateway = start(
        door, open_provider(upstream.base_url), settings='bounds = { multipart_body = "100KB" }\n'
    )
    body = form(part("model", b"whisper-1"), FILE)
    assert len(body) > 100_000
    if not chunked:
        answer = send(gateway, body)
        assert (answer.status, answer.error()["code"]) == (413, "request_too_large")
    else:
        with gateway.send_chunked(body, PATH, f"multipart/form-data; boundary={BOUNDARY}") as connection:
            head = connection.recv(4096)
        assert b" 413 " in head.split(b"\r\n")[0] + b" "
    assert send(gateway, form(part("model", b"whisper-1"), part("file", b"x"))).status == 200
