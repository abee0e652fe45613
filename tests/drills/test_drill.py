"""What a drill is: reading, ranges, who shares traffic."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.drills.conftest import HOUR_MS, START_MS, drill

from fastgate.drills.drill import Drill, DrillRefused, read_drill

ASKED: dict[str, Any] = {"provider": "anthropic", "percent": 10, "for": "1h"}


def read(**more: Any) -> Drill:
    return read_drill({**ASKED, **more}, "d", START_MS, by="ops")


def test_what_the_api_is_sent_becomes_a_drill() -> None:
    found = read(
        tenant="staging", feature=["chat", "search", "chat"], error_share="2.5%", minimum_exchanges=7
    )
    assert found == Drill(
        id="d",
        provider="anthropic",
        permille=100,
        tenants=("staging",),
        features=("chat", "search"),
        starts_unix_ms=START_MS,
        ends_unix_ms=START_MS + HOUR_MS,
        error_share_permille=25,
        minimum_exchanges=7,
        started_by="ops",
    )
    assert str(found) == "d: 10 % of anthropic of tenant staging and feature chat, search"


def test_what_is_left_out_has_a_default() -> None:
    found = read()
    assert (found.tenants, found.features) == (None, None)
    assert (found.error_share_permille, found.minimum_exchanges) == (50, 20)


@pytest.mark.parametrize(
    ("percent", "permille"), [(0.1, 1), (10, 100), (12.5, 125), (100, 1000), ("10%", 100), ("0.5 %", 5)]
)
def test_percentages(percent: object, permille: int) -> None:
    assert read(percent=percent).permille == permille


@pytest.mark.parametrize(
    ("share", "permille"), [("5%", 50), ("0%", 0), (0.05, 50), (1, 1000), ("100%", 1000)]
)
def test_shares(share: object, permille: int) -> None:
    assert read(error_share=share).error_share_permille == permille


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"percent": 0}, "percent: must be from 0.1 to 100"),
        ({"percent": 100.1}, "percent: must be from 0.1 to 100"),
        ({"percent": -1}, "percent: must be from 0.1 to 100"),
        ({"percent": 0.05}, "percent: must be from 0.1 to 100, in steps of 0.1"),
        ({"percent": "much"}, "percent: must be from 0.1 to 100"),
        ({"percent": float("nan")}, "percent: must be from 0.1 to 100"),
        ({"percent": None}, "percent"),
        ({"for": "long"}, "for: must be a duration with its unit"),
        ({"for": "32d"}, "for: must be longer than nothing and at most 31d"),
        ({"error_share": "110%"}, "error_share: must be a share"),
        ({"error_share": 5}, "error_share: must be a share"),
        ({"minimum_exchanges": 0}, "minimum_exchanges: must be at least 1"),
        ({"tenant": []}, "tenant: must be a name"),
        ({"tenant": ""}, "tenant: must be a name"),
        ({"tenants": ["a"]}, "unknown field `tenants`"),
        ({"provider": 5}, "provider"),
    ],
)
def test_what_is_wrong_is_said(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(DrillRefused) as refused:
        read(**wrong)
    assert said in str(refused.value)
    assert (refused.value.status, refused.value.code) == (400, "invalid_drill")


def test_a_drill_can_not_be_named_like_a_report() -> None:
    with pytest.raises(DrillRefused, match="can't end in -report"):
        read_drill(ASKED, "q1-report", START_MS, by=None)


NAMES = st.none() | st.lists(st.sampled_from("abc"), min_size=1, unique=True).map(tuple)
TIMES = st.tuples(st.integers(0, 9), st.integers(1, 9))
DRILLS = st.builds(
    lambda provider, tenants, features, times: drill(
        provider=provider,
        tenants=tenants,
        features=features,
        starts_unix_ms=times[0],
        ends_unix_ms=times[0] + times[1],
    ),
    st.sampled_from(["p", "q"]),
    NAMES,
    NAMES,
    TIMES,
)


@given(DRILLS, DRILLS)
def test_drills_overlap_when_one_exchange_fits_both(one: Drill, other: Drill) -> None:
    def takes(found: Drill, tenant: str, feature: str, at: int) -> bool:
        return (
            (found.tenants is None or tenant in found.tenants)
            and (found.features is None or feature in found.features)
            and found.starts_unix_ms <= at < found.ends_unix_ms
        )

    shared = one.provider == other.provider and any(
        takes(one, tenant, feature, at) and takes(other, tenant, feature, at)
        for tenant in "abcd"
        for feature in "abcd"
        for at in range(20)
    )
    assert one.overlaps(other) == other.overlaps(one) == shared
