"""`fastgate init`: a commented configuration to start from."""

import argparse
import sys
from pathlib import Path

TEMPLATE = """\
# fastgate configuration. All settings: docs/settings.md. `fastgate check` tells errors with their lines;
# a running gateway applies changes within a second.

[server]
listen = "127.0.0.1:8080"       # beyond loopback, add a key below
# admin = "127.0.0.1:8081"      # health, metrics
# state_dir = "state"

# Known vendors need no more than their name and a key: docs/vendors.md lists them.
[providers.openai]
api_key = "${OPENAI_API_KEY}"

# Any other OpenAI-compatible server:
# [providers.local]
# base_url = "http://127.0.0.1:8000/v1"

# A provider without deployments serves every model it has, as "openai/gpt-4o". With some, only those:
# [deployments.gpt-4o-us]
# provider = "openai"
# model = "gpt-4o"
# region = "us"
# timeout = "30s"               # or { connect = "5s", first_content = "30s", gap = "1m", total = "10m" }

# [groups.fast]
# members = { "gpt-4o-us" = 3, "gpt-4o-eu" = 1 }

# [models.chat]                 # clients send "model": "chat"
# use = ["fast"]
# budget = "12s"

# [tenants.acme]
# region = "eu"

# Keys: `fastgate keys create --tenant acme` prints one, and the table that goes here.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "file", nargs="?", default="fastgate.toml", help="file to write (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the file; an existing one is left alone."""
    try:
        with Path(arguments.file).open("x", encoding="utf-8") as file:
            file.write(TEMPLATE)
    except FileExistsError:
        print(f"{arguments.file} exists already; nothing written", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{arguments.file} can't be written: {error.strerror}", file=sys.stderr)
        return 1
    print(f"{arguments.file} written; next: fastgate serve")
    return 0
