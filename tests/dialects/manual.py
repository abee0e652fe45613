"""The table of docs/dialects.md, read as the tests need it."""

from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "dialects.md"
# How each provider is asked by clients of other dialects: OpenAI's for chat completions.
COLUMNS = {"openai": 1, "anthropic": 3, "gemini": 4}


def rows() -> dict[str, list[str]]:
    """What can be said, and what becomes of it in each format: a field, "left out" or "refused"."""
    table = PAGE.read_text(encoding="utf-8").split("<!-- table -->")[1].split("<!-- end")[0]
    lines = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("| ")]
    return {name.strip(): [cell.strip() for cell in (name, *cells)] for name, *cells in lines[1:]}


def becomes(row: str, provider: str) -> str:
    """`left out`, `refused`, or the name of the field that says it to that provider."""
    return rows()[row][COLUMNS[provider]].strip("`")
