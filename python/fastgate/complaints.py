"""What is wrong, said once: who looks several times a second must not fill a log with the same line."""

import logging


class Complaints:
    """Remembers what was said last of each thing.

    Args:
        logger: Where it is said.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._said: dict[str, str] = {}

    def say(self, about: str, message: str) -> None:
        """Log an error unless it is the one that was said of this last."""
        if self._is_new(about, message):
            self._logger.error("%s", message)

    def say_caught(self, about: str, message: str, error: Exception) -> None:
        """The same with the trace of the error that is being handled, unless that is the one of last time."""
        if self._is_new(about, repr(error)):
            self._logger.exception("%s", message)

    def settle(self, about: str) -> None:
        """It is well again: the next complaint is a new one."""
        self._said.pop(about, None)

    def _is_new(self, about: str, message: str) -> bool:
        is_new = self._said.get(about) != message
        self._said[about] = message
        return is_new
