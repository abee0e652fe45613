"""What operators do about limits of a running gateway: raise them for a while, see how they stand, be told.

The engine enforces (docs/limits.md); nothing here runs per request.
"""
