"""Where a command finds the state of a gateway: the directory itself, or a configuration that names it."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from fastgate.errors import FastgateError

if TYPE_CHECKING:
    from fastgate.config import Config


class StateUnreadable(FastgateError):
    """There is no spool or ledger that can be read."""

    code = "spool_unreadable"


def add_place(
    parser: argparse.ArgumentParser,
    *,
    config_help: str = "configuration that names server.state_dir",
    directory_help: str = "the state directory itself",
) -> None:
    """Add `-c` and `--state-dir`, one of which may be given."""
    place = parser.add_mutually_exclusive_group()
    place.add_argument("-c", "--config", metavar="FILE", help=config_help)
    place.add_argument("--state-dir", metavar="DIRECTORY", help=directory_help)


def find_place(arguments: argparse.Namespace) -> "tuple[Config | None, Path]":
    """The configuration, where no directory was given, and the state directory."""
    if arguments.state_dir is not None:
        return None, Path(arguments.state_dir)
    # Not read where it is not needed.
    from fastgate.config import load, locate

    config = load(locate(arguments.config, os.environ), os.environ)
    return config, Path(config.resolve(config.settings.server.state_dir))
