"""Public keys of token issuers: fetched here, checked with in the engine.

`source` reads one issuer's keys, `following` keeps the engine's copy current. Nothing here runs per request.
"""
