"""Groups, models and rows: from what is written to the engine's tables, and what is wrong with them."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgate import _core
from fastgate.config import compile_tables, load_text
from fastgate.config.routing_settings import Group, When, Where
from fastgate.config.table import Capability, unwrapped
from fastgate.errors import ConfigError

# The example of the design, bar its limits, with the deployments that it names.
DESIGN = """
[server]
listen = "127.0.0.1:8080"
admin  = "127.0.0.1:8081"
state_dir = "state"

[providers.openai]
dialect = "openai"
base_url = "https://api.openai.com/v1"
api_key = "${OPENAI_API_KEY}"
[providers.other]
base_url = "https://other.example.com/v1"

[deployments.gpt-4o-us]
provider = "openai"
model = "gpt-4o"
region = "us"
cost_class = "premium"
timeout = "30s"
[deployments.gpt-4o-eu]
provider = "openai"
model = "gpt-4o"
region = "eu"
[deployments.opus-eu]
provider = "other"
model = "opus"
region = "eu"
[deployments.sonnet-eu]
provider = "other"
model = "sonnet"
region = "eu"
[deployments.haiku-us]
provider = "other"
model = "haiku"
region = "us"

[groups.fast]
members = { "gpt-4o-us" = 3, "gpt-4o-eu" = 1 }
pick = "weighted"

[models.chat]
budget = "12s"
[[models.chat.rows]]
when = { region = "eu" }
use = ["opus-eu", "sonnet-eu"]
[[models.chat.rows]]
when = { tier = "free" }
use = ["haiku-us"]
[[models.chat.rows]]
use = ["fast", "haiku-us"]

[tiers.free]
[tiers.paid]
weight = 10
[tenants.acme]
tier = "paid"
region = "eu"
[[keys]]
digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
tenant = "acme"
"""

DESIGN_YAML = """
server: { listen: 127.0.0.1:8080, admin: 127.0.0.1:8081, state_dir: state }
providers:
  openai: { dialect: openai, base_url: https://api.openai.com/v1, api_key: "${OPENAI_API_KEY}" }
  other: { base_url: https://other.example.com/v1 }
deployments:
  gpt-4o-us: { provider: openai, model: gpt-4o, region: us, cost_class: premium, timeout: 30s }
  gpt-4o-eu: { provider: openai, model: gpt-4o, region: eu }
  opus-eu: { provider: other, model: opus, region: eu }
  sonnet-eu: { provider: other, model: sonnet, region: eu }
  haiku-us: { provider: other, model: haiku, region: us }
groups:
  fast:
    members: { gpt-4o-us: 3, gpt-4o-eu: 1 }
    pick: weighted
models:
  chat:
    budget: 12s
    rows:
      - when: { region: eu }
        use: [opus-eu, sonnet-eu]
      - when: { tier: free }
        use: [haiku-us]
      - use: [fast, haiku-us]
tiers: { free: {}, paid: { weight: 10 } }
tenants:
  acme: { tier: paid, region: eu }
keys:
  - digest: sha256:0000000000000000000000000000000000000000000000000000000000000000
    tenant: acme
"""

BASE = """\
[providers.p]
base_url = "https://p.example.com"
[providers.q]
base_url = "https://q.example.com"
[deployments.a]
provider = "p"
model = "m"
region = "us"
cost_class = "premium"
[deployments.b]
provider = "p"
model = "n"
region = "eu"
latency = "batch"
capabilities = ["tools", "reasoning"]
[deployments.c]
provider = "q"
model = "m"
cost_class = "standard"
latency = "background"
capabilities = []
[tiers.free]
[tiers.paid]
[tenants.acme]
tier = "paid"
"""
BASE_LINES = BASE.count("\n")


def tables_of(text: str, *, yaml: bool = False) -> Any:
    document = compile_tables(load_text(text, {"OPENAI_API_KEY": "k"}, yaml=yaml))
    _core.check_tables(document)
    return json.loads(document)


def errors_of(text: str) -> list[str]:
    """What is said about a text below `BASE`, with lines counted from there."""
    with pytest.raises(ConfigError) as caught:
        load_text(BASE + text, {}, file="f.toml")
    found = []
    for error in str(caught.value).splitlines():
        _, line, said = error.split(":", maxsplit=2)
        found.append(f"{int(line) - BASE_LINES}:{said}")
    return found


def step(*members: int, group: str | None = None, pick: str = "weighted", by: str = "session") -> Any:
    shares = [{"deployment": member, "weight": 1} for member in members]
    return {"group": group, "pick": pick, "sticky_by": by, "members": shares}


def test_the_design_compiles() -> None:
    tables = tables_of(DESIGN)
    fast = step(0, 1, group="fast")
    fast["members"][0]["weight"] = 3
    assert tables["models"]["chat"] == {
        "budget_ms": 12_000,
        "rows": [
            {"when": {"region": ["eu"]}, "chain": [step(2), step(3)]},
            {"when": {"tier": [0]}, "chain": [step(4)]},
            {"when": {}, "chain": [fast, step(4)]},
        ],
        "listed": True,
    }
    assert tables == tables_of(DESIGN_YAML, yaml=True)


def test_the_manual_is_one_valid_configuration() -> None:
    page = (Path(__file__).parents[2] / "docs" / "routing.md").read_text()
    tables = tables_of("".join(re.findall(r"^```toml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)))
    assert [len(tables["models"][name]["rows"]) for name in ("chat", "draft", "gpt-4")] == [4, 1, 4]
    # Its sections leave out no condition, way to pick or capability.
    sections = {title: text for title, _, text in (part.partition("\n") for part in page.split("\n## "))}
    (pick,) = (field.type for field in msgspec.structs.fields(Group) if field.name == "pick")
    for title, words in (
        ("Deployments", get_args(Capability)),
        ("Groups", Where.__struct_fields__ + get_args(unwrapped(pick)[0])),
        ("Rows and chains", When.__struct_fields__),
    ):
        assert [word for word in words if f"`{word}`" not in sections[title]] == []


def when(conditions: str) -> Any:
    """The conditions of one row, as the engine gets them."""
    aliased = '[models.chat]\naliases = ["gpt-4", "gpt-5"]\n'
    text = BASE + aliased + '[[models.chat.rows]]\nuse = ["a"]\n[models.chat.rows.when]\n' + conditions
    return tables_of(text)["models"]["chat"]["rows"][0]["when"]


@pytest.mark.parametrize(
    ("written", "compiled"),
    [
        ("", {}),
        ('tenant = "acme"', {"tenant": [1]}),
        ('tenant = ["default", "acme"]', {"tenant": [0, 1]}),
        ('tier = "paid"', {"tier": [1]}),
        ('tier = ["paid", "free"]', {"tier": [1, 0]}),
        ('user = "ann lee"', {"user": ["ann lee"]}),
        ('feature = ["search", "chat"]', {"feature": ["search", "chat"]}),
        ('region = "eu"', {"region": ["eu"]}),
        ('region = ["eu", "us"]', {"region": ["eu", "us"]}),
        ('latency = "interactive"', {"latency": ["interactive"]}),
        ('latency = ["background", "batch"]', {"latency": ["background", "batch"]}),
        ('cost_class = "premium"', {"cost_class": ["premium"]}),
        ('capability = "tools"', {"capability": ["tools"]}),
        ('capability = ["image_input", "json_schema"]', {"capability": ["image_input", "json_schema"]}),
        ('model = "gpt-4"', {"model": ["gpt-4"]}),
        ('model = ["chat", "gpt-5"]', {"model": ["chat", "gpt-5"]}),
        ("context_over = 100_000", {"context_over": 100_000}),
        ("context_over = 0", {"context_over": 0}),
        ('hour = "22-6"', {"hours": 0b1100_0000_0000_0000_0011_1111}),
        ('hour = ["9-11", "10-12"]', {"hours": 0b1110_0000_0000}),
        ('hour = "0-24"', {"hours": 2**24 - 1}),
        ('load = "80%"', {"load_permille": 800}),
        ("load = 0.8", {"load_permille": 800}),
        ("load = 1", {"load_permille": 1000}),
        ('tier = "paid"\nload = 0.125\nregion = "eu"', {"tier": [1], "region": ["eu"], "load_permille": 125}),
    ],
)
def test_conditions(written: str, compiled: dict[str, Any]) -> None:
    assert when(written) == compiled


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('tenant = "acne"', 'tenant: no such tenant (did you mean "acme"?)'),
        ('tenant = ["acme", "zoo"]', "tenant[1]: no such tenant (known: acme, default)"),
        ('tier = "payed"', 'tier: no such tier (did you mean "paid"?)'),
        ('model = "gpt4"', 'model: is no name of this model; `aliases` adds names (did you mean "gpt-4"?)'),
        ("tenant = []", "tenant: must not be empty"),
        ("user = 5", "user: must be text"),
        ('user = ""', "user: must be text of 1 to 256 characters"),
        ("feature = { a = 1 }", "feature: must be text of 1 to 256 characters"),
        ('region = "e u"', "region: must be 1 to 128 visible ASCII"),
        ('latency = "slow"', 'latency: must be "interactive" or "background" or "batch"'),
        ('capability = ["vision"]', 'capability[0]: must be "tools" or'),
        ("context_over = -1", "context_over: must be a whole number from 0 to"),
        ("context_over = 1.5", "context_over: must be a whole number"),
        ("hour = 9", "hour: must be hours from 0 to 24"),
        ('hour = ["9-17", "25-3"]', "hour[1]: must be hours from 0 to 24"),
        ('hour = "9-9"', 'hour: begins and ends at the same hour; a whole day is "0-24"'),
        ("load = 80", 'load: must be a share from 0 to 1, as "10%" or 0.1'),
        ("load = 0.0001", "load: must be in whole thousandths"),
        ("load = 0", "load: must be above 0"),
        ('regoin = "eu"', 'regoin: unknown setting (did you mean "region"?)'),
    ],
)
def test_wrong_conditions_are_told_with_their_line(written: str, said: str) -> None:
    head = '[models.chat]\naliases = ["gpt-4"]\n[[models.chat.rows]]\nuse = ["a"]\n[models.chat.rows.when]\n'
    (found,) = errors_of(head + written)
    assert found.startswith(f"6: models.chat.rows[0].when.{said}")


def group(text: str) -> Any:
    """The only step of a model that uses the group."""
    tables = tables_of(BASE + "[groups.g]\n" + text + '\n[models.x]\nuse = ["g"]\n')
    return tables["models"]["x"]["rows"][0]["chain"][0]


@pytest.mark.parametrize(
    ("where", "members"),
    [
        ('provider = "p"', [0, 1]),
        ('provider = ["p", "q"]', [0, 1, 2]),
        ('model = "m"', [0, 2]),
        ('region = "eu"', [1]),
        ('region = ["eu", "us", "ap"]', [0, 1]),
        ('cost_class = ["premium", "standard"]', [0, 2]),
        ('latency = "interactive"', [0]),
        ('latency = ["background", "batch"]', [1, 2]),
        # Whoever says nothing about what it can do is not found.
        ('capability = ["tools", "image_input"]', [1]),
        ('model = "m", provider = "q"', [2]),
    ],
)
def test_groups_by_condition(where: str, members: list[int]) -> None:
    assert group(f"where = {{ {where} }}") == step(*members, group="g")


@pytest.mark.parametrize("pick", ["weighted", "fastest", "cheapest", "least_busy", "sticky"])
def test_ways_to_pick(pick: str) -> None:
    picked = group(f'members = {{ a = 9, c = 1 }}\npick = "{pick}"')
    assert (picked["pick"], picked["sticky_by"]) == (pick, "session")
    assert [member["weight"] for member in picked["members"]] == [9, 1]
    by_user = group('where = { model = "m" }\npick = "sticky"\nby = "user"')
    assert by_user == step(0, 2, group="g", pick="sticky", by="user")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "1: groups.g: needs either members or where"),
        ('members = { a = 1 }\nwhere = { region = "eu" }', "1: groups.g: has both members and where"),
        ("where = {}", "2: groups.g.where: needs at least one condition"),
        ("members = { d = 1 }", "2: groups.g.members.d: no such deployment (known: a, b, c)"),
        ("members = { a = 0 }", "2: groups.g.members.a: must be a whole number from 1 to 1000000"),
        ('where = { provider = "r" }', "2: groups.g.where.provider: no such provider (known: p, q)"),
        ('where = { provider = ["p", "r"] }', "2: groups.g.where.provider[1]: no such provider"),
        (
            'where = { cost_class = "standart" }',
            '2: groups.g.where.cost_class: no deployment has this cost_class (did you mean "standard"?)',
        ),
        (
            'where = { region = ["ap", "af"], model = "z" }',
            "2: groups.g.where.region: no deployment has this region (known: eu, us)",
        ),
        ('where = { region = "ap", model = "z" }', "2: groups.g.where.model: no deployment has this model"),
        (
            'where = { provider = "q", region = "eu" }',
            "2: groups.g.where: no deployment meets all of these conditions",
        ),
        (
            'where = { provider = "open" }\n[providers.open]\nbase_url = "https://open.example.com"',
            "2: groups.g.where: no deployment meets all of these conditions",
        ),
        ('where = { capability = "audio_output" }', "2: groups.g.where.capability: no deployment has this"),
        ('where = { tier = "paid" }', "2: groups.g.where.tier: unknown setting"),
        (
            'members = { a = 1 }\npick = "random"',
            '3: groups.g.pick: must be "weighted" or "fastest" or "cheapest" or "least_busy" or "sticky"',
        ),
        ('members = { a = 1 }\nby = "user"', '3: groups.g.by: is only for pick = "sticky"'),
        ('members = { a = 1 }\npick = "sticky"\nby = "key"', '4: groups.g.by: must be "session" or "user"'),
    ],
)
def test_wrong_groups_are_told_with_their_line(text: str, said: str) -> None:
    found = errors_of("[groups.g]\n" + text)
    assert any(error.startswith(said) for error in found), found


def test_chains_are_steps_in_order_and_reach_a_deployment_by_several_ways() -> None:
    text = BASE + '[groups.g]\nmembers = { a = 1, b = 1 }\n[models.x]\nuse = ["a", "g", "b", "c"]\n'
    (row,) = tables_of(text)["models"]["x"]["rows"]
    assert row == {"when": {}, "chain": [step(0), step(0, 1, group="g"), step(1), step(2)]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'use = ["a", "d", "b"]',
            "2: models.x.use[1]: no such deployment or group (known: a, b, c)",
        ),
        ('use = ["a", "b", "a"]', "2: models.x.use[2]: stands in this chain already (a request tries no"),
        (
            'rows = [{ use = ["a"] }, { use = ["d"] }]',
            "2: models.x.rows[1].use[0]: no such deployment or group",
        ),
        ("rows = [{ use = [] }]", "2: models.x.rows[0].use: must not be empty"),
        ('rows = [{ when = { region = "eu" } }]', "2: models.x.rows[0].use: is required"),
        ("rows = []", "2: models.x.rows: must not be empty"),
        ('use = ["a"]\nrows = [{ use = ["a"] }]', "1: models.x: has both use and rows"),
        ('use = ["a"]\nwhen = { region = "eu" }', "3: models.x.when: unknown setting"),
        ('use = ["a"]\naliases = ["a b"]', "3: models.x.aliases[0]: must be 1 to 128 visible ASCII"),
        ('use = ["a"]\nbudget = 12', "3: models.x.budget: must be a duration with its unit"),
    ],
)
def test_wrong_models_are_told_with_their_line(text: str, said: str) -> None:
    found = errors_of("[models.x]\n" + text)
    assert any(error.startswith(said) for error in found), found


def test_rows_after_one_without_conditions_are_no_error() -> None:
    text = BASE + '[models.x]\nrows = [{ use = ["a"] }, { when = { region = "eu" }, use = ["b"] }]\n'
    assert len(tables_of(text)["models"]["x"]["rows"]) == 2


texts = st.sampled_from(["a", "eu", "x y"])
conditions = st.fixed_dictionaries(
    {},
    optional={
        "tenant": st.lists(st.sampled_from(["default", "acme"]), min_size=1, max_size=3),
        "tier": st.lists(st.sampled_from(["free", "paid"]), min_size=1, max_size=2),
        "user": st.lists(texts, min_size=1, max_size=2),
        "latency": st.lists(st.sampled_from(["interactive", "batch"]), min_size=1, max_size=2),
    },
)


@given(st.lists(st.tuples(conditions, st.permutations("abc").map(lambda steps: steps[:2])), min_size=1))
def test_rows_keep_their_order_and_a_text_means_a_list_of_it(
    rows: list[tuple[dict[str, list[str]], list[str]]],
) -> None:
    def written(value: list[str]) -> str:
        return json.dumps(value[0] if len(value) == 1 else value)

    text = BASE + "[models.chat]\n"
    for asked, use in rows:
        text += f"[[models.chat.rows]]\nuse = {json.dumps(use)}\n"
        text += f"when = {{ {', '.join(f'{name} = {written(value)}' for name, value in asked.items())} }}\n"
    compiled = tables_of(text)["models"]["chat"]["rows"]
    indices = {"tenant": ["default", "acme"], "tier": ["free", "paid"]}
    assert compiled == [
        {
            "when": {
                name: [indices[name].index(item) for item in value] if name in indices else value
                for name, value in asked.items()
            },
            "chain": [step("abc".index(name)) for name in use],
        }
        for asked, use in rows
    ]
