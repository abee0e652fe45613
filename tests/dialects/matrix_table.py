"""The matrix in docs/dialects.md: `python -m tests.dialects.matrix_table` writes it anew there."""

from tests.dialects.features import FEATURES
from tests.dialects.manual import PAGE
from tests.dialects.matrix import CASES, CLIENTS, PROVIDERS, REASONS, REFUSED, UNSAID, outcome, said

BEGIN, END = "<!-- matrix -->\n", "<!-- end of matrix -->\n"
NAMES = {
    "chat": "chat",
    "responses": "responses",
    "anthropic": "Anthropic",
    "gemini": "Gemini",
    "openai": "OpenAI",
}
PAIRS = [(client, provider) for client in CLIENTS for provider in PROVIDERS]

_INTRODUCTION = f"""
Made by `python -m tests.dialects.matrix_table`; do not edit. Every cell is asked for through the vendor's own
SDK, whose dialect stands before the arrow, on both doors: *as is* passes byte for byte, ✓ is translated,
{UNSAID} is nothing that this client could say.

"""

_STACKS = """
Frameworks that are tried as clients too, with words, streams, tools and structured output: `pydantic-ai`,
`langchain-openai`, `langchain-anthropic`, `litellm`. `instructor` is not: it wants an older `openai`.

"""

_FEATURES = """
The same for what [not every dialect can say](#what-passes-what-is-translated-what-is-refused):

"""


def matrix() -> str:
    """The section, with its marks."""
    cases = [(name, [outcome(case, *pair) for pair in PAIRS]) for case, name in CASES.items()]
    features = []
    for row in FEATURES:
        cells = [said(row, *pair) for pair in PAIRS]
        features.append((row, [*cells, REASONS[row] if REFUSED in cells else ""]))
    tables = _table([], cases) + _FEATURES + _table(["why refused"], features)
    return BEGIN + _INTRODUCTION + tables + _STACKS + END


def _table(more: list[str], rows: list[tuple[str, list[str]]]) -> str:
    heads = ["", *(f"{NAMES[client]} → {NAMES[provider]}" for client, provider in PAIRS), *more]
    lines = [heads, ["---"] * len(heads), *([name, *cells] for name, cells in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def written(page: str) -> str:
    """The page with the matrix as it is now."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return before + matrix() + after


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
