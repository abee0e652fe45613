"""What providers keep belongs to the tenant whose request made it, and leads back to who made it."""

import openai
import pytest
from tests.blackbox.configuration import CHAT_ONLY_KEY, KEY, OTHER_KEY, open_provider, two_tenants
from tests.blackbox.conftest import Start
from tests.blackbox.gateway import Gateway
from tests.blackbox.upstream import Upstream


@pytest.fixture
def shared(door: str, start: Start, upstream: Upstream) -> Gateway:
    return start(door, two_tenants(upstream.base_url), settings='files_provider = "upstream"\n')


def test_a_response_is_its_tenants_alone(shared: Gateway, upstream: Upstream) -> None:
    with shared.client(KEY) as own, shared.client(OTHER_KEY) as other:
        made = own.responses.create(model="chat", input="Hello")
        streamed = list(own.responses.create(model="chat", input="Hello", stream=True))[-1]
        assert streamed.type == "response.completed"
        for id in (made.id, streamed.response.id):
            assert own.responses.retrieve(id).id == id
            count = len(upstream.seen())
            for foreign in (
                lambda: other.responses.retrieve(id),  # noqa: B023
                lambda: other.responses.delete(id),  # noqa: B023
                lambda: other.responses.input_items.list(id),  # noqa: B023
                lambda: other.responses.create(model="chat", input="x", previous_response_id=id),  # noqa: B023
                lambda: own.responses.retrieve("resp_unknown"),
            ):
                with pytest.raises(openai.NotFoundError) as caught:
                    foreign()
                assert caught.value.code == "not_found"
            assert len(upstream.seen()) == count


def test_a_response_leads_back_to_its_maker(shared: Gateway) -> None:
    makers = set()
    with shared.client(KEY) as client:
        for _ in range(12):
            made = client.responses.with_raw_response.create(model="chat", input="Hello")
            maker = made.headers["x-fastgate-deployment"]
            makers.add(maker)
            id = made.parse().id
            again = client.responses.with_raw_response.retrieve(id)
            follow = client.responses.with_raw_response.create(
                model="chat", input="x", previous_response_id=id
            )
            deployments = {answer.headers["x-fastgate-deployment"] for answer in (again, follow)}
            assert deployments == {maker}
    assert makers == {"alpha", "beta"}


def test_files_and_batches_are_their_tenants_alone(shared: Gateway, upstream: Upstream) -> None:
    with shared.client(KEY) as own, shared.client(OTHER_KEY) as other:
        file = own.files.create(file=("a.jsonl", b"{}"), purpose="batch")
        batch = own.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        result = own.batches.retrieve(batch.id).output_file_id
        assert result is not None
        assert own.files.content(result).content
        count = len(upstream.seen())
        for foreign in (
            lambda: other.files.retrieve(file.id),
            lambda: other.files.content(result),
            lambda: other.files.delete(file.id),
            lambda: other.batches.retrieve(batch.id),
            lambda: other.batches.create(
                input_file_id=file.id, endpoint="/v1/embeddings", completion_window="24h"
            ),
        ):
            with pytest.raises(openai.NotFoundError):
                foreign()
        for listing in (own.files.list, own.batches.list):
            with pytest.raises(openai.PermissionDeniedError) as caught:
                listing()
            assert caught.value.code == "shared_account"
        assert len(upstream.seen()) == count


def test_a_key_for_certain_models_keeps_no_files(shared: Gateway, upstream: Upstream) -> None:
    with shared.client(CHAT_ONLY_KEY) as client, pytest.raises(openai.PermissionDeniedError):
        client.files.create(file=("a.jsonl", b"{}"), purpose="batch")
    assert not upstream.seen()


def test_without_a_provider_of_files(door: str, start: Start, upstream: Upstream) -> None:
    gateway = start(door, two_tenants(upstream.base_url))
    with gateway.client(KEY) as client, pytest.raises(openai.BadRequestError) as caught:
        client.files.create(file=("a.jsonl", b"{}"), purpose="batch")
    assert caught.value.code == "no_route"


def test_after_a_restart_the_only_provider_is_asked(door: str, start: Start, upstream: Upstream) -> None:
    gateway = start(door, open_provider(upstream.base_url))
    with gateway.client() as client:
        # Nothing was made through this process, but nobody else can have made it either.
        assert client.responses.retrieve("resp_before").id == "resp_before"
        assert client.files.retrieve("file-before").id == "file-before"
