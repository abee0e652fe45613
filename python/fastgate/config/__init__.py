"""Configuration: read with positions, checked as a whole, compiled to the engine's tables."""

from fastgate.config.compilation import compile_tables
from fastgate.config.limit_warnings import limit_warnings
from fastgate.config.loading import Config, load, load_text, load_values, locate
from fastgate.config.route_warnings import route_warnings

__all__ = [
    "Config",
    "compile_tables",
    "limit_warnings",
    "load",
    "load_text",
    "load_values",
    "locate",
    "route_warnings",
]
