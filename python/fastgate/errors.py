"""The error tree.

    FastgateError
    ├── ConfigError          one thing wrong with the configuration, at its file and line
    │   └── ConfigErrors     everything found wrong at once
    ├── StartError           the gateway can't start here
    │   └── StateInUse       another gateway holds the state directory
    └── AnswerBroken         an answer broke off

`status`, `code` and `retryable` say what a client is told when such an error reaches it. No message holds a
key, a credential or the value of an environment variable.
"""

from collections.abc import Sequence


class FastgateError(Exception):
    """Whatever fastgate raises on purpose."""

    status = 500
    code = "internal_error"
    retryable = False


class ConfigError(FastgateError):
    """One thing wrong with the configuration.

    Attributes:
        message: What is wrong.
        path: The setting, as `deployments.fast.timeout`; empty for the file as a whole.
        file: The file's name as the user gave it; None for what comes from the environment.
        line: Counted from 1; None where no line exists.
        hint: What to do about it.
    """

    code = "invalid_configuration"

    def __init__(
        self,
        message: str,
        *,
        path: str = "",
        file: str | None = None,
        line: int | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.file = file
        self.line = line
        self.hint = hint

    def __str__(self) -> str:
        place = self.file or ""
        if self.file and self.line:
            place = f"{self.file}:{self.line}"
        said = ": ".join(part for part in (place, self.path, self.message) if part)
        return f"{said} ({self.hint})" if self.hint else said


class ConfigErrors(ConfigError):
    """Everything found wrong at once, in the order of lines; `str` is one line for each."""

    def __init__(self, errors: Sequence[ConfigError]) -> None:
        self.errors = tuple(sorted(errors, key=lambda error: error.line or 0))
        first = self.errors[0]
        super().__init__(first.message, path=first.path, file=first.file, line=first.line, hint=first.hint)

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


class StartError(FastgateError):
    """The gateway can't start here."""

    code = "start_refused"


class StateInUse(StartError):
    """Another gateway holds the state directory.

    Attributes:
        process: The holder's process id, if it has been written down.
    """

    def __init__(self, message: str, *, process: int | None = None) -> None:
        super().__init__(message)
        self.process = process


class AnswerBroken(FastgateError):
    """An answer broke off: behind a server the client's connection is cut instead of ending well."""

    status = 502
    code = "stream_cut"
