"""Counts equal tiktoken's, for any text."""

import zlib
from itertools import accumulate, pairwise
from pathlib import Path

import pytest
import tiktoken
import tiktoken_ext.openai_public  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st
from tiktoken.model import MODEL_PREFIX_TO_ENCODING, MODEL_TO_ENCODING

from fastgate._core import count_tokens

DATA = Path(__file__).parents[2] / "rust" / "core" / "data"
TOKENS = {"o200k_base": 199_998, "cl100k_base": 100_256}


def oracle(name: str) -> tiktoken.Encoding:
    """tiktoken with the ranks in this repository: a Rust test holds them against OpenAI's digests."""
    data = zlib.decompress((DATA / f"{name}.ranks").read_bytes())
    count = TOKENS[name]
    ends = accumulate(data[:count], initial=count)
    ranks = {data[start:end]: rank for rank, (start, end) in enumerate(pairwise(ends))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiktoken_ext.openai_public, "load_tiktoken_bpe", lambda *_, **__: ranks)
        return tiktoken.Encoding(**getattr(tiktoken_ext.openai_public, name)())


ORACLES = {name: oracle(name) for name in TOKENS}

# What the patterns tell apart, with the characters whose class or case is odd: long s, dotless i, title
# case, modifier letters, marks, digits of other scripts, spaces that are not blanks.
ODD = "\u017f\u0131ǅʰªªₐ̂٣½Ⅻ\u00a0\u2003\u2028\u0085\u001c\u200b\ufeff\U00010400\U0001f600 的ไท"
PIECES = st.sampled_from(
    [
        "'s",
        "'S",
        "'\u017f",
        "'ll",
        "'Re",
        "'",
        "''",
        " ",
        "  ",
        "\n",
        "\r\n",
        "\t",
        "/",
        "//\n",
        "a",
        "Ab",
        "HTTPServer",
        "don't",
        "ʰA",
        "Aʰ",
        "中文",
        "é",
        "0",
        "1234",
        "!?",
        " !",
        "<|endoftext|>",
        "<|",
        "<|endofprompt|>",
        *ODD,
    ]
)
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.text(st.sampled_from("abAB '\n\r\t/0" + ODD), max_size=60),
    st.lists(PIECES, max_size=30).map("".join),
    st.tuples(PIECES, st.integers(1, 600), PIECES).map(lambda run: run[0] * run[1] + run[2]),
)


@pytest.mark.parametrize("encoding", TOKENS)
@settings(max_examples=2_000, deadline=None)
@given(TEXTS)
def test_counts_equal_tiktokens(encoding: str, text: str) -> None:
    oracle = ORACLES[encoding]
    assert count_tokens(text, encoding=encoding) == len(oracle.encode_ordinary(text))
    with_special = len(oracle.encode(text, allowed_special="all"))
    assert count_tokens(text, encoding=encoding, special=True) == with_special
    assert count_tokens(text.encode(), encoding=encoding) == len(oracle.encode_ordinary(text))


@pytest.mark.parametrize("encoding", TOKENS)
def test_every_character_is_in_tiktokens_class(encoding: str) -> None:
    """Beside a capital, a small letter, a digit, blanks, a character shows its class by where pieces end."""
    oracle = ORACLES[encoding]
    every = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    for start in range(0, len(every), 4_096):
        block = every[start : start + 4_096]
        text = "".join(f"A{character}b {character}C1{character}\n" for character in block)
        if count_tokens(text, encoding=encoding) != len(oracle.encode_ordinary(text)):
            wrong = [
                hex(ord(character))
                for character in block
                for text in [f"A{character}b {character}C1{character}\n"]
                if count_tokens(text, encoding=encoding) != len(oracle.encode_ordinary(text))
            ]
            pytest.fail(f"classes differ: {wrong}")


@pytest.mark.parametrize("encoding", TOKENS)
@pytest.mark.parametrize("unit", ["a", " ", "ab", "中", "!", "\n", " \n", "aB", "0"])
def test_100_kb_without_a_border(encoding: str, unit: str) -> None:
    text = unit * (100_000 // len(unit.encode()))
    assert count_tokens(text, encoding=encoding) == len(ORACLES[encoding].encode_ordinary(text))


@pytest.mark.parametrize("encoding", TOKENS)
def test_bytes_that_are_no_text(encoding: str) -> None:
    broken = b"caf\xc3 \xff\xfe ok"
    assert count_tokens(broken, encoding=encoding) == count_tokens(
        broken.decode(errors="replace"), encoding=encoding
    )


def test_models_are_tiktokens() -> None:
    probes = MODEL_TO_ENCODING | {
        prefix + "-2024-08-06": name for prefix, name in MODEL_PREFIX_TO_ENCODING.items()
    }
    probes |= {prefix + "2024-08-06": name for prefix, name in MODEL_PREFIX_TO_ENCODING.items()}
    text = "Ein Straßenbahnfahrer 新聞を1234567"
    for model, name in probes.items():
        known = "o200k_base" if name == "o200k_harmony" else name
        if known in TOKENS and not model.endswith(("002-2024-08-06", "gpt-52024-08-06")):
            expected = count_tokens(text, encoding=known)
            assert count_tokens(text, model=model) == expected, model
        elif known not in TOKENS:
            with pytest.raises(ValueError, match="no vocabulary is known"):
                count_tokens(text, model=model)


def test_what_is_asked_wrongly() -> None:
    with pytest.raises(TypeError, match="exactly one"):
        count_tokens("a")
    with pytest.raises(TypeError, match="exactly one"):
        count_tokens("a", model="gpt-4o", encoding="o200k_base")
    with pytest.raises(ValueError, match='unknown encoding "p50k_base"; there are o200k_base, cl100k_base'):
        count_tokens("a", encoding="p50k_base")
    with pytest.raises(ValueError, match="surrogates"):
        count_tokens("\ud800", encoding="o200k")
    with pytest.raises(TypeError):
        count_tokens(7, encoding="o200k")  # type: ignore[arg-type]
