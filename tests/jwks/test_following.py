"""When keys are fetched, and what happens when they can't be. Time is an argument."""

import logging
import threading

import pytest

from fastgate.jwks.following import UNKNOWN_KEY_SPACING_S, Follower, Following
from fastgate.jwks.source import KeysUnavailable, Source

REFRESH_S = 300.0
SOURCE = Source("https://id.example.com/", "https://id.example.com/keys", None, REFRESH_S)


class FakeEngine:
    """Keeps the documents it is given; refuses those that say so."""

    def __init__(self) -> None:
        self.documents: list[bytes] = []
        self.unknown = 0

    def set_jwks(self, issuer: str, document: bytes) -> int:
        if document == b"bad":
            raise ValueError("no key that can check a signature")
        self.documents.append(document)
        return 1

    def unknown_token_keys(self) -> int:
        return self.unknown


class Issuer:
    """What is published, and how often it was asked for."""

    def __init__(self) -> None:
        self.document: bytes | None = b"first"
        self.asked = 0

    def read(self, source: Source) -> bytes:
        self.asked += 1
        if self.document is None:
            raise KeysUnavailable("https://id.example.com/keys: answered 500")
        return self.document


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def follower(engine: FakeEngine, issuer: Issuer) -> Follower:
    return Follower(SOURCE, engine, issuer.read)


def test_keys_are_fetched_at_once_and_then_every_refresh(
    follower: Follower, engine: FakeEngine, issuer: Issuer
) -> None:
    for now in (0.0, 0.25, REFRESH_S - 1):
        follower.step(now)
    assert (engine.documents, issuer.asked) == ([b"first"], 1)
    follower.step(REFRESH_S)
    assert (engine.documents, issuer.asked) == ([b"first"], 2), "the same keys are not set again"
    issuer.document = b"second"
    follower.step(2 * REFRESH_S)
    assert engine.documents == [b"first", b"second"]


def test_an_unknown_key_brings_the_fetch_forward_but_not_often(
    follower: Follower, engine: FakeEngine, issuer: Issuer
) -> None:
    follower.step(0)
    engine.unknown = 1
    follower.step(1)
    assert issuer.asked == 2
    for now in range(2, 100):
        engine.unknown += 1
        follower.step(float(now))
    assert issuer.asked == 2 + 98 // UNKNOWN_KEY_SPACING_S
    asked = issuer.asked
    follower.step(150)
    follower.step(151)
    assert issuer.asked == asked + 1, "what came during the spacing is asked for after it, once"


def test_old_keys_stay_when_a_refresh_fails(
    follower: Follower, engine: FakeEngine, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    follower.step(0)
    for document in (None, b"bad"):
        issuer.document = document
        caplog.clear()
        follower.step(follower._next_at or 0)
        assert engine.documents == [b"first"]
        assert "the keys from before stay" in caplog.text
        assert caplog.records[0].levelno == logging.WARNING


def test_a_server_that_is_down_at_the_start_is_asked_again_ever_more_rarely(
    follower: Follower, engine: FakeEngine, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.document = None
    now, waits = 0.0, []
    for _ in range(9):
        follower.step(now)
        assert follower._next_at is not None
        waits.append(follower._next_at - now)
        now = follower._next_at
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert follower.tried.is_set()
    assert "answered 500; its tokens are refused until then, next try in 1 s" in caplog.text
    issuer.document = b"first"
    follower.step(now)
    assert engine.documents == [b"first"]
    assert follower._next_at == now + REFRESH_S


def test_who_stays_configured_keeps_its_pace(
    engine: FakeEngine, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Follower.__init__, "__defaults__", (issuer.read,))
    before = threading.active_count()
    following = Following(engine)
    following.follow([SOURCE], wait_s=10)
    assert engine.documents == [b"first"]
    following.follow([SOURCE], wait_s=10)
    assert issuer.asked == 1
    following.follow([Source("https://other.example.com/", "x", None, REFRESH_S)], wait_s=10)
    assert (issuer.asked, len(engine.documents)) == (2, 2)
    following.stop()
    for thread in threading.enumerate():
        if thread.name == "fastgate-jwks":
            thread.join(10)
    assert threading.active_count() == before
