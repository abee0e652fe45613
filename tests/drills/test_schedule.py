"""Drills of the configuration."""

import msgspec
import pytest

from fastgate.config import load_text
from fastgate.drills.drill import WHEN_READ, Drill
from fastgate.drills.schedule import scheduled

PROVIDER = '[providers.anthropic]\nbase_url = "http://x"\n[tenants.staging]\n'
DRILL = '[drills.q1]\nprovider = "anthropic"\npercent = 12.5\nfor = "1h"\n'


def read(text: str) -> tuple[Drill, ...]:
    return scheduled(load_text(PROVIDER + text, {}).settings)


def test_units_are_those_of_a_drill() -> None:
    more = (
        'tenant = "staging"\nfeature = ["chat", "search"]\nfrom = "2027-01-15T08:00:00Z"\n'
        'error_share = "2.5%"\nminimum_exchanges = 7\n'
    )
    assert read(DRILL + more) == (
        Drill(
            id="q1",
            provider="anthropic",
            permille=125,
            tenants=("staging",),
            features=("chat", "search"),
            starts_unix_ms=1_800_000_000_000,
            ends_unix_ms=1_800_003_600_000,
            error_share_permille=25,
            minimum_exchanges=7,
            origin="configuration",
        ),
    )


def test_a_drill_can_be_written_down() -> None:
    for drill in read(DRILL + 'from = "2027-01-15T08:00:00Z"\n') + read(DRILL):
        assert msgspec.json.decode(msgspec.json.encode(drill), type=Drill) == drill


@pytest.mark.parametrize(
    ("percent", "permille"), [("100", 1000), ("0.0001", 1), ("0.15", 2), ("1.24", 12), ("12.5", 125)]
)
def test_a_share_that_is_not_nothing_stays_one(percent: str, permille: int) -> None:
    assert read(DRILL.replace("12.5", percent))[0].permille == permille


def test_without_a_beginning_it_begins_when_it_is_read() -> None:
    (found,) = read(DRILL)
    assert (found.starts_unix_ms, found.ends_unix_ms) == (WHEN_READ, 3_600_000)
    assert (found.tenants, found.features) == (None, None)
    assert (found.error_share_permille, found.minimum_exchanges) == (50, 20)


def test_a_configuration_without_drills() -> None:
    assert read("") == ()
