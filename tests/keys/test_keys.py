"""Virtual keys: shape, checksum, digest, table."""

import hashlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgate.config import load_text
from fastgate.config.units import Moment
from fastgate.keys import digest, expiry, generate_key, has_valid_checksum, key_table

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
random = st.binary(min_size=32, max_size=32)


@given(random)
def test_a_key_is_intact(content: bytes) -> None:
    key = generate_key(content)
    assert len(key) == 52
    assert key.startswith("fg_")
    assert has_valid_checksum(key)


@given(random, random)
def test_different_bits_are_different_keys(one: bytes, other: bytes) -> None:
    assert (generate_key(one) == generate_key(other)) == (one == other)


@given(random, st.integers(3, 51), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_noticed(content: bytes, at: int, character: str) -> None:
    key = generate_key(content)
    altered = key[:at] + character + key[at + 1 :]
    assert has_valid_checksum(altered) == (altered == key)


@given(st.text(max_size=60))
def test_other_text_is_no_key(text: str) -> None:
    assert not has_valid_checksum(text)


def test_keys_are_random() -> None:
    assert generate_key() != generate_key()
    with pytest.raises(ValueError, match="32 random bytes"):
        generate_key(b"short")


@given(st.text())
def test_the_digest_is_of_the_whole_string(key: str) -> None:
    assert digest(key) == "sha256:" + hashlib.sha256(key.encode()).hexdigest()


@given(
    random,
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20),
    st.none() | st.lists(st.text("abc${}\"\\'é", min_size=1), min_size=1, max_size=3),
    st.none() | st.integers(0, 2**33).map(Moment),
)
def test_the_table_says_what_was_asked_and_not_the_key(
    content: bytes, name: str, models: list[str] | None, expires: Moment | None
) -> None:
    key = generate_key(content)
    table = key_table(key, tenant="acme", name=name, user="u", models=models, expires=expires)
    assert key not in table
    config = load_text(f'[tenants.acme]\n[providers.x]\nbase_url = "http://x"\n{table}', {})
    (found,) = config.settings.keys
    assert found.digest == digest(key)
    assert (found.tenant, found.name, found.user, found.models) == ("acme", name, "u", models)
    assert found.expires == expires


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30d", "2026-03-02T12:00:00Z"),
        ("1h", "2026-01-31T13:00:00Z"),
        ("2027-01-31", "2027-01-31T00:00:00Z"),
        ("2027-01-31T18:00:00+02:00", "2027-01-31T16:00:00Z"),
    ],
)
def test_expiry(text: str, expected: str) -> None:
    assert str(expiry(text, NOW)) == expected


@pytest.mark.parametrize(
    "text", ["2026-01-31", "2026-01-31T12:00:00Z", "never", "-1d", "2027-01-31T18:00:00"]
)
def test_expiry_must_be_a_time_in_the_future(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        expiry(text, NOW)
