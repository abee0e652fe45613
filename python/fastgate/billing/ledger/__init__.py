"""The ledger: what the spool's records cost, event by event, and sums that answer within a second.

A child process loads the spool; commands and reports read beside it. The names below are brought in when they
are used: a gateway that only starts the child needs no SQLite.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastgate.billing.ledger.reading import Ledger
    from fastgate.billing.ledger.schema import NAMED, TOKEN_CLASSES, Dimension, Grain, LedgerError
    from fastgate.billing.ledger.summary import Point, Spending, Summary

__all__ = [
    "NAMED",
    "TOKEN_CLASSES",
    "Dimension",
    "Grain",
    "Ledger",
    "LedgerError",
    "Point",
    "Spending",
    "Summary",
]

_MODULES = {"Ledger": "reading", "Point": "summary", "Spending": "summary", "Summary": "summary"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(name)
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'schema')}"), name)
