"""The manual's matrix is what the tests ask for, cell by cell."""

import pytest
from tests.dialects import matrix
from tests.dialects.conftest import COLLECTED, FOLDER
from tests.dialects.features import FEATURES
from tests.dialects.manual import PAGE
from tests.dialects.matrix_table import written

DOORS = ("native", "uvicorn")


def test_the_page_has_the_matrix() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == written(page), "run: python -m tests.dialects.matrix_table"


def test_every_cell_has_its_tests(request: pytest.FixtureRequest) -> None:
    collected = request.config.stash[COLLECTED]
    if {item.path for item in collected} < set(FOLDER.glob("test_*.py")):
        pytest.skip("only some of the matrix is being tested")
    asked: dict[str, set[tuple[str, str, str]]] = {door: set() for door in DOORS}
    for item in collected:
        given = item.callspec.params if hasattr(item, "callspec") else {}
        if {"door", "case", "client_name", "dialect"} <= given.keys():
            provider = given.get("other", given["dialect"])
            asked[given["door"]].add((given["case"], given["client_name"], provider))
    assert asked == {door: matrix.cells() for door in DOORS}


def test_what_is_refused_has_its_reason() -> None:
    refused = {
        row
        for row in FEATURES
        for client in matrix.CLIENTS
        for provider in matrix.PROVIDERS
        if matrix.said(row, client, provider) == matrix.REFUSED
    }
    assert refused == matrix.REASONS.keys()
