"""Which cases every client and every provider go through together, what comes of each, and what is wrong.

Tests take their cases from here and docs/dialects.md its tables, so that the two can't differ.
"""

from tests.dialects import manual
from tests.dialects.features import FEATURES

CLIENTS = ("chat", "responses", "anthropic", "gemini")
PROVIDERS = ("openai", "anthropic", "gemini")
# The dialect that each client speaks: at a provider of the same, bytes stay bytes.
SPEAKS = {"chat": "openai", "responses": "openai", "anthropic": "anthropic", "gemini": "gemini"}

CASES = {
    "text": "words",
    "stream": "words, streamed",
    "tools": "parallel tool calls",
    "stream_tools": "parallel tool calls, streamed",
    "tool_results": "results of tools",
    "image": "a picture",
    "schema": "an answer by a JSON schema",
    "thoughts": "thoughts and calls, sent back with their signature",
    "stream_thoughts": "thoughts and calls, sent back with their signature, streamed",
    "elsewhere": "a history from another provider, without its signatures",
    "stream_elsewhere": "a history from another provider, without its signatures, streamed",
    "cache_marks": "marks for the prompt cache",
    "cache_prefix": "a growing conversation, the same to the byte",
    "usage": "usage, cached tokens apart",
    "stream_usage": "usage, cached tokens apart, streamed",
    "error": "an error of the provider's, as the SDK's own exception",
    "stream_cut": "a stream that was cut, as an exception",
}

AS_IS = "as is"
DONE = "✓"
UNSAID = "–"  # noqa: RUF001 as elsewhere in the manual
LEFT_OUT = "left out"
REFUSED = "refused"

# Why a provider can't be told what it refuses.
REASONS = {
    "a bias per token": "tokens have other numbers there",
    "several answers": "one answer a request",
    "log probabilities": "it gives none",
    "some JSON object as the answer": "it has no such mode; a schema is taken",
    "one tool call at a time": "it has no switch for it",
    "a choice among some tools": "it knows one tool, any or none",
    "sound": "it takes none",
    "sound by its address": "it takes none",
    "a document by its address": "it takes whole documents only",
    "a film": "it takes none",
    "a file in another vendor's store": "it can't reach the store",
}


def outcome(case: str, client: str, provider: str) -> str:
    """What comes of a case."""
    if case == "cache_marks":
        return said("marks for the prompt cache", client, provider)
    if SPEAKS[client] == provider:
        return AS_IS
    return DONE


def said(row: str, client: str, provider: str) -> str:
    """What becomes of a row of the manual's table when a client says it."""
    if client not in FEATURES[row]:
        return UNSAID
    if SPEAKS[client] == provider:
        return AS_IS
    becomes = manual.becomes(row, provider)
    return becomes if becomes in (LEFT_OUT, REFUSED) else DONE


def cells() -> set[tuple[str, str, str]]:
    """Every case with every client and provider that can go through it."""
    return {
        (case, client, provider)
        for case in CASES
        for client in CLIENTS
        for provider in PROVIDERS
        if outcome(case, client, provider) != UNSAID
    }
