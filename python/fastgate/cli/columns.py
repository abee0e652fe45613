"""Text in columns."""

from collections.abc import Collection, Sequence
from typing import TypeAlias

Row: TypeAlias = Sequence[str]


def table(rows: Sequence[Row], right: Collection[int] = ()) -> str:
    """Rows in columns as wide as they need; those in `right` end flush. The first row is the heading."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
