"""What a terminal can show: how wide text is, colours where they are wanted, bars and sparklines."""

import shutil
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import SupportsIndex, TextIO

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LEVELS = "▁▂▃▄▅▆▇█"
NARROWEST, WIDEST = 60, 200
# Where nothing says how wide it is.
USUAL_WIDTH = 100


class Shown(str):
    """Text that is as long as a terminal draws it wide: `columns.table` aligns it whatever is in it."""

    __slots__ = ()

    def __len__(self) -> int:
        return sum(map(_width, self))

    def ljust(self, width: SupportsIndex, fill: str = " ", /) -> str:
        """Blanks behind it."""
        return self + fill * (int(width) - len(self))

    def rjust(self, width: SupportsIndex, fill: str = " ", /) -> str:
        """Blanks before it."""
        return fill * (int(width) - len(self)) + self


def name(text: str, most: int) -> Shown:
    """A name that came from anywhere: one line, nothing that moves the cursor, at most so wide.

    It is cut in its middle: names of one kind begin alike.
    """
    # Plain text: what reads it from its end goes by its length in characters.
    clean = "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in text)
    if len(Shown(clean)) <= most:
        return Shown(clean)
    head = _within(clean, most // 2)
    tail = _within(reversed(clean), most - 1 - len(Shown(head)))
    return Shown(f"{head}…{tail[::-1]}")


class Style:
    """Colours, or none: for a terminal, and only if `NO_COLOR` (no-color.org) is not set."""

    def __init__(self, stream: TextIO, environment: Mapping[str, str]) -> None:
        self.is_terminal = stream.isatty()
        self._coloured = (
            self.is_terminal and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
        )

    def bold(self, text: str) -> str:
        """What matters."""
        return self._in("1", text)

    def dim(self, text: str) -> str:
        """What matters less."""
        return self._in("2", text)

    def red(self, text: str) -> str:
        """What is bad."""
        return self._in("31", text)

    def _in(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._coloured and text else text


def width_of(stream: TextIO) -> int:
    """Columns that may be filled: the terminal's, 100 elsewhere."""
    if not stream.isatty():
        return USUAL_WIDTH
    columns = shutil.get_terminal_size((USUAL_WIDTH, 24)).columns
    return max(NARROWEST, min(WIDEST, columns))


def bar(value: int, largest: int, width: int) -> str:
    """A bar as long as a value's share of the largest, in eighths of a column; none unless above 0."""
    if value <= 0 or largest <= 0:
        return ""
    eighths = max(1, min(value, largest) * width * 8 // largest)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def sparkline(values: Sequence[int | None]) -> str:
    """A column for each value, the largest the highest; blank where there is none."""
    largest = max((value for value in values if value is not None), default=0)
    return "".join(" " if value is None else _level(value, largest) for value in values)


def _level(value: int, largest: int) -> str:
    return _LEVELS[max(0, value) * (len(_LEVELS) - 1) // largest] if largest > 0 else _LEVELS[0]


def _within(characters: Iterable[str], most: int) -> str:
    kept = ""
    for each in characters:
        most -= _width(each)
        if most < 0:
            break
        kept += each
    return kept


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
