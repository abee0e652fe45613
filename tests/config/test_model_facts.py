"""Who says what a deployment can do, in which order, and what of it reaches the tables."""

import json
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgate import _core
from fastgate.catalogue.models import Ability, Facts
from fastgate.config import compile_tables, load_text
from fastgate.config.compilation import tables
from fastgate.config.model_facts import CAPABILITIES, known, merged, stated
from fastgate.errors import ConfigError, ConfigErrors

OPENAI = '[providers.openai]\napi_key = "x"\n'
PROXY = '[providers.openai]\nbase_url = "http://127.0.0.1:9/v1"\n'
BUDGET = '[[limits]]\nusd = 5\nwindow = "month"\n'


def deployment(model: str, more: str = "", *, provider: str = OPENAI, rest: str = "") -> dict[str, Any]:
    text = f'{provider}[deployments.d]\nprovider = "openai"\nmodel = "{model}"\n{more}\n{rest}'
    entry: dict[str, Any] = tables(load_text(text, {}))["deployments"][0]
    return entry


def sizes(entry: dict[str, Any]) -> tuple[int | None, int | None]:
    return entry["context_tokens"], entry["output_tokens"]


def test_a_deployment_that_says_nothing_takes_what_is_known() -> None:
    entry = deployment("o3-mini")
    assert entry["capabilities"] == ["tools", "json_schema", "reasoning", "file_input"]
    assert sizes(entry) == (None, 100_000)


def test_what_a_deployment_says_wins_field_by_field() -> None:
    entry = deployment("o3-mini", 'capabilities = ["image_input"]')
    assert entry["capabilities"] == ["image_input"]
    assert sizes(entry) == (None, 100_000)
    entry = deployment("o3-mini", "output_tokens = 7\ncontext_tokens = 9")
    assert "image_input" not in entry["capabilities"]
    assert sizes(entry) == (9, 7)
    assert deployment("o3-mini", "capabilities = []")["capabilities"] == []


@pytest.mark.parametrize(
    "model", ["llama-3", "gpt-4o-realtime-preview", "gpt-4o-transcribe", "text-embedding-3-small"]
)
def test_what_nobody_knows_is_taken_to_be_able(model: str) -> None:
    entry = deployment(model)
    assert entry["capabilities"] is None
    assert sizes(entry) == (None, None)


def test_a_familiar_name_elsewhere_may_be_anything() -> None:
    entry = deployment("o3-mini", provider=PROXY)
    assert entry["capabilities"] is None
    assert sizes(entry) == (None, None)
    entry = deployment("o3-mini", provider=PROXY + 'vendor = "openai"\n')
    assert "image_input" not in entry["capabilities"]
    assert sizes(entry) == (None, 100_000)


def test_an_open_deployment_is_asked_for_any_model() -> None:
    (entry,) = tables(load_text(OPENAI, {}))["deployments"]
    assert entry["model"] is None
    assert entry["capabilities"] is None


def test_sizes_are_not_taken_where_they_decide_what_is_reserved() -> None:
    assert sizes(deployment("o3-mini", rest=BUDGET)) == (None, None)
    assert "image_input" not in deployment("o3-mini", rest=BUDGET)["capabilities"]
    soft = '[[limits]]\ntokens = 5000\nwindow = "1h"\n'
    assert sizes(deployment("o3-mini", rest=soft)) == (None, 100_000)
    assert sizes(deployment("o3-mini", rest=f"{soft}hard = true\n")) == (None, None)
    assert sizes(deployment("o3-mini", rest='[[limits]]\nrequests = 5\nwindow = "1m"\nhard = true\n')) == (
        None,
        100_000,
    )
    asked = '[catalogue]\nfill = ["output_tokens"]\n'
    assert sizes(deployment("o3-mini", rest=BUDGET + asked)) == (None, 100_000)


def test_what_is_taken_is_a_choice() -> None:
    assert deployment("o3-mini", rest="[catalogue]\nfill = []\n")["capabilities"] is None
    every = '[catalogue]\nfill = ["capabilities", "output_tokens", "context_tokens"]\n'
    assert sizes(deployment("o3-mini", rest=every)) == (200_000, 100_000)
    google = PROXY + 'vendor = "google"\n'
    assert sizes(deployment("gemini-2.5-pro", provider=google, rest=every)) == (1_048_576 + 65_536, 65_536)


def test_the_operator_knows_better() -> None:
    rest = '[catalogue.models."o3-*"]\ncan = ["image_input"]\ncannot = ["tools"]\noutput_tokens = 50_000\n'
    entry = deployment("o3-mini", rest=rest)
    assert "image_input" in entry["capabilities"]
    assert "tools" not in entry["capabilities"]
    assert sizes(entry) == (None, 50_000)
    # It needs no vendor, no hard limit stands in its way, and `fill` is about the catalogue.
    entry = deployment("o3-mini", provider=PROXY, rest=f"{BUDGET}{rest}[catalogue]\nfill = []\n")
    assert entry["capabilities"] == [name for name in CAPABILITIES if name != "tools"]
    assert sizes(entry) == (None, 50_000)
    everything = '[catalogue.models.o3-mini]\ncan = ["image_input", "audio_input", "audio_output"]\n'
    assert deployment("o3-mini", rest=everything)["capabilities"] is None


def test_the_nearest_name_counts_first() -> None:
    wide = (
        '[catalogue.models."*"]\noutput_tokens = 1\ncontext_tokens = 10\ncannot = ["tools"]\n'
        '[catalogue.models."gpt-*"]\noutput_tokens = 2\n'
    )
    near = (
        '[catalogue.models."openai/gpt-4*"]\noutput_tokens = 3\n'
        '[catalogue.models."gpt-4o"]\ncan = ["tools"]\n'
    )
    for rest in (wide + near, near + wide):
        entry = deployment("gpt-4o", rest=rest)
        assert sizes(entry) == (10, 3)
        assert "tools" in entry["capabilities"]
    other = deployment("gpt-5", rest=wide)
    assert sizes(other) == (10, 2)
    assert "tools" not in other["capabilities"]


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ('[catalogue.models."gpt-5*"]\ncan = ["tools"]\n', "no deployment has such a model"),
        ('[catalogue.models."g*4o"]\ncan = ["tools"]\n', "may only be at the end"),
        ('[catalogue.models."gpt-4o"]\ncan = ["tools"]\ncannot = ["tools"]\n', '"tools" is in `can` as well'),
        ('[catalogue.models."gpt-4o"]\ncontext_tokens = 5\noutput_tokens = 6\n', "must not be larger"),
        ('[catalogue.models."gpt-4o"]\ncan = ["fly"]\n', "must be"),
        ('[catalogue]\nfill = ["prices"]\n', "must be"),
    ],
)
def test_facts_about_nothing_are_refused_with_their_line(more: str, complaint: str) -> None:
    with pytest.raises((ConfigError, ConfigErrors), match=complaint):
        deployment("gpt-4o", rest=more)


def test_an_open_provider_may_serve_any_name() -> None:
    more = '[providers.groq]\napi_key = "y"\n[catalogue.models."gpt-5*"]\ncan = ["tools"]\n'
    deployment("gpt-4o", rest=more)


def test_a_vendor_has_to_exist() -> None:
    with pytest.raises((ConfigError, ConfigErrors), match=r'no such vendor.*did you mean "openai"'):
        deployment("gpt-4o", provider=PROXY + 'vendor = "opnai"\n')


def test_a_request_goes_past_what_is_known_not_to_take_it() -> None:
    text = (
        OPENAI
        + '[deployments.small]\nprovider = "openai"\nmodel = "o3-mini"\n'
        + '[deployments.large]\nprovider = "openai"\nmodel = "gpt-4o"\n'
        + '[models.chat]\nuse = ["small", "large"]\n'
    )
    compiled = compile_tables(load_text(text, {}))
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}

    def chain(**more: Any) -> list[str]:
        request = {"model": "chat", "messages": [{"role": "user", "content": "Hi"}], **more}
        found = json.loads(_core.explain_route(compiled, json.dumps({"request": request}).encode()))
        names: list[str] = found["chain"]
        return names

    assert chain() == ["small", "large"]
    assert chain(messages=[{"role": "user", "content": [picture]}]) == ["large"]
    assert chain(reasoning_effort="high") == ["small"]
    assert chain(max_tokens=50_000) == ["small"]
    assert chain(messages=[{"role": "user", "content": [{"type": "file", "file": {}}]}]) == ["small", "large"]


def test_who_says_what_is_known() -> None:
    config = load_text(
        OPENAI
        + '[deployments.d]\nprovider = "openai"\nmodel = "o3-mini"\ncontext_tokens = 5\n'
        + '[deployments.old]\nprovider = "openai"\nmodel = "gpt-4-32k"\n'
        + '[catalogue.models.o3-mini]\ncannot = ["tools"]\n',
        {},
    )
    settings = config.settings
    found = known(settings, "openai", "o3-mini", settings.deployments["d"])
    assert found.vendor == "openai"
    assert found.facts.context_tokens == 5
    assert found.facts.abilities["tools"] is False
    assert [found.sources[name] for name in ("context_tokens", "tools", "output_tokens")] == [
        "config",
        "config",
        "catalogue",
    ]
    listed = known(settings, "openai", "gpt-4-32k", settings.deployments["old"])
    assert listed.sources == {"context_tokens": "package"}


tokens = st.none() | st.integers(1, 9)
names = st.none() | st.lists(st.sampled_from(["a", "b"]), max_size=2).map(tuple)
facts = st.builds(
    Facts,
    context_tokens=tokens,
    input_tokens=tokens,
    output_tokens=tokens,
    abilities=st.dictionaries(st.sampled_from(get_args(Ability)), st.booleans()),
    efforts=names,
    renames=st.none() | st.just({"a": "b"}),
    refuses=names,
    refuses_reasoning=names,
    one_of=names,
)


@given(layers=st.lists(st.tuples(st.sampled_from(["config", "catalogue"]), facts), max_size=4))
def test_every_field_is_that_of_the_first_who_states_it(layers: list[tuple[Any, Facts]]) -> None:
    found, sources = merged(layers)
    flat = [
        (
            source,
            {
                **{k: v for k, v in msgspec.structs.asdict(layer).items() if k != "abilities"},
                **layer.abilities,
            },
        )
        for source, layer in layers
    ]
    for field in [*Facts.__struct_fields__, *get_args(Ability)]:
        if field == "abilities":
            continue
        first = next(((s, values[field]) for s, values in flat if values.get(field) is not None), None)
        value = found.abilities.get(field) if field in get_args(Ability) else getattr(found, field)
        assert (sources.get(field), value) == (first or (None, None))
    assert set(sources) == set(stated(found))
