"""The admin listener's way to the control plane and back. These tests are the control plane."""

import http.client
import socket
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from tests.admin.conftest import CLIENT_TIMEOUT_S, Answer, Listener, listening, read
from tests.blackbox.waiting import until

REQUESTS = 64
BODY_BYTES = 1_000_000


def asking(listener: Listener, *request: Any, **more: Any) -> "Future[Answer]":
    """A request that is on its way, from a thread of its own."""
    future: Future[Answer] = Future()

    def ask() -> None:
        try:
            future.set_result(listener.ask(*request, **more))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    return future


def attend(listener: Listener) -> None:
    """Let the listener know that there is a control plane."""
    assert listener.engine.take_admin_request(0) is None


def test_a_request_comes_whole_and_its_answer_goes_back(listener: Listener) -> None:
    attend(listener)
    answer = asking(listener, "POST", "/admin/a%20b/c?d=e%2Ff", b"body", {"X-Thing": "1"})
    request = listener.take()
    assert (request.method, request.path, request.query) == ("POST", b"/admin/a%20b/c", b"d=e%2Ff")
    assert request.body == b"body"
    assert (b"x-thing", b"1") in request.headers
    assert request.client[0] == "127.0.0.1"
    request.respond(201, [(b"x-one", b"1"), (b"x-one", b"2"), (b"content-length", b"999")], b"made")
    assert answer.result(CLIENT_TIMEOUT_S).status == 201
    assert answer.result().body == b"made", "its length is the listener's to say"
    assert answer.result().headers["x-one"] == "2"


def test_a_connection_carries_many_requests(listener: Listener) -> None:
    attend(listener)
    with ThreadPoolExecutor(1) as pool, listener.connection() as connection:
        for number in range(3):
            taken = pool.submit(listener.take)
            connection.request("GET", f"/{number}")
            request = taken.result(CLIENT_TIMEOUT_S)
            request.respond(200, [], request.path)
            assert read(connection).body == f"/{number}".encode()


def test_without_a_control_plane_there_is_nothing(listener: Listener) -> None:
    answer = listener.ask("GET", "/admin/status")
    assert (answer.status, answer.code()) == (404, "not_found")


def test_health_and_metrics_need_no_control_plane(listener: Listener) -> None:
    attend(listener)
    assert listener.ask("GET", "/livez").status == 200
    assert listener.ask("GET", "/readyz").status == 200
    page = listener.ask("GET", "/metrics")
    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert b"fastgate_build_info" in page.body
    assert listener.engine.take_admin_request(0) is None


def test_one_that_is_let_go_unanswered_gets_an_error(listener: Listener) -> None:
    attend(listener)
    answer = asking(listener, "GET", "/admin/status")
    listener.take()
    assert (answer.result(CLIENT_TIMEOUT_S).status, answer.result().code()) == (500, "internal_error")


def test_beyond_the_bound_further_ones_are_turned_away(listener: Listener) -> None:
    attend(listener)
    beyond = 6
    answers = [asking(listener, "GET", f"/{number}") for number in range(REQUESTS + beyond)]
    until(lambda: sum(answer.done() for answer in answers) == beyond, "refusals")
    for answer in answers:
        if answer.done():
            refused = answer.result()
            assert (refused.status, refused.code(), refused.headers["retry-after"]) == (
                503,
                "overloaded",
                "1",
            )
    assert listener.ask("GET", "/livez").status == 200
    taken = [listener.take() for _ in range(REQUESTS)]
    assert listener.ask("GET", "/more").status == 503, "those that are being answered count too"
    for request in taken:
        request.respond(200, [], request.path)
    bodies = [answer.result(CLIENT_TIMEOUT_S).body for answer in answers if answer.result().status == 200]
    assert sorted(bodies) == sorted(request.path for request in taken)
    again = asking(listener, "GET", "/again")
    listener.take().respond(200, [], b"")
    assert again.result(CLIENT_TIMEOUT_S).status == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_has_a_bound(listener: Listener, chunked: bool) -> None:
    attend(listener)
    with listener.connection() as connection:
        body = (b"x" * 10_001 for _ in range(100))
        headers = {"transfer-encoding": "chunked"} if chunked else {"content-length": str(BODY_BYTES + 100)}
        try:
            connection.request("POST", "/", body, headers, encode_chunked=chunked)
        except (BrokenPipeError, ConnectionResetError):
            pytest.fail("a client that is still sending has to get its answer")
        answer = read(connection)
    assert (answer.status, answer.code()) == (413, "request_too_large")
    assert answer.headers["connection"] == "close"
    fits = asking(listener, "POST", "/", b"x" * BODY_BYTES)
    request = listener.take()
    assert len(request.body) == BODY_BYTES
    request.respond(200, [], b"")
    assert fits.result(CLIENT_TIMEOUT_S).status == 200


def test_answering_a_client_that_has_left_is_no_error(listener: Listener) -> None:
    attend(listener)
    with socket.create_connection((listener.host, listener.port), CLIENT_TIMEOUT_S) as leaving:
        leaving.sendall(b"GET /leaves HTTP/1.1\r\nhost: localhost\r\n\r\n")
        left = listener.take()
    stays = asking(listener, "GET", "/stays")
    # On the same core, behind the end of the first connection.
    listener.take().respond(200, [], b"")
    assert stays.result(CLIENT_TIMEOUT_S).status == 200
    left.respond(200, [], b"nobody reads this")


def test_what_can_not_be_sent_is_an_error_here(listener: Listener) -> None:
    attend(listener)
    answer = asking(listener, "GET", "/")
    request = listener.take()
    for status, headers in ((99, []), (1000, []), (200, [(b"a b", b"")]), (200, [(b"a", b"b\r\nc: d")])):
        with pytest.raises(ValueError, match="no such answer can be sent"):
            request.respond(status, headers, b"")
    request.respond(200, [], b"ok")
    with pytest.raises(RuntimeError, match="has been answered"):
        request.respond(200, [], b"ok")
    assert answer.result(CLIENT_TIMEOUT_S).body == b"ok"


def test_the_end_wakes_who_waits(listener: Listener) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(listener.engine.take_admin_request, 3600)
        until(lambda: listener.ask("GET", "/livez").status == 200, "serving")
        listener.engine.stop(0)
        assert waiting.result(CLIENT_TIMEOUT_S) is None
    assert listener.engine.take_admin_request(3600) is None
    with pytest.raises(ValueError, match="negative"):
        listener.engine.take_admin_request(-1)


def test_metrics_beyond_this_machine_are_the_control_planes_to_show() -> None:
    with listening("0.0.0.0:0") as listener:
        own = own_address()
        attend(listener)
        answer = asking(listener, "GET", "/metrics", host=own)
        request = listener.take()
        assert (request.path, request.client[0]) == (b"/metrics", own)
        kind, page = listener.engine.metrics(b"application/openmetrics-text")
        assert kind.startswith("application/openmetrics-text")
        request.respond(200, [(b"content-type", kind.encode())], page.encode())
        assert answer.result(CLIENT_TIMEOUT_S).body.endswith(b"# EOF\n")


def own_address() -> str:
    """An address of this machine that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has loopback only")
        address: str = probe.getsockname()[0]
        return address


def test_a_head_has_a_bound(listener: Listener) -> None:
    attend(listener)
    with listener.connection() as connection:
        connection.request("GET", "/", headers={"x": "y" * 40_000})
        try:
            status = connection.getresponse().status
        except (ConnectionError, http.client.HTTPException):
            status = 431
    assert status == 431
