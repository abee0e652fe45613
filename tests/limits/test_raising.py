"""Raises in force: kept before they hold, ended by time, by hand, by a reload; restarts go on."""

import json
import logging
import os
from pathlib import Path

import pytest
from tests.limits.conftest import HOUR_MS, START_MS, TEXT, Bench, rules_of

from fastgate.limits import raising
from fastgate.limits.raises import RaiseRefused


def test_a_raise_holds_at_once_and_ends_by_itself(bench: Bench) -> None:
    raised = bench.start()
    assert raised.id == "raise-20270115T080000"
    assert [one["amount"] for one in bench.engine.raises] == [8 * 10**12]
    bench.pass_ms(2 * HOUR_MS - 1)
    assert bench.states() == [("budget", "in force")]
    bench.pass_ms(1)
    assert bench.engine.raises == []
    (over,) = bench.raises.all()
    assert (over["state"], over["why"]) == ("over", "its time was over")
    assert over["ended_unix_ms"] == START_MS + 2 * HOUR_MS
    told = bench.engine.told
    bench.pass_ms(HOUR_MS)
    assert bench.engine.told == told, "the engine is told of changes only"


def test_a_restart_goes_on_and_ends_what_was_over_meanwhile(bench: Bench) -> None:
    bench.start()
    bench.start("features", 90, **{"for": "1h"})
    bench.now_ms += HOUR_MS + 5_000
    bench.restart()
    assert [one["rule"] for one in bench.engine.raises] == ["budget"]
    assert bench.states() == [("budget", "in force"), ("features", "over")]
    # It was over when its time was, not when that was noticed.
    assert bench.raises.all()[1]["ended_unix_ms"] == START_MS + HOUR_MS
    bench.restart()
    assert bench.states() == [("budget", "in force"), ("features", "over")]


def test_another_raise_of_the_same_count_takes_its_place(bench: Bench) -> None:
    rule = "tenant acme: tokens per user and 1h"
    first = bench.start(rule, 2_000, identity={"user": "u1"})
    bench.start(rule, 3_000, identity={"user": "u2"})
    bench.start(rule, 1_500)
    second = bench.start(rule, 4_000, identity={"user": "u1", "tenant": "acme"})
    assert second.id == f"{first.id}-4"
    assert [(one["identity"], one["amount"]) for one in bench.engine.raises] == [
        ({"tenant": "acme", "user": "u2"}, 3_000),
        (None, 1_500),
        ({"tenant": "acme", "user": "u1"}, 4_000),
    ]
    assert bench.raises.all()[-1]["why"] == f"{second.id} took its place"


def test_a_raise_is_ended_by_hand(bench: Bench) -> None:
    raised = bench.start()
    bench.now_ms += 60_000
    over = bench.raises.stop(raised.id, "alice")
    assert (over["why"], over["ended_unix_ms"]) == ("ended by alice", START_MS + 60_000)
    assert bench.engine.raises == []
    with pytest.raises(RaiseRefused, match="is over: ended by alice") as caught:
        bench.raises.stop(raised.id, "bob")
    assert (caught.value.status, caught.value.code) == (409, "raise_is_over")
    with pytest.raises(RaiseRefused, match="there is no raise nope") as caught:
        bench.raises.stop("nope", "bob")
    assert (caught.value.status, caught.value.code) == (404, "unknown_raise")


def test_a_reload_ends_raises_of_limits_that_are_gone(bench: Bench) -> None:
    bench.start()
    bench.start("features", 90)
    told = bench.engine.told
    bench.raises.configure(rules_of(TEXT.replace('name = "budget", ', "")))
    assert bench.states() == [("features", "in force"), ("budget", "over")]
    assert bench.raises.all()[1]["why"] == "the configuration no longer has this limit"
    # The engine may have begun anew with the tables: it is told again of what holds.
    bench.raises.configure(rules_of())
    assert bench.engine.told == told + 2
    assert [one["rule"] for one in bench.engine.raises] == ["features"]


def test_a_limit_of_that_name_which_counts_something_else_is_another(bench: Bench) -> None:
    bench.start()
    bench.raises.configure(rules_of(TEXT.replace('name = "budget", usd = 5', 'name = "budget", tokens = 5')))
    assert bench.states() == [("budget", "over")]


def test_a_changed_amount_leaves_a_raise_alone(bench: Bench) -> None:
    bench.start()
    bench.raises.configure(rules_of(TEXT.replace("usd = 5", "usd = 6")))
    assert bench.states() == [("budget", "in force")]


def test_what_the_engine_refuses_never_was(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.start()
    bench.engine.refuse = "no such rule"
    with pytest.raises(RaiseRefused, match="can't be put in force: no such rule") as caught:
        bench.start("features", 90)
    assert (caught.value.status, caught.value.code) == (500, "raise_failed")
    assert bench.states() == [("budget", "in force")]
    for _ in range(3):
        bench.pass_ms(250)
    said = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert said == ["the engine refuses the raises of limits: no such rule"]
    bench.engine.refuse = None
    bench.pass_ms(250)
    assert [one["rule"] for one in bench.engine.raises] == ["budget"]
    bench.restart()
    assert bench.states() == [("budget", "in force")]


def test_what_can_not_be_kept_does_not_hold(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(RaiseRefused, match="No space left on device"):
            bench.start()
        assert bench.engine.raises == []
        assert bench.states() == []
    assert bench.start().id
    assert json.loads(bench.file.read_bytes())["raises"][0]["rule"] == "budget"


def test_an_end_that_can_not_be_written_is_an_end_and_is_written_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    raised = bench.start()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        bench.raises.stop(raised.id, "alice")
        bench.pass_ms(250)
        assert bench.engine.raises == []
    assert [record.message for record in caplog.records if record.levelno == logging.ERROR] == [
        "raises of limits can't be written: [Errno 28] No space left on device"
    ]
    assert json.loads(bench.file.read_bytes())["raises"]
    bench.pass_ms(250)
    assert json.loads(bench.file.read_bytes())["raises"] == []


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b'{"v":2,"raises":[]}', b'{"v":1,"raises":[{"id":5}]}', b""]
)
def test_a_file_that_can_not_be_read_is_put_aside(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "limits" / "raises.json"
    file.parent.mkdir()
    file.write_bytes(content)
    bench = Bench(tmp_path)
    assert bench.states() == []
    assert "can't be read and are lost" in caplog.text
    bench.start()
    assert (tmp_path / "limits" / "raises.json.unreadable").read_bytes() == content


def test_raises_are_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raising, "AT_ONCE", 2)
    monkeypatch.setattr(raising, "OVER_KEPT", 3)
    bench.start()
    bench.start("features", 90)
    with pytest.raises(RaiseRefused, match="there are 2 raises already") as caught:
        bench.start("keys", 90)
    assert caught.value.status == 409
    for amount in range(10, 20):
        bench.start("budget", amount)
    assert [state for _, state in bench.states()] == ["in force"] * 2 + ["over"] * 3


def test_a_gateway_without_raises_tells_and_writes_nothing(bench: Bench) -> None:
    bench.pass_ms(HOUR_MS)
    assert bench.engine.told == 0
    assert not bench.file.exists()
