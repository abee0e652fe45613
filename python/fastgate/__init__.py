"""fastgate: an AI gateway with a Rust engine and a Python control plane."""

from fastgate._core import __version__

__all__ = ["__version__"]
