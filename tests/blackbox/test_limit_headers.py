"""Where limits stand, in the headers of answers, streams and denials; warnings; the cheaper model."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.blackbox.gateway import Answer, Gateway, running
from tests.blackbox.limits import (
    COST_PUSD,
    INPUT_TOKENS,
    MAX_TOKENS,
    OUTPUT_TOKENS,
    ask,
    body,
    code,
    held_pusd,
    key_of,
    limited,
    script,
    tenant_table,
    usd,
)
from tests.blackbox.records import records_of
from tests.blackbox.upstream import Upstream

HOUR_S, DAY_S = 3600, 86_400
WARNING, DOWNGRADED = "x-fastgate-limit-warning", "x-fastgate-downgraded-to"
LIMIT_HEADERS = re.compile("x-ratelimit-|ratelimit")
TOKENS = INPUT_TOKENS + OUTPUT_TOKENS
BUDGET_PUSD = 10**10

# Each used twice: by an answer in one piece, and by a stream.
SHAPES = {"json": False, "stream": True}
TENANTS = {
    "unlimited": "",
    "counts": """
        { name = "requests of a day", requests = 4, window = "day" },
        { name = "wide", requests = 1000, window = "2h" },
        { name = "tokens of an hour", tokens = 1000, window = "1h", hard = true },
        { concurrent = 50 },""",
    "rate": '{ name = "rate", requests = 6, burst = 3, window = "1m" }',
    "money": f'{{ name = "budget", usd = {usd(BUDGET_PUSD)}, window = "month" }}',
    "warned": '{ name = "half", requests = 4, window = "day", warn_at = "50%" }',
    "warned-of-money": f'{{ name = "money", usd = {usd(4 * COST_PUSD + held_pusd(body()))}, '
    'window = "day", warn_at = "60%" }',
    "warned-twice": '{ name = "one", requests = 2, window = "day", warn_at = "50%" }, '
    '{ name = "two", requests = 2, window = "2h", warn_at = "50%" }',
    "downgraded": '{ name = "half", requests = 4, window = "day", '
    'downgrade = { at = "50%", model = "small" } }',
    "downgraded-money": f'{{ name = "money", usd = {usd(3 * COST_PUSD + held_pusd(body()))}, '
    'window = "month", downgrade = { at = "25%", model = "small" } }',
}


@pytest.fixture(scope="module")
def telling(door: str, provider: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    tables = [
        tenant_table(
            f"{name}-{shape}",
            unique(limits, f"{name}-{shape}"),
            key_more='models = ["metered"]\n' if "downgraded" in name else "",
        )
        for name, limits in TENANTS.items()
        for shape in SHAPES
    ]
    with running(
        door, tmp_path_factory.mktemp(f"telling-{door}"), limited(provider.base_url, *tables)
    ) as gateway:
        yield gateway


@pytest.fixture(autouse=True)
def scripted(upstream: Upstream) -> None:
    script(upstream, headers={"x-ratelimit-limit-requests": "77777", "x-ratelimit-remaining-tokens": "88888"})


@pytest.fixture(params=SHAPES)
def shape(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def unique(limits: str, tenant: str) -> str:
    """Names of limits are unique in a configuration; `asked` takes out again what makes them so."""
    return re.sub(r'name = "(.*?)"', rf'name = "\1@{tenant}"', limits)


def asked(gateway: Gateway, name: str, shape: str) -> Answer:
    answer = ask(gateway, f"{name}-{shape}", body(stream=SHAPES[shape]))
    headers = {header: value.replace(f"@{name}-{shape}", "") for header, value in answer.headers.items()}
    return replace(answer, headers=headers)


def told(answer: Answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if LIMIT_HEADERS.match(name)}


def rate_limit(answer: Answer) -> tuple[str, int, int]:
    """Name, what is left, and seconds until it is whole again, of the header `RateLimit`."""
    found = re.fullmatch(r'"(.*)";r=(\d+);t=(\d+)', answer.headers["ratelimit"])
    assert found, answer.headers["ratelimit"]
    return found[1], int(found[2]), int(found[3])


def test_without_limits_the_providers_headers_are_left_alone(telling: Gateway, shape: str) -> None:
    answer = asked(telling, "unlimited", shape)
    assert told(answer) == {
        "x-ratelimit-limit-requests": "77777",
        "x-ratelimit-remaining-tokens": "88888",
    }


def test_the_tightest_limit_of_requests_and_of_tokens(telling: Gateway, shape: str) -> None:
    left_requests = []
    for number in range(4):
        answer = asked(telling, "counts", shape)
        assert code(answer) == (200, None)
        headers = told(answer)
        assert headers["x-ratelimit-limit-requests"] == "4"
        left_requests.append(headers["x-ratelimit-remaining-requests"])
        assert headers["x-ratelimit-limit-tokens"] == "1000"
        held = len(body(stream=SHAPES[shape])) + MAX_TOKENS
        assert int(headers["x-ratelimit-remaining-tokens"]) == 1000 - number * TOKENS - held
        assert re.fullmatch(r"\d+s", headers["x-ratelimit-reset-requests"])
        assert headers["ratelimit-policy"] == f'"requests of a day";q=4;w={DAY_S}'
        assert rate_limit(answer)[:2] == ("requests of a day", 3 - number)
    assert left_requests == ["3", "2", "1", "0"]

    denied = asked(telling, "counts", shape)
    assert code(denied) == (429, "insufficient_quota")
    headers = told(denied)
    assert headers["x-ratelimit-remaining-requests"] == "0"
    # What was held has come back, what was used has not.
    assert int(headers["x-ratelimit-remaining-tokens"]) == 1000 - 4 * TOKENS
    reset_s = int(headers["x-ratelimit-reset-requests"].removesuffix("s"))
    assert rate_limit(denied) == ("requests of a day", 0, reset_s)
    assert DAY_S // 4 < reset_s < DAY_S
    assert HOUR_S - 60 < int(headers["x-ratelimit-reset-tokens"].removesuffix("s")) <= HOUR_S + 2 * 120


def test_a_rate_tells_what_its_burst_has_left(telling: Gateway, shape: str) -> None:
    answers = [asked(telling, "rate", shape) for _ in range(4)]
    assert [code(answer)[0] for answer in answers] == [200, 200, 200, 429]
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"rate";q=6;w=60'}
    assert [rate_limit(answer)[1] for answer in answers] == [2, 1, 0, 0]
    assert rate_limit(answers[-1])[2] in range(28, 31)
    assert int(answers[-1].headers["retry-after"]) in range(9, 11)


def test_money_is_told_in_millionths_of_a_dollar(telling: Gateway, shape: str) -> None:
    answer = asked(telling, "money", shape)
    policy = f'"budget";q={BUDGET_PUSD // 10**6};w={31 * DAY_S};qu="micro-usd"'
    assert answer.headers["ratelimit-policy"] == policy
    held = held_pusd(body(stream=SHAPES[shape]))
    assert rate_limit(answer)[:2] == ("budget", (BUDGET_PUSD - held) // 10**6)
    # The provider's own, of what the gateway has no limit of.
    assert answer.headers["x-ratelimit-limit-requests"] == "77777"


def test_a_warning_comes_at_its_share(telling: Gateway, shape: str) -> None:
    answers = [asked(telling, "warned", shape) for _ in range(5)]
    assert [answer.headers.get(WARNING) for answer in answers] == [
        None,
        *(f'"half";used={share}%' for share in (50, 75, 100, 100)),
    ]
    assert [answer.status for answer in answers] == [200] * 4 + [429]


def test_what_is_reserved_counts_for_a_warning(telling: Gateway, shape: str) -> None:
    budget = 4 * COST_PUSD + held_pusd(body())
    for number in range(4):
        answer = asked(telling, "warned-of-money", shape)
        assert answer.status == 200
        share = (number * COST_PUSD + held_pusd(body(stream=SHAPES[shape]))) * 100 // budget
        expected = f'"money";used={share}%' if share >= 60 else None
        assert answer.headers.get(WARNING) == expected


def test_several_warnings_are_one_list(telling: Gateway, shape: str) -> None:
    answer = asked(telling, "warned-twice", shape)
    assert answer.headers[WARNING] == '"one";used=50%, "two";used=50%'


@pytest.mark.parametrize("limit", ["downgraded", "downgraded-money"])
def test_a_cheaper_model_from_a_share_on(telling: Gateway, shape: str, limit: str) -> None:
    """Also where the key may not ask for that model itself: it is the operator's choice."""
    answers = [asked(telling, limit, shape) for _ in range(3)]
    assert [answer.status for answer in answers] == [200] * 3
    assert answers[0].headers.get(DOWNGRADED) is None
    assert answers[0].headers["x-fastgate-deployment"] == "metered"
    assert answers[-1].headers[DOWNGRADED] == "small"
    assert answers[-1].headers["x-fastgate-deployment"] == "spare"
    ids = [answer.headers["x-fastgate-request-id"] for answer in answers]
    records = records_of(telling, ids)
    assert [records[id]["model"] for id in ids] == ["metered"] * 3
    assert (records[ids[0]].get("downgraded_to"), records[ids[-1]]["downgraded_to"]) == (None, "small")
    assert key_of(f"{limit}-{shape}") not in str(answers)
