"""`fastgate check`: every error of a configuration with its line, or its JSON Schema.

What can be used but will be regretted is told as a warning.
"""

import argparse
import os
import sys


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("-c", "--config", metavar="FILE", help="file to check (default: fastgate.toml)")
    parser.add_argument("--schema", action="store_true", help="print the JSON Schema instead")


def run(arguments: argparse.Namespace) -> int:
    """Check the file; 1 with all errors on stderr if it can't be used. Warnings are told there as well."""
    if arguments.schema:
        import json

        from fastgate.config.schema import json_schema

        json.dump(json_schema(), sys.stdout, indent=2)
        print()
        return 0
    from fastgate import _core
    from fastgate.config import compile_tables, limit_warnings, load, locate, route_warnings

    file = locate(arguments.config, os.environ)
    config = load(file, os.environ)
    tables = compile_tables(config)
    _core.check_tables(tables)
    for warning in [*route_warnings(config, tables), *limit_warnings(config)]:
        print(f"warning: {warning}", file=sys.stderr)
    settings = config.settings
    print(f"{file or 'no file: providers from the environment'}: ok")
    providers = "the built-in mock" if config.mock else ", ".join(settings.providers)
    print(f"  providers    {providers}")
    names = ", ".join(sorted(name for name, route in config.routes.items() if route.listed))
    print(f"  model names  {names or 'whatever the providers serve'}")
    print(
        f"  keys         {len(settings.keys) or ('none: loopback only' if settings.is_keyless else 'none')}"
    )
    if issuers := ", ".join(issuer.issuer for issuer in settings.auth.jwt):
        print(f"  tokens of    {issuers}")
    return 0
