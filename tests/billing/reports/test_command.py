"""`fastgate costs` and `fastgate costs import-revenue`, over a ledger that is a list."""

import csv
import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from tests.billing.reports.books import Event
from tests.billing.reports.test_admin_costs import OpenBooks

from fastgate.billing.ledger import Ledger
from fastgate.billing.reports import imported
from fastgate.cli import main

PUSD = 10**12


@pytest.fixture
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    moment = int(time.time()) - 3600
    books = OpenBooks(
        [
            Event(moment, 7 * PUSD, names={"feature": "chat", "tenant": "acme"}),
            Event(moment, 2 * PUSD, names={"feature": "search", "tenant": "globex"}),
        ]
    )

    def opened(state_dir: Path) -> OpenBooks:
        assert state_dir.resolve() == tmp_path.resolve()
        return books

    monkeypatch.setattr(Ledger, "open", opened)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def output(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["costs", *words]) == 0
    return capsys.readouterr().out


def test_without_options_it_is_the_profit_and_loss_by_feature(
    state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = output(capsys, "--state-dir", str(state_dir)).splitlines()
    assert lines[0].startswith("Costs by feature: ")
    assert lines[2].split() == ["feature", "requests", "tokens", "cost", "/request", "trend", "change"]
    assert lines[3].split()[:4] == ["chat", "1", "0", "$7.00"]
    assert "\x1b" not in "".join(lines)


def test_documents_are_the_same_numbers(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--state-dir", str(state_dir), "--by", "tenant"]
    told: Any = json.loads(output(capsys, *place, "--format", "json"))
    rows = list(csv.DictReader(io.StringIO(output(capsys, *place, "--format", "csv"))))
    assert [each["group"]["tenant"] for each in told["groups"]] == ["acme", "globex"]
    assert [row["cost_usd"] for row in rows] == ["7", "2", "9"]
    assert told["total"]["cost_usd"] == "9"


def test_names_are_kept_and_rows_cut(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--state-dir", str(state_dir), "--format", "json"]
    told: Any = json.loads(output(capsys, *place, "--feature", "search", "--feature", "other"))
    assert told["total"]["cost_usd"] == "2"
    told = json.loads(output(capsys, *place, "--top", "1"))
    assert (told["others"]["groups"], told["others"]["cost_usd"]) == (1, "2")


def test_prices_come_from_the_configuration_and_revenue_from_files(
    state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (state_dir / "fastgate.toml").write_text(
        '[server]\nstate_dir = "."\n[providers.openai]\nbase_url = "http://x"\napi_key = "x"\n'
    )
    day = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 3600))
    (state_dir / "invoices.csv").write_text(f"date,feature,tenant,usd\n{day},chat,,12.5\n")
    kept = output(capsys, "import-revenue", "invoices.csv")
    assert kept == f"1 new, 0 replaced; kept in {imported.FILE}\n"
    told: Any = json.loads(output(capsys, "--format", "json", "-c", "fastgate.toml"))
    chat, search = told["groups"]
    assert (chat["revenue_usd"], chat["margin_usd"], chat["margin_permille"]) == ("12.5", "5.5", 440)
    assert search["revenue_usd"] is None
    again = output(capsys, "import-revenue", "invoices.csv", "--state-dir", str(state_dir))
    assert again.startswith("0 new, 1 replaced")


def test_plots(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn = output(capsys, "--state-dir", str(state_dir), "--plot", "terminal")
    assert "chat    $7.00  ███" in drawn
    assert "└──" in drawn
    assert output(capsys, "--state-dir", str(state_dir), "--plot", "costs.png") == "drawn into costs.png\n"
    assert (state_dir / "costs.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--by", "colour"], "a report can be by feature, tenant"),
        (["--since", "soon"], 'since: must be an age as "30d"'),
        (["--time-zone", "Mars"], "no time zone 'Mars'"),
        (["--top", "0"], "a number from 1 to 100000"),
        (["--plot", "costs.svg"], "a file that ends in .png"),
        (["--plot", "costs.png", "--format", "csv"], "instead of a table"),
        (["import-revenue", "absent.csv"], "absent.csv: "),
    ],
)
def test_what_can_not_be_done_is_said_in_a_line(
    state_dir: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main(["costs", "--state-dir", str(state_dir), *words]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert captured.err.count("\n") == 1


def test_without_a_ledger_it_says_how_to_get_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["costs", "--state-dir", str(tmp_path)]) == 1
    assert "`fastgate ledger load` makes it" in capsys.readouterr().err
