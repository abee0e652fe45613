"""Deliveries: signed, in order, bounded, repeated with the same id."""

import base64
import hashlib
import hmac
import json
import logging
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from tests.blackbox.waiting import until
from tests.limits.conftest import Receiver, StillWebhook

from fastgate.limits.webhook import (
    BATCH_LENGTH,
    QUEUE_LENGTH,
    TRIES,
    WAIT_MAX_S,
    Delivery,
    Target,
    Webhook,
    headers,
    post,
)

URL = "https://hooks.example.com/x"
START_S = 1_800_000_000.0


class Clock:
    now_s = 0.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def webhook(receiver: Receiver, clock: Clock) -> Webhook:
    return StillWebhook(
        Target(URL, None),
        send=receiver.send,
        now_s=lambda: clock.now_s,
        unix_s=lambda: START_S + clock.now_s,
        jitter=lambda: 1.0,
    )


def test_events_are_delivered_together(webhook: Webhook, receiver: Receiver) -> None:
    assert webhook.step() is None
    webhook.offer({"kind": "warned"})
    webhook.offer({"kind": "denied"})
    assert webhook.step() is None
    ((url, sent, body),) = receiver.got
    assert url == URL
    assert body == {
        "type": "limits.reached",
        "timestamp": "2027-01-15T08:00:00Z",
        "data": {"events": [{"kind": "warned"}, {"kind": "denied"}]},
    }
    assert sent["webhook-timestamp"] == "1800000000"
    assert sent["webhook-id"].startswith("msg_")
    assert "webhook-signature" not in sent
    assert webhook.step() is None
    assert len(receiver.got) == 1


def test_a_failed_delivery_is_repeated_with_the_same_id_and_longer_pauses(
    webhook: Webhook, receiver: Receiver, clock: Clock
) -> None:
    receiver.answers = [503, OSError("refused"), 429, 200]
    webhook.offer({"number": 1})
    assert webhook.step() == 1.0
    webhook.offer({"number": 2})
    assert webhook.step() == 1.0, "nothing hurries it"
    assert len(receiver.got) == 1
    clock.now_s += 1.0
    assert webhook.step() == 2.0
    clock.now_s += 2.0
    assert webhook.step() == 4.0
    clock.now_s += 4.0
    assert webhook.step() == 0.0, "more is waiting"
    ids = [sent["webhook-id"] for _, sent, _ in receiver.got]
    assert len(set(ids)) == 1
    assert [sent["webhook-timestamp"] for _, sent, _ in receiver.got] == [
        str(int(START_S) + passed) for passed in (0, 1, 3, 7)
    ]
    assert webhook.step() is None
    assert receiver.got[-1][2]["data"]["events"] == [{"number": 2}]
    assert receiver.got[-1][1]["webhook-id"] not in ids
    assert webhook.dropped == 0


@pytest.mark.parametrize("answer", [400, 401, 404, 410, 301, 302])
def test_what_would_be_refused_again_is_dropped(
    webhook: Webhook, receiver: Receiver, answer: int, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answers = [answer]
    webhook.offer({})
    webhook.offer({})
    assert webhook.step() is None
    assert webhook.dropped == 2
    assert f"{URL} answered {answer}; 2 events are dropped after 1 tries" in caplog.text


def test_in_the_end_a_delivery_is_given_up(
    webhook: Webhook, receiver: Receiver, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answers = [OSError("nobody there")] * TRIES
    webhook.offer({})
    waits: list[float] = []
    while (wait_s := webhook.step()) is not None:
        waits.append(wait_s)
        clock.now_s += wait_s
    assert len(receiver.got) == TRIES
    assert waits == [min(2.0**tries, WAIT_MAX_S) for tries in range(TRIES - 1)]
    assert webhook.dropped == 1
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.ERROR]


def test_the_queue_and_a_delivery_are_bounded(
    webhook: Webhook, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(QUEUE_LENGTH + 5):
        webhook.offer({"number": number})
    assert webhook.dropped == 5
    assert len(caplog.records) == 1
    while webhook.step() is not None:
        pass
    assert [event["number"] for event in receiver.events()] == list(range(QUEUE_LENGTH))
    assert {len(body["data"]["events"]) for _, _, body in receiver.got} == {BATCH_LENGTH}


@pytest.mark.parametrize(
    ("secret", "key"),
    [
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")),
        ("plain secret", b"plain secret"),
        ("whsec_not base64!", b"whsec_not base64!"),
    ],
)
def test_signatures(secret: str, key: bytes) -> None:
    sent = headers(
        Delivery("msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', 1), secret, 1_614_265_330
    )
    signed = b'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}'
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert sent["webhook-signature"] == f"v1,{expected}"
    if secret.startswith("whsec_M"):
        # The example of the specification's own libraries.
        assert expected == "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_no_secret_in_a_repr() -> None:
    assert "s3cret" not in repr(Target(URL, "s3cret"))


class Server:
    """A receiver behind a socket."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], Any]] = []
        self.answer = 204
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                names = {name.lower(): value for name, value in self.headers.items()}
                outer.got.append((self.path, names, json.loads(body)))
                self.send_response(outer.answer)
                self.send_header("location", "/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.close()


def test_a_body_over_http(server: Server) -> None:
    assert post(server.url, {"webhook-id": "msg_1", "content-type": "application/json"}, b'{"a":1}') == 204
    path, sent, body = server.got[0]
    assert (path, sent["webhook-id"], sent["content-type"], body) == (
        "/hook",
        "msg_1",
        "application/json",
        {"a": 1},
    )
    server.answer = 302
    assert post(server.url, {}, b"{}") == 302
    assert len(server.got) == 2, "a redirect is not followed"
    server.answer = 500
    assert post(server.url, {}, b"{}") == 500


def test_a_receiver_that_is_not_there() -> None:
    with socket.socket() as silent:
        # Bound, so that nobody else gets the port, but not listening.
        silent.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="refused"):
            post(f"http://127.0.0.1:{silent.getsockname()[1]}/", {}, b"{}")


def test_the_thread_delivers_and_ends(server: Server) -> None:
    webhook = Webhook(Target(server.url, "s"))
    webhook.start()
    webhook.offer({"number": 1})
    until(lambda: len(server.got) == 1, "a delivery")
    webhook.offer({"number": 2})
    until(lambda: len(server.got) == 2, "another one")
    webhook.stop()
    until(lambda: webhook._thread is not None and not webhook._thread.is_alive(), "the end of the thread")
    assert [body["data"]["events"] for _, _, body in server.got] == [[{"number": 1}], [{"number": 2}]]


def test_who_offers_does_not_wait_and_the_end_neither(caplog: pytest.LogCaptureFixture) -> None:
    entered, leave = threading.Event(), threading.Event()

    def hang(*_: object) -> int:
        entered.set()
        leave.wait(10)
        return 204

    webhook = Webhook(Target(URL, None), send=hang)
    webhook.start()
    webhook.offer({})
    assert entered.wait(10)
    for _ in range(3):
        webhook.offer({})
    webhook.stop()
    assert "4 events for https://hooks.example.com/x were not delivered" in caplog.text
    leave.set()
    until(lambda: webhook._thread is not None and not webhook._thread.is_alive(), "the end of the thread")
