"""The command `fastgate`: one module per command, imported only when it is the one asked for.

A command is a module of this package with `configure(parser)` and `run(arguments) -> int`. Exit codes: 0
done, 1 refused (configuration, start), 2 wrong usage.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence

COMMANDS = {
    "serve": "run the gateway",
    "check": "check a configuration, or print its JSON Schema",
    "init": "write a commented fastgate.toml",
    "keys": "make and verify virtual keys and admin tokens",
    "spool": "read and check the records of exchanges",
    "ledger": "load, prove, correct and export what exchanges cost",
    "doctor": "look for what would keep a gateway from doing well here",
    "mock": "run a scriptable mock provider",
    "routes": "explain where a request would go, and why",
    "drill": "play the failure of a provider for some traffic, and report what happened",
    "limits": "show how limits stand, and raise them for a while",
    "models": "show what is served, what those models can do and cost, and who says so",
    "prices": "show what a model costs",
    "costs": "show what features cost, what they bring, and what was wasted",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the process's exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="fastgate", description="An AI gateway.", allow_abbrev=False)
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="command")
    module = None
    for name, about in COMMANDS.items():
        command = commands.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.")
        if words and words[0] == name:
            module = importlib.import_module(f"fastgate.cli.{name}")
            module.configure(command)
    parsed = parser.parse_args(words)
    if parsed.version:
        from fastgate import __version__

        print(f"fastgate {__version__}")
        return 0
    if module is None:
        parser.print_help(sys.stderr)
        return 2
    from fastgate.errors import FastgateError

    try:
        return int(module.run(parsed))
    except FastgateError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader of our output is gone: not worth a trace, and nothing more may be written.
        sys.stderr.close()
        return 1
    except KeyboardInterrupt:
        return 130
