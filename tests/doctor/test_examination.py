"""The whole report: the command, its exit code, bounds in time, and a configuration that is wrong."""

import json
import threading
from pathlib import Path

import pytest
from tests.blackbox.gateway import free_port

from fastgate._core import MockProvider
from fastgate.cli import main
from fastgate.doctor.configuration import check_configuration
from fastgate.doctor.examination import examine, run
from fastgate.doctor.findings import Finding, Severity, ok

KEY = "sk-very-secret"
DIGEST = "sha256:" + "0" * 64


def write(folder: Path, base_url: str, more: str = "") -> Path:
    file = folder / "fastgate.toml"
    file.write_text(
        f'[server]\nlisten = "127.0.0.1:{free_port()}"\nadmin = "off"\nstate_dir = "{folder}"\n'
        f'[providers.x]\nbase_url = "{base_url}"\napi_key = "{KEY}"\n{more}'
    )
    return file


def test_the_command(mock: MockProvider, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path, f"http://{mock.address}/v1")
    assert main(["doctor", "-c", str(file)]) == 0
    said = capsys.readouterr().out
    assert "ok    provider x: the API key is accepted (200)" in said
    assert said.rstrip().splitlines()[-1].startswith("0 failed")

    mock.set_script('{"defaults": {"status": 401}}')
    assert main(["doctor", "-c", str(file), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    (failed,) = (finding for finding in report["findings"] if finding["severity"] == "fail")
    assert (failed["check"], failed["subject"]) == ("provider", "x")
    assert "providers.x.api_key" in failed["advice"]
    assert report["counts"]["fail"] == 1
    assert KEY not in json.dumps(report)

    asked = len(mock.requests())
    assert main(["doctor", "-c", str(file), "--offline"]) == 0
    assert len(mock.requests()) == asked


def test_a_wrong_configuration_is_told_line_by_line(tmp_path: Path) -> None:
    file = write(tmp_path, "ftp://x", "[deployments.d]\nprovider = 'y'\nmodel = 'm'\n")
    failed = [finding for finding in examine(file, {}) if finding.severity is Severity.FAIL]
    assert [finding.check for finding in failed] == ["config", "config"]
    assert failed[0].message.startswith("line 6: providers.x.base_url: must be")
    assert all(finding.advice for finding in failed)


def test_what_will_be_regretted(tmp_path: Path) -> None:
    keys = "".join(
        f'[[keys]]\ndigest = "sha256:{index:064x}"\nname = "{name}"\nexpires = "{expires}"\n'
        for index, (name, expires) in enumerate(
            [("old", "2020-01-01"), ("soon", "2026-01-10"), ("later", "2030-01-01")]
        )
    )
    file = write(tmp_path, "http://api.example.com/v1", keys)
    file.write_text(file.read_text().replace("127.0.0.1", "0.0.0.0"))
    now_unix_s = 1_767_225_600.0  # 2026-01-01
    config, found = check_configuration(file, {}, now_unix_s)
    assert config is not None
    said = [finding.message for finding in found if finding.severity is Severity.WARN]
    assert said[0] == "x's API key travels unencrypted"
    assert "serves plain HTTP beyond this machine" in said[1]
    assert said[2:] == ["key old has expired", "key soon expires in 9 days"]


def test_an_issuers_keys(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text('{"keys": []}')
    issuer = '[auth.jwt]\nissuer = "i"\naudiences = ["a"]\njwks = "keys.json"\ndefault_tenant = "default"\n'
    file = write(tmp_path, f"http://127.0.0.1:{free_port()}/v1", issuer)
    (finding,) = (finding for finding in examine(file, {}) if finding.check == "issuer")
    assert finding.severity is Severity.FAIL
    assert "no key that can check a signature" in finding.message


def test_a_check_that_hangs_or_breaks_is_a_finding() -> None:
    never = threading.Event()

    def hang() -> list[Finding]:
        never.wait(30)
        return []

    def break_down() -> list[Finding]:
        raise RuntimeError(KEY)

    checks = [
        ("provider", "slow", hang),
        ("disk", "", break_down),
        ("lock", "", lambda: [ok("lock", "", "free")]),
    ]
    found = run(checks, 0.1)
    never.set()
    assert [(finding.severity.value, finding.subject) for finding in found[:2]] == [
        ("fail", "slow"),
        ("fail", ""),
    ]
    assert "the check itself broke (RuntimeError)" in found[1].message
    assert KEY not in str(found)
    assert found[2].message == "free"
