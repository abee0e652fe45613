"""Frameworks that users build with, as clients: what they make of the SDKs, or send without one.

One door is enough: bytes are the same at both.
"""

from collections.abc import Callable

import pytest
from pydantic import BaseModel
from tests.blackbox.gateway import Gateway
from tests.dialects.answers.cases import TEXT, written
from tests.dialects.answers.said import Said
from tests.dialects.provider import Provider
from tests.dialects.received import FORMATS, Called, Result

QUESTION = "What is the weather?"
RESULT = "sunny"
CALLED = ("get_weather", {"city": "Zürich", "days": 3})
WORDS = Said(text=TEXT)
CALLS = Said(calls=(CALLED,))


class Weather(BaseModel):
    """Structured output."""

    city: str
    days: int


WEATHER = Weather(city="Zürich", days=3)
AS_JSON = Said(text=WEATHER.model_dump_json())


def get_weather(city: str, days: int) -> str:
    """Look the weather up."""
    assert (city, days) == ("Zürich", 3)
    return RESULT


@pytest.fixture(scope="session")
def door() -> str:
    return "native"


@pytest.fixture
def address(gateway: Gateway) -> str:
    return f"http://127.0.0.1:{gateway.port}"


@pytest.fixture(autouse=True)
def without_telemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing leaves this machine, whatever the one who runs the tests has set."""
    for name in ("LANGSMITH_API_KEY", "LANGCHAIN_API_KEY", "LOGFIRE_TOKEN", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2"):
        monkeypatch.setenv(name, "false")


Speaks = Callable[..., None]


@pytest.fixture
def speaks(provider: Provider, dialect: str) -> Speaks:
    """Makes the provider say this, one thing a request; `format_` is its format where it has two."""

    def say(*said: Said, streams: bool = False, format_: str = dialect) -> None:
        provider.answer_in_turn([written(format_, one, streams) for one in said])

    return say


@pytest.fixture
def heard_result(provider: Provider, dialect: str) -> Callable[..., None]:
    """Checks that the last request has the call and its result."""

    def check(format_: str = dialect) -> None:
        call, result = FORMATS[format_](provider.asked).history()
        assert isinstance(call, Called)
        assert (call.name, call.arguments) == CALLED
        assert result == Result(call.name if dialect == "gemini" else call.id, RESULT)

    return check
