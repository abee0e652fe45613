"""The script given to wrk and the line it prints."""

import pytest
from bench.payload import Kind, request
from bench.processes import BenchError
from bench.wrk import parse, quote, script

OUTPUT = """Running 1s test @ http://127.0.0.1:1/v1/chat/completions
  1 threads and 32 connections
Requests/sec:  62757.37
bench-json {"requests":62820,"duration_us":1001000,"bytes":1,"status":2,"connect":1,"read":2,"write":3,\
"timeout":4,"p50_us":512,"p99_us":574,"p999_us":900,"max_us":10400}
"""


def test_the_result_line_is_found_among_the_rest() -> None:
    result = parse(OUTPUT)
    assert (result.requests, result.bad_status, result.socket_errors) == (62820, 2, 10)
    assert (result.p50_us, result.p99_us, result.p999_us, result.max_us) == (512, 574, 900, 10400)
    assert result.requests_per_second == pytest.approx(62757, rel=1e-3)


def test_output_without_a_result_is_an_error() -> None:
    with pytest.raises(BenchError, match="no result"):
        parse("unable to connect")


@pytest.mark.parametrize("text", ["plain", "]]", "a]=]b", "ends]", "\nleading", '{"a":["b"]}'])
def test_a_lua_long_string_is_not_closed_by_its_text(text: str) -> None:
    quoted = quote(text)
    opening, _, rest = quoted.partition("\n")
    closing = opening.replace("[", "]")
    assert rest == text + closing
    assert rest.index(closing) == len(text)  # the first closing bracket is the real one


def test_the_script_has_body_and_headers_and_no_request_function() -> None:
    one = request(Kind.JSON)
    text = script(one)
    assert one.body.decode() in text
    assert one.headers["Authorization"] in text
    assert "function(summary" in text
    assert "request =" not in text
    assert "[[[" not in text  # an index bracket next to a long string would be read as another string
