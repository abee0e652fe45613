"""What a provider was asked, in whichever format, understood the same way."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any


@dataclass(frozen=True)
class Thought:
    """A thought that was sent back, with its proof."""

    text: str
    signature: str


@dataclass(frozen=True)
class Called:
    """A call in the history. `signature`: where calls carry one themselves."""

    id: str
    name: str
    arguments: Any
    signature: str = ""


@dataclass(frozen=True)
class Signed:
    """Words that carry a signature themselves."""

    text: str
    signature: str


@dataclass(frozen=True)
class Result:
    """What a tool gave, by the id of the call, or where calls have none by the tool's name."""

    of: str
    text: str


def _decoded(said: Any) -> str:
    """A text, however a dialect puts it: as it is, in parts, or alone in an object."""
    if isinstance(said, list):
        return "".join(_decoded(one) for one in said)
    if isinstance(said, dict):
        (alone,) = said.values() if len(said) == 1 else (said["text"],)
        return _decoded(alone)
    if isinstance(said, str) and said.startswith("{"):
        return _decoded(json.loads(said))
    return str(said)


class Chat:
    """OpenAI's chat completions."""

    def __init__(self, asked: Any) -> None:
        self.asked = asked

    def tools(self) -> list[tuple[str, Any]]:
        return [(one["function"]["name"], one["function"].get("parameters")) for one in self.asked["tools"]]

    def schema(self) -> Any:
        return self.asked["response_format"]["json_schema"]["schema"]

    def image(self) -> str:
        """The data of the one in the last turn."""
        (part,) = [one for one in self.asked["messages"][-1]["content"] if one["type"] == "image_url"]
        url: str = part["image_url"]["url"]
        assert url.startswith("data:image/png;base64,")
        return url.partition(",")[2]

    def history(self) -> list[Any]:
        """What came after the first question, instructions apart."""
        found: list[Any] = []
        turns = [one for one in self.asked["messages"] if one["role"] != "system"]
        unanswered: list[str] = []
        for turn in turns[1:]:
            # OpenAI refuses anything else behind calls.
            assert not unanswered or turn.get("tool_call_id") in unanswered, "calls without their results"
            if turn["role"] == "tool":
                unanswered.remove(turn["tool_call_id"])
                found.append(Result(turn["tool_call_id"], _decoded(turn["content"])))
                continue
            if turn.get("reasoning_content"):
                found.append(Thought(turn["reasoning_content"], ""))
            if turn.get("content"):
                found.append(_decoded(turn["content"]))
            for call in turn.get("tool_calls") or []:
                unanswered.append(call["id"])
                function = call["function"]
                found.append(Called(call["id"], function["name"], json.loads(function["arguments"])))
        return found


class Responses:
    """OpenAI's responses."""

    def __init__(self, asked: Any) -> None:
        self.asked = asked

    def tools(self) -> list[tuple[str, Any]]:
        return [(one["name"], one.get("parameters")) for one in self.asked["tools"]]

    def schema(self) -> Any:
        return self.asked["text"]["format"]["schema"]

    def image(self) -> str:
        (part,) = [one for one in self.asked["input"][-1]["content"] if one["type"] == "input_image"]
        url: str = part["image_url"]
        return url.partition(",")[2]

    def history(self) -> list[Any]:
        found: list[Any] = []
        for item in self.asked["input"][1:]:
            kind = item.get("type", "message")
            if kind == "reasoning":
                found.append(Thought(_decoded(item["summary"]), item.get("encrypted_content") or ""))
            elif kind == "function_call":
                found.append(Called(item["call_id"], item["name"], json.loads(item["arguments"])))
            elif kind == "function_call_output":
                found.append(Result(item["call_id"], _decoded(item["output"])))
            else:
                found.append(_decoded(item["content"]))
        return found


class Messages:
    """Anthropic's."""

    def __init__(self, asked: Any) -> None:
        self.asked = asked

    def tools(self) -> list[tuple[str, Any]]:
        return [(one["name"], one["input_schema"]) for one in self.asked["tools"]]

    def schema(self) -> Any:
        return self.asked["output_config"]["format"]["schema"]

    def image(self) -> str:
        (part,) = [one for one in self.asked["messages"][-1]["content"] if one["type"] == "image"]
        data: str = part["source"]["data"]
        assert part["source"] == {"type": "base64", "media_type": "image/png", "data": data}
        return data

    def history(self) -> list[Any]:
        found: list[Any] = []
        for turn in self.asked["messages"][1:]:
            if isinstance(turn["content"], str):
                found.append(turn["content"])
                continue
            for block in turn["content"]:
                if block["type"] == "thinking":
                    found.append(Thought(block["thinking"], block["signature"]))
                elif block["type"] == "tool_use":
                    found.append(Called(block["id"], block["name"], block["input"]))
                elif block["type"] == "tool_result":
                    found.append(Result(block["tool_use_id"], _decoded(block["content"])))
                else:
                    found.append(_decoded(block))
        return found


class Gemini:
    """Google's. Calls have no ids there, or the client's; results are those of a name."""

    def __init__(self, asked: Any) -> None:
        self.asked = asked

    def tools(self) -> list[tuple[str, Any]]:
        declared = self.asked["tools"][0]["functionDeclarations"]
        return [
            (one["name"], one.get("parametersJsonSchema") or one.get("parameters_json_schema"))
            for one in declared
        ]

    def schema(self) -> Any:
        return self.asked["generationConfig"]["responseJsonSchema"]

    def image(self) -> str:
        (part,) = [
            one.get("inlineData") or one.get("inline_data")
            for one in self.asked["contents"][-1]["parts"]
            if "text" not in one
        ]
        data: str = part["data"]
        return standard(data)

    def history(self) -> list[Any]:
        found: list[Any] = []
        for role, turns in groupby(self.asked["contents"], key=lambda turn: turn["role"]):
            said = [part for turn in turns for part in turn["parts"]]
            found += _joined(self._said(said)) if role == "model" else self._said(said)
        return found[1:]

    def _said(self, parts: list[Any]) -> list[Any]:
        found: list[Any] = []
        for part in parts:
            signature = standard(part.get("thoughtSignature", ""))
            if call := part.get("functionCall"):
                found.append(Called(call.get("id", ""), call["name"], call["args"], signature))
            elif result := part.get("functionResponse"):
                found.append(Result(result["name"], _decoded(result["response"])))
            elif part.get("thought"):
                found.append(Thought(part["text"], signature))
            elif signature:
                found.append(Signed(part.get("text", ""), signature))
            elif part["text"]:
                found.append(part["text"])
        return found


def _joined(parts: list[Any]) -> list[Any]:
    """Pieces of a stream, which that SDK sends back as parts of their own, put together."""
    joined: list[Any] = []
    for part in parts:
        match joined[-1:], part:
            case [str(before)], str(text):
                joined[-1] = before + text
            case [str(before)], Signed("", signature):
                joined[-1] = Signed(before, signature)
            case [Thought(before, "")], Thought(text, ""):
                joined[-1] = Thought(before + text, "")
            case _:
                joined.append(part)
    return joined


def strings(value: Any) -> Iterator[str]:
    """All strings in a request, names of fields apart."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from strings(one)


def standard(base64: str) -> str:
    """In the alphabet that vendors use: Google's own client writes bytes in the other one."""
    return base64.translate(str.maketrans("-_", "+/"))


FORMATS: dict[str, Any] = {"openai": Chat, "responses": Responses, "anthropic": Messages, "gemini": Gemini}
