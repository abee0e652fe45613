"""The manual has every option, field and code."""

import argparse
from pathlib import Path

import pytest
from tests.billing.reports.test_report import report_of

from fastgate.billing.reports.documents import document
from fastgate.billing.reports.query import BY
from fastgate.billing.reports.report import SORTS
from fastgate.billing.reports.rows import fields
from fastgate.cli import costs

MANUAL = (Path(__file__).parents[3] / "docs" / "costs.md").read_text()


@pytest.mark.parametrize("name", [*BY, *SORTS, *fields(report_of([]).total), "trend_pusd"])
def test_every_name_is_there(name: str) -> None:
    assert f"`{name}`" in MANUAL


@pytest.mark.parametrize("name", document(report_of([])))
def test_every_part_of_the_object_is_there(name: str) -> None:
    assert f"`{name}`" in MANUAL or f"`{name}[]`" in MANUAL


def test_every_option_is_there() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    costs.configure(parser)
    options = [max(action.option_strings, key=len) for action in parser._actions if action.option_strings]
    assert len(options) > 15
    for option in options:
        assert f"`{option}" in MANUAL or option == "--config", option
