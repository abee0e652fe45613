"""`fastgate keys`: make a virtual key or an admin token, shown once, or verify one.

A key to verify is read from standard input, never from an argument: arguments show in process lists.
"""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from fastgate.config.units import Moment
from fastgate.errors import FastgateError
from fastgate.keys import (
    ADMIN_PREFIX,
    admin_token_table,
    digest,
    expiry,
    generate_key,
    has_valid_checksum,
    key_table,
)

ROLES = ("viewer", "operator", "admin")
# What a virtual key has and an admin token has not.
KEYS_ONLY = ("tenant", "user", "feature", "models", "expires")


class UnfitOptions(FastgateError):
    """Options that do not go together."""

    code = "unfit_options"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="action", required=True)
    create = actions.add_parser("create", help="print a new key, once, and its table for the configuration")
    create.add_argument(
        "--admin", action="store_true", help="a token for the admin API instead; with --role and --name only"
    )
    create.add_argument("--role", choices=ROLES, help="what the token may do (default: operator)")
    create.add_argument("--tenant", help="who pays (default: default)")
    create.add_argument("--name", help="for people: what the key is for")
    create.add_argument("--user", help="user it belongs to")
    create.add_argument("--feature", help="product surface it belongs to")
    create.add_argument("--models", help="model names it may ask for, separated by commas (default: all)")
    create.add_argument(
        "--expires", type=_expiry, metavar="WHEN", help='"30d", "2027-01-31" or "2027-01-31T18:00:00Z"'
    )
    create.add_argument(
        "--append", metavar="FILE", help="append the table to this TOML file instead of printing it"
    )
    actions.add_parser(
        "verify", help="read a key from standard input; say whether it is intact, and its digest"
    )


def run(arguments: argparse.Namespace) -> int:
    """Make or verify a key."""
    return _create(arguments) if arguments.action == "create" else _verify()


def _create(arguments: argparse.Namespace) -> int:
    if arguments.admin:
        return _create_token(arguments)
    if arguments.role is not None:
        raise UnfitOptions("--role is for tokens: add --admin")
    key = generate_key()
    models = [name.strip() for name in (arguments.models or "").split(",") if name.strip()]
    table = key_table(
        key,
        tenant=arguments.tenant or "default",
        name=arguments.name,
        user=arguments.user,
        feature=arguments.feature,
        models=models,
        expires=arguments.expires,
    )
    return _show(key, table, arguments.append, "key")


def _create_token(arguments: argparse.Namespace) -> int:
    if unfit := [f"--{name}" for name in KEYS_ONLY if getattr(arguments, name) is not None]:
        raise UnfitOptions(f"an admin token has no {', '.join(unfit)}")
    token = generate_key(prefix=ADMIN_PREFIX)
    table = admin_token_table(token, role=arguments.role or "operator", name=arguments.name)
    return _show(token, table, arguments.append, "token")


def _show(key: str, table: str, append: str | None, kind: str) -> int:
    if append:
        _append(Path(append), table)
        print(key)
        print(f"table appended to {append}; the {kind} is not shown again", file=sys.stderr)
        return 0
    print(key)
    print(f"\n{table}", end="")
    print(f"add the table to the configuration; the {kind} is not shown again", file=sys.stderr)
    return 0


def _append(file: Path, table: str) -> None:
    """Add a table at the end of a TOML file in one write.

    Raises:
        ConfigError: It is not a TOML file, or would not be one afterwards.
    """
    from fastgate.config.read import read_file, read_text
    from fastgate.errors import ConfigError

    if file.suffix in (".yaml", ".yml"):
        raise ConfigError("a table can be appended to TOML only; leave --append out", file=str(file))
    read_file(file)
    text = file.read_text(encoding="utf-8")
    addition = ("" if text.endswith("\n") or not text else "\n") + f"\n{table}"
    read_text(text + addition, file=str(file))
    with file.open("a", encoding="utf-8") as stream:
        stream.write(addition)


def _verify() -> int:
    key = sys.stdin.readline().strip()
    intact = has_valid_checksum(key)
    kind = "admin token" if key.startswith(ADMIN_PREFIX) else "key"
    print(f"intact fastgate {kind}" if intact else "not a key made by fastgate, or altered")
    if key:
        print(digest(key))
    return 0 if intact else 1


def _expiry(text: str) -> Moment:
    try:
        return expiry(text, datetime.now(UTC))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
