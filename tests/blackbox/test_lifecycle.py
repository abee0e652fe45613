"""Starting, reloading and stopping, with and without load."""

import re
import signal
import time
from functools import partial
from pathlib import Path

import pytest
from tests.blackbox import configuration
from tests.blackbox.configuration import KEY
from tests.blackbox.conftest import Start
from tests.blackbox.gateway import Gateway, chat_body
from tests.blackbox.load import Load
from tests.blackbox.records import all_records
from tests.blackbox.upstream import Upstream
from tests.blackbox.waiting import until


def answers_models(gateway: Gateway, headers: dict[str, str]) -> bool:
    return gateway.fetch("GET", "/v1/models", None, headers).status == 200


def test_sigterm_under_load_loses_nothing(door: str, start: Start, upstream: Upstream) -> None:
    upstream.script(content="one two three four five", chunks=5, first_token_ms=20, gap_ms=10)
    gateway = start(door, configuration.open_provider(upstream.base_url))
    # Only the native door's listener is ours to drain.
    drops_backlog = door.startswith("granian")
    with Load(gateway.port, KEY, new_connections=True, drops_backlog=drops_backlog) as load:
        until(lambda: load.answered() >= 50, "load under way")
        load.mark_stop()
        gateway.process.send_signal(signal.SIGTERM)
        gateway.process.wait(20)
    assert load.failures == []
    assert load.answered() >= 50


def test_reload_under_load_loses_nothing(door: str, start: Start, upstream: Upstream) -> None:
    upstream.script(content="one two three four five", chunks=5, first_token_ms=5, gap_ms=3)
    config = configuration.open_provider(upstream.base_url)
    gateway = start(door, config)
    with Load(gateway.port, KEY, new_connections=True) as load:
        for number in range(5):
            gateway.configure(
                config + f"\n[tenants.t{number}]\n" + configuration.key_table(f"key-{number}", f"t{number}")
            )
            header = {"x-api-key": f"key-{number}"}
            until(partial(answers_models, gateway, header), "reloaded")
        until(lambda: load.answered() >= 100, "load under way")
    assert load.failures == []
    assert load.counts["refused"] == 0


def test_a_wrong_file_is_refused_whole_and_the_old_one_kept(
    door: str, start: Start, upstream: Upstream
) -> None:
    config = configuration.open_provider(upstream.base_url)
    gateway = start(door, config)
    gateway.configure(config.replace("acme", "other", 1) + '\nwrong = "[')
    until(lambda: "rejected" in gateway.log(), "the rejection is logged")
    assert re.search(r"fastgate\.toml:\d+", gateway.log())
    assert gateway.chat(chat_body()).status == 200
    gateway.configure(config + configuration.key_table("another"))
    until(
        lambda: gateway.chat(chat_body(), {"x-api-key": "another"}).status == 200, "the next right one counts"
    )


def test_requests_in_flight_finish_with_the_configuration_they_began_with(
    door: str, start: Start, upstream: Upstream
) -> None:
    upstream.script(content="one two three", chunks=3, gap_ms=500)
    config = configuration.open_provider(upstream.base_url)
    gateway = start(door, config)
    with gateway.send_chat(chat_body(stream=True)) as connection:
        received = connection.recv(65_536)
        gateway.configure(config.replace(upstream.base_url, "http://127.0.0.1:9/v1"))
        until(lambda: gateway.chat(chat_body()).status == 502, "the new provider counts")
        while b"0\r\n\r\n" not in received:
            piece = connection.recv(65_536)
            assert piece, received
            received += piece
    assert b"data: [DONE]" in received


def refused(gateway: Gateway) -> str:
    """What a gateway that must not start says."""
    try:
        assert gateway.process.wait(20) not in (0, -signal.SIGKILL)
    finally:
        gateway.process.kill()
        gateway.process.wait()
    return gateway.log()


def test_a_bound_port_refuses_to_start(tmp_path: Path, start: Start, upstream: Upstream) -> None:
    first = start("native", configuration.open_provider(upstream.base_url))
    second = Gateway.__new__(Gateway)
    folder = tmp_path / "second"
    folder.mkdir()
    second.door, second.key, second.port = "native", KEY, first.port
    second.config_file, second.log_file = folder / "fastgate.toml", folder / "gateway.log"
    second.config_file.write_text(
        configuration.server(f"127.0.0.1:{first.port}", "off", str(folder / "state"))
        + configuration.open_provider(upstream.base_url)
    )
    second.process = second.start_process()
    said = refused(second)
    assert f"127.0.0.1:{first.port}" in said
    assert "Traceback" not in said
    assert first.chat(chat_body()).status == 200


def test_a_state_directory_belongs_to_one_gateway(tmp_path: Path, start: Start, upstream: Upstream) -> None:
    config = configuration.open_provider(upstream.base_url)
    first = start("native", config)
    folder = tmp_path / "second"
    folder.mkdir()
    second = Gateway("native", folder, config)
    second.process.kill()
    second.process.wait()
    second.state_dir = first.state_dir
    second.config_file.write_text(
        configuration.server(f"127.0.0.1:{second.port}", "off", str(first.state_dir)) + config
    )
    second.process = second.start_process()
    said = refused(second)
    assert str(first.state_dir) in said
    assert str(first.process.pid) in said
    assert "Traceback" not in said
    assert first.chat(chat_body()).status == 200


def test_a_second_signal_ends_at_once(start: Start, upstream: Upstream) -> None:
    upstream.script(stall="before_headers", stall_ms=25_000)
    gateway = start("native", configuration.open_provider(upstream.base_url))
    with gateway.send_chat(chat_body()):
        until(upstream.seen, "the request is up")
        gateway.process.send_signal(signal.SIGTERM)
        until(lambda: "stopping" in gateway.log(), "it is stopping")
        assert gateway.process.poll() is None
        began = time.monotonic()
        gateway.process.send_signal(signal.SIGTERM)
        code = gateway.process.wait(10)
    assert time.monotonic() - began < 2
    assert code != 0
    # This code is asked for here; the fixture's own check is for graceful ends.
    gateway.process.returncode = 0


def test_a_gateway_serves_where_its_banner_cant_be_printed(start: Start, upstream: Upstream) -> None:
    gateway = start("native", configuration.open_provider(upstream.base_url))
    gateway.stop()
    with Path("/dev/full").open("wb") as full:
        gateway.process = gateway.start_process(stdout=full)
    gateway.wait_until_ready()
    assert gateway.chat(chat_body()).status == 200
    assert "standard output can't be written" in gateway.log()
    gateway.process.send_signal(signal.SIGTERM)
    assert gateway.process.wait(10) == 0


@pytest.mark.parametrize("with_sighup", [False, True])
def test_sighup_reads_the_file_again(start: Start, upstream: Upstream, with_sighup: bool) -> None:
    config = configuration.open_provider(upstream.base_url)
    gateway = start("native", config)
    gateway.configure(config + configuration.key_table("another"))
    if with_sighup:
        gateway.process.send_signal(signal.SIGHUP)
    until(lambda: gateway.chat(chat_body(), {"x-api-key": "another"}).status == 200, "reloaded", within_s=1.0)


def test_what_a_stop_cuts_off_is_not_its_clients_doing(tmp_path: Path, upstream: Upstream) -> None:
    upstream.script(content="one two three", chunks=3, stall="events:3")
    config = configuration.open_provider(upstream.base_url)
    gateway = Gateway("native", tmp_path, config, settings='shutdown_grace = "200ms"\n')
    try:
        gateway.wait_until_ready()
        with (
            gateway.send_chat(chat_body(stream=True)) as connection,
            gateway.send_chat(chat_body(stream=True)),
        ):
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
            until(lambda: upstream.mock.counts()["in_flight"] == 2, "both are under way")
            gateway.process.send_signal(signal.SIGTERM)
            assert gateway.process.wait(20) == 1, "not all that was under way was finished"
    finally:
        gateway.process.kill()
    records = all_records(gateway)
    assert [(record["outcome"], record["fault"]) for record in records] == [("stopped", "gateway")] * 2
    assert all(record["usage_estimated"] for record in records)
