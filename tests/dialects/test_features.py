"""What one dialect says and another can't: refused or left out as in the manual, by the client's own name."""

from typing import Any

import anthropic
import openai
import pytest
from google.genai import errors, types
from tests.dialects import manual
from tests.dialects.clients import QUESTION, dropped
from tests.dialects.conftest import BASE_PATHS, Says
from tests.dialects.features import FEATURES, OWN_FIELDS, Said
from tests.dialects.matrix import SPEAKS
from tests.dialects.provider import Provider

FOUND_AT = {
    "cache_control": "messages.content.cache_control",
    # A model that thinks for a number of tokens shows its thoughts by itself.
    "thinking.display": "thinking",
}
CELLS = [
    pytest.param(row, name, dialect, id=f"{row.replace(' ', '_')}-{name}-{dialect}")
    for row, said in FEATURES.items()
    for name in said
    for dialect in BASE_PATHS
    if SPEAKS[name] != dialect
]
OWN_CELLS = [
    pytest.param(outcome, said, name, dialect, id=f"{said.field}-{name}-{dialect}")
    for name, outcome, said in OWN_FIELDS
    for dialect in BASE_PATHS
    if SPEAKS[name] != dialect
]


def send(client_name: str, client: Any, said: Said) -> list[str]:
    """Ask; what was left out."""
    request, sdk = said.request, client.sdk
    message = {"messages": [{"role": "user", "content": QUESTION}]}
    if client_name == "gemini":
        config = {"config": types.GenerateContentConfig()}
        answer = sdk.models.generate_content(model=client.model, **{**config, **request})
        return dropped(answer.sdk_http_response.headers)
    if client_name == "chat":
        raw = sdk.chat.completions.with_raw_response.create(model=client.model, **{**message, **request})
    elif client_name == "responses":
        raw = sdk.responses.with_raw_response.create(model=client.model, **{"input": QUESTION, **request})
    else:
        raw = sdk.messages.with_raw_response.create(
            model=client.model, **{"max_tokens": 100, **message, **request}
        )
    return dropped(raw.headers)


def refusal(client_name: str, client: Any, said: Said) -> tuple[str, str | None]:
    """What an SDK raises when its request is refused: the message, and the field where that is told apart."""
    if client_name == "gemini":
        with pytest.raises(errors.ClientError) as caught:
            send(client_name, client, said)
        assert (caught.value.code, caught.value.status) == (400, "INVALID_ARGUMENT")
        return str(caught.value.message), None
    if client_name == "anthropic":
        with pytest.raises(anthropic.BadRequestError) as refused:
            send(client_name, client, said)
        body: Any = refused.value.body
        assert (body["type"], body["error"]["type"]) == ("error", "invalid_request_error")
        return str(body["error"]["message"]), None
    with pytest.raises(openai.BadRequestError) as denied:
        send(client_name, client, said)
    assert denied.value.type == "invalid_request_error"
    return denied.value.message, denied.value.param


def has_field(value: Any, path: list[str]) -> bool:
    """Whether a path leads somewhere; elements of lists are not named in it."""
    if isinstance(value, list):
        return any(has_field(one, path) for one in value)
    if not path:
        return value is not None
    return isinstance(value, dict) and path[0] in value and has_field(value[path[0]], path[1:])


@pytest.mark.parametrize(("row", "client_name", "dialect"), CELLS)
def test_each_cell_of_the_manual_is_so(
    client: Any, says: Says, provider: Provider, row: str, client_name: str, dialect: str
) -> None:
    says("text")
    said = FEATURES[row][client_name]
    outcome = manual.becomes(row, dialect)
    if outcome == "refused":
        message, param = refusal(client_name, client, said)
        assert said.field in message
        assert param == (said.field if SPEAKS[client_name] == "openai" else None)
        assert provider.asked is None
    elif outcome == "left out":
        assert said.field in send(client_name, client, said)
        assert provider.asked is not None
    else:
        assert said.field not in send(client_name, client, said)
        assert has_field(provider.asked, FOUND_AT.get(outcome, outcome).split("."))


@pytest.mark.parametrize(("outcome", "said", "client_name", "dialect"), OWN_CELLS)
def test_what_only_one_vendor_has(
    client: Any, says: Says, provider: Provider, outcome: str, said: Said, client_name: str, dialect: str
) -> None:
    says("text")
    if outcome == "refused":
        message, _ = refusal(client_name, client, said)
        assert said.field in message
        assert provider.asked is None
    else:
        assert send(client_name, client, said) == [said.field]


def test_every_row_of_the_manual_is_asked_for() -> None:
    assert list(FEATURES) == list(manual.rows())
