"""Each provider as the gateway will meet it: the way there, its answer to the key, its clock.

Asks for its list of models, which costs nothing, once per API key. Only the status and the `Date` of an
answer are looked at; no body is read and none is shown.
"""

import email.utils
import http.client
import socket
import time
import urllib.parse
from collections.abc import Callable
from typing import NamedTuple

from fastgate.catalogue.vendors import Dialect
from fastgate.config import Config
from fastgate.config.settings import Provider
from fastgate.doctor.connecting import CHECK, Unreachable, connect, time_left
from fastgate.doctor.findings import Finding, fail, ok, warn


class Asking(NamedTuple):
    """How providers of one dialect are asked for their models."""

    key_header: str
    key_before: str
    models_path: str
    headers: dict[str, str]


_ASKING: dict[Dialect, Asking] = {
    "openai": Asking("Authorization", "Bearer ", "/models", {}),
    "anthropic": Asking("x-api-key", "", "/v1/models", {"anthropic-version": "2023-06-01"}),
    "gemini": Asking("x-goog-api-key", "", "/v1beta/models", {}),
}

LIMIT_S = 5.0
"""What one provider may take, all its keys included."""
SKEW_WARN_S = 30
SKEW_FAIL_S = 300

# First and last status, whether it is a failure, what it means, and what to do.
_STATUSES: tuple[tuple[int, int, bool, str, str], ...] = (
    (
        *(401, 401, True, "{who} is refused"),
        "put a valid key into providers.{name}.api_key, or into the variable it names, and see that it is of "
        "the account that base_url belongs to",
    ),
    (
        *(403, 403, True, "{who} is known but not allowed"),
        "look at the key's permissions (it has to list models and call them), the account's region and its "
        "list of allowed addresses",
    ),
    (
        *(404, 405, False, "has no list of models, so credentials were not proved"),
        "if the path of base_url is what the vendor's SDK wants (often with /v1), nothing has to be done",
    ),
    (*(429, 429, False, "{who} is over its rate or quota"), "look at the account's limits and balance"),
    (*(500, 599, False, "the provider fails"), "look at the vendor's status page and try again"),
    (
        *(300, 499, True, "answers otherwise than a provider does"),
        "compare base_url with the vendor's manual; redirects are not followed",
    ),
)


def check_provider(
    name: str, provider: Provider, config: Config, unix_time: Callable[[], float] = time.time
) -> list[Finding]:
    """What there is to say about one provider, within `LIMIT_S` but for a resolver that hangs."""
    ends = time.monotonic() + LIMIT_S
    ca_file = config.resolve(provider.ca_file) if provider.ca_file else None
    keys = _keys(provider)
    found: list[Finding] = []
    for index, key in enumerate(keys):
        which = f"key {index + 1} of {len(keys)}" if len(keys) > 1 else "the API key"
        try:
            connection, said = connect(name, provider, ca_file, ends)
            found += said if index == 0 else []
            try:
                status, date, asked_at, answered_at = _ask(connection, provider, key, ends, unix_time)
            finally:
                connection.close()
        except Unreachable as error:
            found.append(fail(CHECK, name, str(error), error.advice))
            break
        found.append(_judge_status(name, status, which if key else "a request without a key"))
        if index == 0 and date is not None:
            found += _judge_clock(name, date, asked_at, answered_at)
    return found


def _keys(provider: Provider) -> list[str | None]:
    """The account's API keys; one None where it has none."""
    return [credential.key.reveal() for credential in provider.api_key] or [None]


def _ask(
    stream: socket.socket, provider: Provider, key: str | None, ends: float, unix_time: Callable[[], float]
) -> tuple[int, str | None, float, float]:
    """Status, `Date`, and this machine's clock before and after."""
    parts = urllib.parse.urlsplit(provider.base_url)
    connection = http.client.HTTPConnection(parts.netloc)
    connection.sock = stream
    asking = _ASKING[provider.dialect]
    headers = asking.headers | {name: value.reveal() for name, value in provider.headers.items()}
    if key is not None:
        headers[asking.key_header] = asking.key_before + key
    try:
        stream.settimeout(time_left(ends))
        asked_at = unix_time()
        connection.request("GET", parts.path.rstrip("/") + asking.models_path, headers=headers)
        response = connection.getresponse()
        return response.status, response.getheader("date"), asked_at, unix_time()
    except TimeoutError:
        raise Unreachable(
            f"no answer within {LIMIT_S:.0f} s",
            "try again; look at the vendor's status page and proxies on the way",
        ) from None
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(
            f"it closes the connection or speaks no HTTP ({type(error).__name__})",
            "compare base_url with the vendor's manual: scheme, host, port",
        ) from None


def _judge_status(name: str, status: int, who: str) -> Finding:
    for first, last, is_failure, meaning, advice in _STATUSES:
        if first <= status <= last:
            judge = fail if is_failure else warn
            return judge(CHECK, name, f"{meaning.format(who=who)} ({status})", advice.format(name=name))
    return ok(CHECK, name, f"{who} is accepted ({status})")


def _judge_clock(name: str, date: str, asked_at: float, answered_at: float) -> list[Finding]:
    """How far apart the clocks are; `Date` has whole seconds, so two of them say nothing."""
    try:
        theirs = email.utils.parsedate_to_datetime(date).timestamp()
    except ValueError:
        return []
    skew_s = (asked_at + answered_at) / 2 - theirs
    if abs(skew_s) < SKEW_WARN_S:
        return [ok("clock", name, f"agrees with this machine's within {max(2, round(abs(skew_s)))} s")]
    message = f"this machine's is {abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} the provider's"
    advice = (
        "set it with NTP (timedatectl set-ntp true): tokens, certificates and calendar quotas depend on it"
    )
    judge = fail if abs(skew_s) >= SKEW_FAIL_S else warn
    return [judge("clock", name, message, advice)]
