"""Failover drills: forcing the real failover path for chosen traffic for a while, and telling what happened.

The engine forces, exchange by exchange; here is decided when a drill runs, and when it has to stop.
"""
