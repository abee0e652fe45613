"""Configuration: read with positions, checked as a whole, compiled to the engine's tables."""

from fastgate.config.compile import compile_tables
from fastgate.config.load import Config, load, load_text, locate

__all__ = ["Config", "compile_tables", "load", "load_text", "locate"]
