"""`fastgate prices`: what it prints, and whose price wins."""

import json
from pathlib import Path

import pytest

from fastgate.cli import main


def test_rates_thresholds_and_source_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prices", "gemini-2.5-pro"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.startswith("gemini-2.5-pro at google, from genai-prices ")
    assert "  input             1.25, 2.5 above 200,000 input tokens" in lines


def test_dates_hours_and_fees_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prices", "deepseek-chat", "--provider", "deepseek"]) == 0
    assert "each day 00:30 to 16:30 UTC:" in capsys.readouterr().out
    assert main(["prices", "sonar", "--provider", "perplexity"]) == 0
    assert "  request           0.012 a call" in capsys.readouterr().out
    assert main(["prices", "gpt-5"]) == 0
    assert "service_tier is default:\n  the standard rates\n" in capsys.readouterr().out
    assert main(["prices", "deepseek/deepseek-r1:free", "--provider", "openrouter"]) == 0
    assert "  free" in capsys.readouterr().out


def test_json_has_exact_amounts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prices", "gpt-4o", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["provider"], found["model"]) == ("openai", "gpt-4o")
    assert found["prices"][0]["rates"]["input"] == [[None, "2500000"]]


def test_an_unknown_price_is_an_error_that_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prices", "no-such-model"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "no price is known for no-such-model" in captured.err
    assert "--provider" in captured.err


def test_prices_of_a_configuration_win(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "fastgate.toml"
    file.write_text(
        '[providers.mine]\nbase_url = "https://api.groq.com/openai/v1"\napi_key = "x"\n'
        '[deployments.a]\nprovider = "mine"\nmodel = "openai/gpt-oss-20b"\n'
        '[deployments.b]\nprovider = "mine"\nmodel = "gpt-4o"\n'
        "[prices.b]\ninput = 0.5\noutput = 1\n"
    )
    assert main(["prices", "b", "-c", str(file)]) == 0
    out = capsys.readouterr().out
    assert f"gpt-4o at mine, from {file}: prices.b; USD per million tokens" in out
    assert "  input             0.5\n" in out
    assert main(["prices", "a", "-c", str(file)]) == 0
    assert "openai/gpt-oss-20b at groq, from genai-prices" in capsys.readouterr().out
