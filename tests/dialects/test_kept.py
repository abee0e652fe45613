"""Responses that were translated: no provider keeps them, so nobody is asked for them."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import openai
import pytest
from tests.blackbox.configuration import KEY
from tests.blackbox.gateway import Gateway
from tests.dialects.answers.cases import answer
from tests.dialects.clients import CLIENTS
from tests.dialects.provider import Provider


@pytest.fixture
def sdk(gateway_at: Gateway, dialect: str) -> Iterator[Any]:
    """OpenAI's SDK in front of a provider of another dialect and nobody else."""
    if dialect == "openai":
        pytest.skip("it keeps what it made")
    with closing(CLIENTS["responses"](f"http://127.0.0.1:{gateway_at.port}", KEY, "chat").sdk) as sdk:
        yield sdk


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "stream"])
def test_nobody_is_asked_for_what_nobody_keeps(
    sdk: Any, provider: Provider, dialect: str, streams: bool
) -> None:
    provider.answer(*answer(dialect, "stream" if streams else "text"))
    if streams:
        *_, last = sdk.responses.create(model="chat", input="Hello", stream=True)
        identity = last.response.id
    else:
        identity = sdk.responses.create(model="chat", input="Hello").id
    provider.answer(*answer("responses", "text"))
    with pytest.raises(openai.NotFoundError, match="resp_"):
        sdk.responses.retrieve(identity)
    with pytest.raises(openai.NotFoundError, match="resp_"):
        sdk.responses.create(model="chat", input="Hello", previous_response_id=identity)
    assert provider.asked is None
