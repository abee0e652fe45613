"""The core's pieces alone, for services of your own: no gateway, no configuration, no threads.

Every function and class here is safe to use from several threads; work that takes longer than a few
microseconds releases the GIL. docs/core.md has an example of each.
"""

from fastgate._core import (
    IGNORED_FIELDS,
    Denied,
    Limiter,
    Price,
    Reservation,
    SseEvent,
    SseReader,
    cache_key,
    count_chat_tokens,
    count_tokens,
    price,
)

__all__ = [
    "IGNORED_FIELDS",
    "Denied",
    "Limiter",
    "Price",
    "Reservation",
    "SseEvent",
    "SseReader",
    "cache_key",
    "count_chat_tokens",
    "count_tokens",
    "price",
]
