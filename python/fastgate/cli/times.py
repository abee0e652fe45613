"""Times on a command line."""

import argparse
import time

from fastgate.config.units import Duration, Moment


def moment_or_age(text: str) -> int:
    """Unix seconds of a date, a time with its offset, or an age as `30d`; for `argparse`."""
    try:
        return int(time.time()) - Duration.parse(text) // 1000
    except ValueError:
        pass
    try:
        return Moment.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}, or an age as 30d") from None


def length(text: str) -> str:
    """A length of time as it was written, which is one; for `argparse`."""
    try:
        Duration.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text
