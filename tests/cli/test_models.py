"""`fastgate models`: what is served, how it reads, and its JSON."""

import io
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fastgate.cli import main
from fastgate.cli.models import catalogue
from fastgate.cli.models_text import details, overview
from fastgate.cli.terminal import Style

CONFIG = """\
[providers.openai]
api_key = "x"
[providers.inhouse]
base_url = "http://10.0.0.7:8000/v1"
[providers.groq]
api_key = "y"
[deployments.gpt-us]
provider = "openai"
model = "gpt-4o"
region = "us"
[deployments.o3-mini]
provider = "openai"
model = "o3-mini"
capabilities = ["tools", "reasoning"]
[deployments.llama]
provider = "inhouse"
model = "llama-3.3-70b"
context_tokens = 32_000
[models.chat]
use = ["gpt-us", "llama"]
[catalogue.models."inhouse/llama-*"]
cannot = ["image_input"]
[prices.llama]
input = 0.1
output = 0.2
"""
OVERVIEW = """\
model    at       context   output  can       in  cached  out  from
gpt-us   openai   128,000   16,384  TS·I·-·  2.5    1.25   10  docs+list
o3-mini  openai   200,000  100,000  T·R····  1.1    0.55  4.4  config+docs+list
llama    inhouse   32,000        -  ---·---  0.1       -  0.2  config
can: T tools, S JSON schema, R reasoning; I image, A audio, F file in; O audio out; · no, - unknown
in, cached, out: USD per million tokens, of short inputs; `fastgate models NAME` says more
from: config, docs (of the vendor), list (genai-prices)

name                   leads to
chat                   gpt-us, llama
gpt-4o                 gpt-us
gpt-us                 gpt-us
inhouse/llama-3.3-70b  llama
llama                  llama
llama-3.3-70b          llama
o3-mini                o3-mini
openai/gpt-4o          gpt-us
openai/o3-mini         o3-mini

groq serves groq/<any model>
"""
DETAILS = """\
o3-mini at openai
  context     200,000 tokens                                                vendor's documentation
  output      100,000 tokens                                                vendor's documentation
  can         tools, reasoning                                              configuration
  can't       json_schema, image_input, audio_input, file_input,            configuration
              audio_output
  can't       reasoning_budget, video_input, image_output                   vendor's documentation
  unknown     parallel_tools, json_mode, prefill
  efforts     low, medium, high                                             vendor's documentation
  wants       max_tokens as max_completion_tokens                           vendor's documentation
  refuses     temperature, top_p, presence_penalty, frequency_penalty,      vendor's documentation
              logprobs, top_logprobs, logit_bias
  price       1.1 in, 0.55 cached, 4.4 out USD per million tokens           genai-prices
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    file = tmp_path / "fastgate.toml"
    file.write_text(CONFIG)
    return str(file)


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["models", *words]) == 0
    return capsys.readouterr().out


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    return json.loads(printed(capsys, *words, "--json"))


def test_the_overview(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "-c", config) == OVERVIEW


def test_the_details_of_a_name(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "-c", config, "o3-mini") == DETAILS


def test_a_name_that_leads_to_several_shows_all_of_them(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = printed(capsys, "-c", config, "chat")
    assert "gpt-us, gpt-4o at openai\n" in out
    assert "llama, llama-3.3-70b at inhouse\n" in out


def test_one_provider_alone(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = asked(capsys, "-c", config, "--provider", "inhouse")
    assert [model["name"] for model in document["models"]] == ["llama"]
    assert {"name": "chat", "deployments": ["llama"]} in document["names"]
    assert document["open_providers"] == []


def test_json_has_units_in_its_names_and_exact_prices(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    document = asked(capsys, "-c", config)
    assert document.keys() == {"models", "names", "open_providers"}
    model = document["models"][0]
    assert model.keys() == {
        *("deployment", "name", "provider", "model", "region", "kind", "sources", "price_source"),
        *("context_tokens", "input_tokens", "output_tokens"),
        *("tools", "parallel_tools", "json_mode", "json_schema", "reasoning", "reasoning_budget", "prefill"),
        *("image_input", "audio_input", "video_input", "file_input", "audio_output", "image_output"),
        *("efforts", "renames", "refuses", "refuses_reasoning", "one_of"),
        "input_usd_per_million_tokens",
        "cached_input_usd_per_million_tokens",
        "output_usd_per_million_tokens",
    }
    assert (model["deployment"], model["region"], model["context_tokens"]) == ("gpt-us", "us", 128_000)
    assert Decimal(model["input_usd_per_million_tokens"]) == Decimal("2.5")
    assert (model["tools"], model["audio_input"], model["file_input"]) == (True, False, None)
    assert (model["sources"]["tools"], model["price_source"]) == ("catalogue", "package")
    llama = document["models"][2]
    assert llama["sources"] == {"context_tokens": "config", "image_input": "config"}
    assert (llama["output_usd_per_million_tokens"], llama["price_source"]) == ("0.2", "config")
    assert document["open_providers"] == [{"provider": "groq", "prefixes": [], "any": False}]


def test_what_an_open_provider_serves_is_known_by_name(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (model,) = asked(capsys, "-c", config, "groq/llama-3.3-70b-versatile")["models"]
    assert (model["deployment"], model["model"]) == (None, "llama-3.3-70b-versatile")
    assert model["output_tokens"] == 32_768


def test_bare_names_of_a_vendor_that_serves_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "fastgate.toml"
    file.write_text('[providers.openai]\napi_key = "x"\n[providers.groq]\napi_key = "y"\n')
    out = printed(capsys, "-c", str(file))
    assert "openai serves openai/<any model>, and gpt-…" in out
    assert "groq serves groq/<any model>\n" in out
    (model,) = asked(capsys, "-c", str(file), "gpt-4o")["models"]
    assert model["provider"] == "openai"


def test_the_built_in_mock_serves_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in ("FASTGATE_CONFIG", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    assert printed(capsys) == "mock serves mock/<any model>, and any bare name\n"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["gpt-uss"], 'no such model: gpt-uss (did you mean "gpt-us"?)'),
        (["gpt-us", "nothing"], "no such model: nothing"),
        (["--provider", "opnai"], 'no such provider: opnai (did you mean "openai"?)'),
        (["gpt-us", "--provider", "inhouse"], "no such model: gpt-us"),
        (["--all", "gpt-4oo"], 'no such model: gpt-4oo (did you mean "gpt-4o"?)'),
        (["--all", "--provider", "opnai"], 'no such vendor: opnai (did you mean "openai"?)'),
    ],
)
def test_unknown_names_are_errors(
    config: str, words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "-c", config, *words]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert complaint in captured.err


def test_the_whole_catalogue_needs_no_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = printed(capsys, "--all").splitlines()
    assert len(lines) > 2_000
    assert max(map(len, lines)) <= 100
    assert any(line.split()[:2] == ["gpt-4o", "openai"] for line in lines)
    (model,) = asked(capsys, "--all", "gpt-4o-2024-11-20", "--provider", "openai")["models"]
    assert model["context_tokens"] == 128_000
    names = {model["name"] for model in asked(capsys, "--all", "--provider", "qwen")["models"]}
    assert names == {"qwen3-max", "qwen-plus"}


def test_long_names_are_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "fastgate.toml"
    long = "a" * 60 + "-z"
    file.write_text(
        f'[providers.{long}]\nbase_url = "http://10.0.0.7"\n'
        f'[deployments.{long}]\nprovider = "{long}"\nmodel = "{long}"\n[models.x]\nuse = ["{long}"]\n'
    )
    out = printed(capsys, "-c", str(file))
    assert max(map(len, out.splitlines())) <= 100
    assert "a…" in out
    assert "a-z" in out


def test_prices_are_those_of_the_moment() -> None:
    def rate(now_unix_s: int) -> str:
        (model,) = catalogue(["deepseek-chat"], "deepseek", now_unix_s)["models"]
        text: str = model["input_usd_per_million_tokens"]
        return text

    # From 16:30 to 00:30 UTC it is cheaper.
    noon, evening = 1_764_417_600, 1_764_446_400
    assert (rate(noon), rate(evening)) == ("0.27", "0.135")


def test_colours_are_for_terminals(config: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    document = catalogue(["gpt-4o"], "openai", 0)
    coloured = Style(Terminal(), {"TERM": "xterm"})
    assert "\x1b[1m" in overview(document, coloured, 100)
    assert "\x1b[2m" in details(document, coloured)
    assert "\x1b" not in overview(document, Style(Terminal(), {"NO_COLOR": "1"}), 100)
    assert "\x1b" not in overview(document, Style(sys.stdout, {}), 100)
