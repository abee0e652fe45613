"""The ledger: what the spool's records cost, event by event, and sums that answer within a second.

A child process loads the spool; commands and reports read beside it.
"""

from fastgate.billing.ledger.reading import Ledger
from fastgate.billing.ledger.schema import NAMED, TOKEN_CLASSES, Dimension, Grain, LedgerError
from fastgate.billing.ledger.summary import Point, Summary

__all__ = ["NAMED", "TOKEN_CLASSES", "Dimension", "Grain", "Ledger", "LedgerError", "Point", "Summary"]
