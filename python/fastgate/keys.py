"""Virtual keys and admin tokens: made here, known to the gateway by their digest only.

`fg_` (`fga_` for an admin token), 256 random bits in base62 (43 digits), and 6 digits of their CRC-32, so
that a typo or a truncated paste is told apart from a revoked key, and secret scanners can tell a real key
from a look-alike. Any other string may be a key too: only the digest of the whole string counts. The text of
a key never enters a repr, a log or an error.
"""

import binascii
import hashlib
import os
import re
from datetime import UTC, datetime, timedelta

from fastgate.config.units import Duration, Moment

PREFIX = "fg_"
ADMIN_PREFIX = "fga_"
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BODY_LENGTH = 43  # 62**43 > 2**256
_CHECKSUM_LENGTH = 6  # 62**6 > 2**32
_SHAPE = re.compile(
    rf"(?:{PREFIX}|{ADMIN_PREFIX})([0-9A-Za-z]{{{_BODY_LENGTH}}})([0-9A-Za-z]{{{_CHECKSUM_LENGTH}}})"
)


def generate_key(random: bytes | None = None, *, prefix: str = PREFIX) -> str:
    """A new key, or with `ADMIN_PREFIX` a token. `random`: 32 bytes, from the operating system by default."""
    if random is None:
        random = os.urandom(32)
    if len(random) != 32:
        raise ValueError(f"a key is made of 32 random bytes, not {len(random)}")
    body = _base62(int.from_bytes(random, "big"), _BODY_LENGTH)
    return f"{prefix}{body}{_checksum(body)}"


def has_valid_checksum(key: str) -> bool:
    """Whether `key` has the shape of a key made here, unaltered."""
    match = _SHAPE.fullmatch(key)
    return match is not None and _checksum(match[1]) == match[2]


def digest(key: str) -> str:
    """What the configuration holds: `sha256:` and the hex SHA-256 of the whole key string."""
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def expiry(text: str, now: datetime) -> Moment:
    """When a key expires: a date, a time with offset, or a duration from `now`, as `30d`.

    Raises:
        ValueError: It is none of these, or not in the future.
    """
    try:
        moment = Moment(int((now + timedelta(milliseconds=Duration.parse(text))).timestamp()))
    except ValueError:
        try:
            moment = Moment.parse(text)
        except ValueError:
            raise ValueError('must be a duration as "30d", a date, or a time with its offset') from None
    if moment <= now.astimezone(UTC).timestamp():
        raise ValueError("must be in the future")
    return moment


def key_table(
    key: str,
    *,
    tenant: str,
    name: str | None = None,
    user: str | None = None,
    feature: str | None = None,
    models: list[str] | None = None,
    expires: Moment | None = None,
) -> str:
    """The `[[keys]]` table for the configuration, in TOML; it holds the key's digest, not the key."""
    fields = {"digest": digest(key), "tenant": tenant, "name": name, "user": user, "feature": feature}
    lines = [f"{field} = {_quoted(value)}" for field, value in fields.items() if value is not None]
    if models:
        lines.append(f"models = [{', '.join(map(_quoted, models))}]")
    if expires is not None:
        lines.append(f'expires = "{expires}"')
    return "\n".join(("[[keys]]", *lines, ""))


def admin_token_table(token: str, *, role: str, name: str | None = None) -> str:
    """The `[[admin.tokens]]` table for the configuration, in TOML; it holds the token's digest only."""
    fields = {"digest": digest(token), "role": role, "name": name}
    lines = [f"{field} = {_quoted(value)}" for field, value in fields.items() if value is not None]
    return "\n".join(("[[admin.tokens]]", *lines, ""))


def _quoted(text: str) -> str:
    """A TOML basic string; `${` is kept from being read as a variable."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("${", "$${")
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'


def _checksum(body: str) -> str:
    return _base62(binascii.crc32(body.encode()), _CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
