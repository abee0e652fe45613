"""Model names: the order in which they are looked up, and clashes."""

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fastgate import _core
from fastgate.config import Config, compile_tables, load_text
from fastgate.errors import ConfigError

KEYS = {"GROQ_API_KEY": "g", "MISTRAL_API_KEY": "m"}
HEAD = """
[providers.p]
base_url = "https://p.example.com"
[providers.q]
base_url = "https://q.example.com"
"""


def deployment(name: str, model: str, provider: str = "p") -> str:
    return f'[deployments."{name}"]\nprovider = "{provider}"\nmodel = "{model}"\n'


def model(name: str, use: str) -> str:
    return f'[models."{name}"]\nuse = ["{use}"]\n'


def only_step(route: Any) -> Any:
    (row,) = route["rows"]
    (step,) = row["chain"]
    return step


def meant(config: Config) -> dict[str, Any]:
    """Every exact name as `{deployment: weight}`, from the compiled tables."""
    tables = json.loads(compile_tables(config))
    _core.check_tables(compile_tables(config))
    ids = [item["id"] for item in tables["deployments"]]
    return {
        name: {ids[member["deployment"]]: member["weight"] for member in only_step(route)["members"]}
        for name, route in tables["models"].items()
    }


def test_the_order_of_names() -> None:
    config = load_text(
        HEAD
        + deployment("a", "gpt")
        + deployment("b", "gpt", "q")
        + "[groups.g]\nmembers = { a = 3, b = 1 }\n"
        + model("chat", "g")
        + model("solo", "b"),
        {},
    )
    assert meant(config) == {
        "chat": {"a": 3, "b": 1},
        "solo": {"b": 1},
        "a": {"a": 1},
        "b": {"b": 1},
        "p/gpt": {"a": 1},
        "q/gpt": {"b": 1},
        "gpt": {"a": 1, "b": 1},
    }
    assert {name for name, route in config.routes.items() if not route.listed} == {"p/gpt", "q/gpt"}


@pytest.mark.parametrize(
    ("settings", "name", "expected"),
    [
        # The deployment's own id and model.
        (deployment("gpt", "gpt") + deployment("x", "y", "q"), "gpt", {"gpt": 1}),
        # An entry that adds a budget to a deployment of its name.
        (deployment("gpt", "m") + deployment("x", "y", "q") + model("gpt", "gpt"), "gpt", {"gpt": 1}),
        # An entry that refines what the model's own name means.
        (deployment("a", "gpt") + deployment("b", "gpt", "q") + model("gpt", "b"), "gpt", {"b": 1}),
        # An entry named like the group it leads to.
        (
            deployment("a", "m")
            + deployment("b", "n", "q")
            + "[groups.g]\nmembers = { a = 2 }\n"
            + model("g", "g"),
            "g",
            {"a": 2},
        ),
        # An alias is one more name of the same entry, also where it is the model's own name.
        (
            deployment("a", "gpt")
            + deployment("b", "n", "q")
            + model("chat", "a")
            + 'aliases = ["x/y", "gpt"]\n',
            "x/y",
            {"a": 1},
        ),
        # An entry named like a deployment that it leads to, among others.
        (
            deployment("a", "m")
            + deployment("b", "n", "q")
            + "[groups.g]\nmembers = { a = 2, b = 1 }\n"
            + model("a", "g"),
            "a",
            {"a": 2, "b": 1},
        ),
        # An alias named like the group that its entry leads to.
        (
            deployment("a", "m")
            + deployment("b", "n", "q")
            + "[groups.g]\nmembers = { a = 2 }\n"
            + model("chat", "g")
            + 'aliases = ["g"]\n',
            "g",
            {"a": 2},
        ),
        # The same model twice at one provider.
        (
            deployment("a", "gpt") + deployment("b", "gpt") + deployment("c", "z", "q"),
            "p/gpt",
            {"a": 1, "b": 1},
        ),
    ],
)
def test_the_same_meaning_twice_is_no_clash(settings: str, name: str, expected: dict[str, int]) -> None:
    assert meant(load_text(HEAD + settings, {}))[name] == expected


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            deployment("a", "m") + deployment("b", "n", "q") + model("a", "b"),
            'models.a: the name "a" has two meanings',
        ),
        (
            deployment("a", "m") + deployment("b", "n", "q") + model("m", "b"),
            'models.m: the name "m" has two meanings',
        ),
        (
            deployment("gpt", "gpt") + deployment("b", "gpt", "q"),
            'deployments.gpt: the name "gpt" has two meanings',
        ),
        (
            deployment("gpt", "m") + deployment("b", "gpt", "q"),
            'the name "gpt" has two meanings: gpt here, and b',
        ),
        (deployment("q/m", "z") + deployment("b", "m", "q"), 'the name "q/m" has two meanings'),
        (deployment("a", "q/m") + deployment("b", "m", "q"), 'the name "q/m" has two meanings'),
        (
            deployment("g", "m") + deployment("b", "n", "q") + "[groups.g]\nmembers = { g = 1 }",
            "`use` would be ambiguous",
        ),
        (
            deployment("a", "m")
            + deployment("b", "n", "q")
            + "[groups.g]\nmembers = { a = 1 }\n"
            + model("g", "b"),
            "models.g: a group has this name, but the entry leads elsewhere",
        ),
        (
            deployment("a", "m") + deployment("b", "m", "q") + "[groups.m]\nmembers = { a = 3, b = 1 }\n",
            "groups.m: clients who send this name get the model of that name instead",
        ),
        (
            deployment("a", "m")
            + deployment("b", "n", "q")
            + model("x", "a")
            + 'aliases = ["y"]\n'
            + model("y", "b"),
            'models.x.aliases[0]: the name "y" has two meanings: this model, and models.y (rename one',
        ),
        (
            deployment("a", "m")
            + deployment("b", "n", "q")
            + model("x", "a")
            + 'aliases = ["z"]\n'
            + model("y", "b")
            + 'aliases = ["z"]\n',
            'models.y.aliases[0]: the name "z" has two meanings: this model, and models.x.aliases[0]',
        ),
        (
            deployment("a", "m") + deployment("b", "n", "q") + model("x", "a") + 'aliases = ["x"]\n',
            "models.x.aliases[0]: is a name of this model already",
        ),
        (
            deployment("a", "m") + deployment("b", "n", "q") + model("x", "a") + 'aliases = ["u", "u"]\n',
            "models.x.aliases[1]: is a name of this model already",
        ),
        (
            deployment("a", "m") + deployment("b", "n", "q") + model("x", "a") + 'aliases = ["b"]\n',
            'models.x.aliases[0]: the name "b" has two meanings: a here, and b as deployment or model',
        ),
        (
            deployment("a", "m") + deployment("b", "n", "q") + model("x", "a") + 'aliases = ["q/n"]\n',
            'models.x.aliases[0]: the name "q/n" has two meanings',
        ),
        (
            deployment("a", "m")
            + deployment("b", "n", "q")
            + "[groups.g]\nmembers = { a = 1 }\n"
            + model("x", "b")
            + 'aliases = ["g"]\n',
            "models.x.aliases[0]: a group has this name, but the entry leads elsewhere",
        ),
        # q is open here: it serves every q/… itself.
        (
            deployment("a", "m") + model("x", "a") + 'aliases = ["q/x"]\n',
            'models.x.aliases[0]: the name "q/x" has two meanings',
        ),
        (deployment("a", "q/m"), 'providers.q: the name "q/m" has two meanings'),
        (deployment("q/a", "m"), 'deployments."q/a": the name "q/a" has two meanings'),
        (deployment("a", "m") + model("q/x", "a"), 'models."q/x": the name "q/x" has two meanings'),
        (deployment("q", "m"), "deployments.q: a provider without deployments has the same id"),
        (
            '[providers.openai]\napi_key = "a"\n'
            '[providers.other]\nbase_url = "https://api.openai.com/v1"\napi_key = "b"',
            'bare names such as "gpt-…" would mean this provider and openai',
        ),
        (
            deployment("a", "m")
            + deployment("b", "n", "q")
            + f'[[keys]]\ndigest = "sha256:{"0" * 64}"\nmodels = ["mm"]',
            "keys[0].models[0]: no such model name",
        ),
    ],
)
def test_two_meanings_are_an_error(settings: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(HEAD + settings, {})
    assert said in str(caught.value)
    assert caught.value.line is not None


def test_open_providers() -> None:
    config = load_text("[providers.mistral]\n[providers.groq]\n" + deployment("a", "m", "groq"), KEYS)
    tables = json.loads(compile_tables(config))
    (opened,) = tables["open_providers"]
    template = tables["deployments"][opened["deployment"]]
    assert (template["id"], template["model"], opened["any"]) == ("mistral", None, False)
    assert "codestral-" in opened["prefixes"]
    assert "mistral/x" not in tables["models"]


def test_the_only_provider_takes_any_name() -> None:
    config = load_text('[providers.x]\nbase_url = "http://127.0.0.1:9999"', {})
    assert [(item.provider, item.prefixes, item.any) for item in config.open_providers] == [("x", (), True)]


def test_an_alias_has_rows_budget_and_a_place_in_keys_and_listings() -> None:
    text = (
        deployment("a", "m")
        + deployment("b", "n", "q")
        + '[models.chat]\nbudget = "3s"\naliases = ["gpt-4"]\n'
    )
    text += 'rows = [{ when = { model = "gpt-4" }, use = ["a", "b"] }, { use = ["b"] }]\n'
    text += f'[[keys]]\ndigest = "sha256:{"0" * 64}"\nmodels = ["gpt-4"]\n'
    tables = json.loads(compile_tables(load_text(HEAD + text, {})))
    assert tables["models"]["gpt-4"] == tables["models"]["chat"]
    assert tables["models"]["gpt-4"]["budget_ms"] == 3000
    assert tables["models"]["gpt-4"]["listed"] is True
    assert len(tables["models"]["gpt-4"]["rows"]) == 2


def test_an_entry_named_like_a_group_leads_there_with_one_of_its_steps() -> None:
    text = deployment("a", "m") + deployment("b", "n", "q") + "[groups.g]\nmembers = { a = 1 }\n[models.g]\n"
    rows = 'rows = [{ when = { region = "eu" }, use = ["b"] }, { use = ["b", "g"] }]\n'
    route = load_text(HEAD + text + rows, {}).routes["g"]
    assert [[step.group for step in row.chain] for row in route.rows] == [[None], [None, "g"]]
    assert route.deployments == {"a", "b"}


ids = st.sampled_from(["a", "b", "c", "m", "n", "p/m", "q/n"])


@given(
    st.dictionaries(
        ids, st.tuples(st.sampled_from("pq"), st.sampled_from(["m", "n", "a"])), min_size=1, max_size=4
    ),
    st.dictionaries(ids, ids, max_size=2),
)
def test_no_accepted_name_ever_hides_another_meaning(
    deployments: dict[str, tuple[str, str]], models: dict[str, str]
) -> None:
    assume({provider for provider, _ in deployments.values()} == {"p", "q"})
    text = HEAD + "".join(deployment(name, item, provider) for name, (provider, item) in deployments.items())
    try:
        found = meant(load_text(text + "".join(model(*entry) for entry in models.items()), {}))
    except ConfigError:
        return
    for name, (provider, item) in deployments.items():
        if name not in models:
            assert found[name] == {name: 1}
        assert name in found[name]
        if f"{provider}/{item}" not in models:
            assert name in found[f"{provider}/{item}"]
        if item not in models:
            assert name in found[item]
    for name, use in models.items():
        assert found[name] == {use: 1}
