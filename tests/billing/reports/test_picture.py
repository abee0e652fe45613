"""PNGs, and a clear word where matplotlib is not installed."""

import sys
from pathlib import Path

import pytest
from tests.billing.reports.test_golden import report
from tests.billing.reports.test_report import report_of

from fastgate.billing.reports.asking import Asked
from fastgate.billing.reports.picture import PlotFailed, draw

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("by", ["feature", "day", "tenant,model", "user"])
def test_a_report_is_drawn(tmp_path: Path, by: str) -> None:
    file = tmp_path / "costs.png"
    draw(report(Asked(by=by, parts=62)), file)
    drawn = file.read_bytes()
    assert drawn.startswith(PNG)
    assert len(drawn) > 10_000


def test_nothing_can_be_drawn_too(tmp_path: Path) -> None:
    draw(report_of([]), tmp_path / "costs.png")
    assert (tmp_path / "costs.png").read_bytes().startswith(PNG)


def test_a_file_that_can_not_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(PlotFailed, match=r"absent/costs\.png can't be written"):
        draw(report_of([]), tmp_path / "absent" / "costs.png")


def test_without_matplotlib_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(PlotFailed, match=r"pip install \"fastgate\[plots\]\""):
        draw(report_of([]), tmp_path / "costs.png")
    assert not (tmp_path / "costs.png").exists()
