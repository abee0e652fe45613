"""`cache_key`: one key for one meaning, another for another."""

import json
import random
import sys
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.reference.cache_key import meaning

from fastgate.core import IGNORED_FIELDS, cache_key

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=6)
NAMES = st.one_of(st.sampled_from(["model", "messages", "user", "stream", "a", "é"]), TEXT)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from([0.5, 1.0, -0.0]), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=10,
)
BODIES = st.dictionaries(NAMES, VALUES, max_size=5)


def written(value: Any, chance: random.Random) -> str:
    """The value as JSON, in one of the many ways to write it."""
    space = chance.choice(["", " ", "\n", "\t \r"])
    if isinstance(value, dict):
        members = [f"{written(name, chance)}{space}:{written(value[name], chance)}" for name in value]
        chance.shuffle(members)
        return f"{space}{{{space}{','.join(members)}{space}}}{space}"
    if isinstance(value, list):
        return f"[{space}{','.join(written(entry, chance) for entry in value)}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=chance.random() < 0.5)
    return f"{space}{json.dumps(value)}{space}"


def variant(value: Any, chance: random.Random) -> bytes:
    return written(value, chance).strip().encode()


@given(body=BODIES, seed=st.integers(), model=st.sampled_from([None, "m"]))
def test_one_meaning_has_one_key(body: dict[str, Any], seed: int, model: str | None) -> None:
    texts = json.dumps(body).encode(), variant(body, random.Random(seed))
    one, other = (meaning(text, model=model, ignore=IGNORED_FIELDS) for text in texts)
    assert one == other
    assert len({cache_key(text, tenant="t", model=model) for text in texts}) == 1


@given(one=BODIES, other=BODIES)
def test_keys_are_equal_exactly_if_meanings_are(one: dict[str, Any], other: dict[str, Any]) -> None:
    # Bodies that share most of what they hold: only then does a weak form show.
    for left, right in [(one, other), ({**one, **other}, one), ({"a": one}, {"a": {**other, **one}})]:
        left_text, right_text = json.dumps(left).encode(), json.dumps(right).encode()
        for ignore in (IGNORED_FIELDS, ()):
            same = meaning(left_text, ignore=ignore) == meaning(right_text, ignore=ignore)
            keys = {cache_key(text, tenant="t", ignore=ignore) for text in (left_text, right_text)}
            assert (len(keys) == 1) == same


def test_the_tenant_is_always_in() -> None:
    assert cache_key(b"{}", tenant="a") != cache_key(b"{}", tenant="b")
    assert len(cache_key(b"{}", tenant="")) == 64


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"a":1,"a":1}', b'{"a":{"b":1,"\\u0062":2}}', b'{"a":NaN}', b"\xff"]
)
def test_what_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # each says another thing
        cache_key(body, tenant="t")


def test_other_threads_run_meanwhile() -> None:
    body = json.dumps({"model": "m", "text": "x" * 50_000_000}).encode()
    started, finished = threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        cache_key(body, tenant="t")
        finished.set()

    interval_s = sys.getswitchinterval()
    # Nobody is made to give the GIL away: who else runs was let in by the call.
    sys.setswitchinterval(100)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        started.wait()
        assert not finished.is_set()
        thread.join()
    finally:
        sys.setswitchinterval(interval_s)
