"""The benchmark: the doors, nginx and optional peers, side by side in interleaved rounds.

Run it with `python -m bench`; `docs/benchmarks.md` says what each figure means. Standard library only,
loopback only, bounded in count and time; every process it uses is started by it and ended by its pid.
"""
