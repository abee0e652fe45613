"""The vendors' own SDKs, each asked the same and understood the same way."""

import json
from dataclasses import dataclass, field
from typing import Any

import anthropic
import openai
from google import genai
from google.genai import errors as genai_errors
from google.genai import types

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city"],
}
# A picture of one pixel.
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
QUESTION = "What is the weather?"


@dataclass
class Heard:
    """What a client got."""

    text: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    finish: str = ""
    usage: tuple[int, int, int] | None = None
    """Input tokens, of them cached, output tokens."""
    ids: list[str] = field(default_factory=list)


def dropped(headers: Any) -> list[str]:
    """Fields that the gateway says it left out; `headers` are an SDK's, in whatever case it has them."""
    names = {name.lower(): value for name, value in headers.items()}.get("x-fastgate-dropped", "")
    return [name.strip() for name in names.split(",") if name.strip()]


class RateLimited(Exception):
    """The SDK raised what it raises for 429."""


class Cut(Exception):
    """The SDK raised in the middle of a stream."""


class Chat:
    """`openai`, chat completions."""

    def __init__(self, address: str, key: str, model: str) -> None:
        self.model = model
        self.sdk = openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0)

    def ask(self, case: str, more: dict[str, Any] | None = None) -> Heard:
        arguments: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": QUESTION}],
            **(more or {}),
        }
        if "tools" in case or case == "tool_results":
            function = {"name": "get_weather", "parameters": SCHEMA}
            time = {"name": "get_time", "parameters": {"type": "object", "properties": {}}}
            arguments["tools"] = [{"type": "function", "function": one} for one in (function, time)]
        try:
            if not case.startswith("stream"):
                return self._whole(self.sdk.chat.completions.create(**arguments))
            stream = self.sdk.chat.completions.create(
                **arguments, stream=True, stream_options={"include_usage": True}
            )
            return self._stream(stream)
        except openai.RateLimitError as error:
            raise RateLimited(error.message) from error
        except openai.APIError as error:
            raise Cut(str(error)) from error

    def _whole(self, answer: Any) -> Heard:
        (choice,) = answer.choices
        heard = Heard(
            text=choice.message.content or "", finish=choice.finish_reason, usage=self._usage(answer.usage)
        )
        for call in choice.message.tool_calls or []:
            heard.calls.append((call.function.name, json.loads(call.function.arguments)))
            heard.ids.append(call.id)
        return heard

    def _stream(self, stream: Any) -> Heard:
        heard, arguments = Heard(), {}
        for chunk in stream:
            if chunk.usage:
                heard.usage = self._usage(chunk.usage)
            for choice in chunk.choices:
                heard.text += choice.delta.content or ""
                heard.finish = choice.finish_reason or heard.finish
                for call in choice.delta.tool_calls or []:
                    if call.id:
                        heard.ids.append(call.id)
                        arguments[call.index] = [call.function.name, ""]
                    arguments[call.index][1] += call.function.arguments or ""
        heard.calls = [(name, json.loads(text)) for name, text in arguments.values()]
        return heard

    def _usage(self, usage: Any) -> tuple[int, int, int]:
        details = usage.prompt_tokens_details
        return usage.prompt_tokens, details.cached_tokens if details else 0, usage.completion_tokens

    def with_results(self) -> dict[str, Any]:
        calls = [
            {
                "id": f"call_{at}",
                "type": "function",
                "function": {"name": name, "arguments": '{"city": "Zürich"}'},
            }
            for at, name in enumerate(("get_weather", "get_time"))
        ]
        results = [
            {"role": "tool", "tool_call_id": f"call_{at}", "content": f"result {at}"} for at in range(2)
        ]
        return {
            "messages": [
                {"role": "user", "content": QUESTION},
                {"role": "assistant", "content": None, "tool_calls": calls},
                *results,
            ]
        }

    def with_image(self) -> dict[str, Any]:
        image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
        return {"messages": [{"role": "user", "content": [{"type": "text", "text": QUESTION}, image]}]}

    def with_schema(self) -> dict[str, Any]:
        schema = {"name": "weather", "schema": SCHEMA}
        return {"response_format": {"type": "json_schema", "json_schema": schema}}


class Responses:
    """`openai`, responses."""

    def __init__(self, address: str, key: str, model: str) -> None:
        self.model = model
        self.sdk = openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0)

    def ask(self, case: str, more: dict[str, Any] | None = None) -> Heard:
        arguments: dict[str, Any] = {
            "model": self.model,
            "instructions": "Be brief.",
            "input": QUESTION,
            **(more or {}),
        }
        if "tools" in case or case == "tool_results":
            weather = {"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": False}
            time = {"type": "function", "name": "get_time", "parameters": {"type": "object"}, "strict": False}
            arguments["tools"] = [weather, time]
        try:
            if not case.startswith("stream"):
                return self._whole(self.sdk.responses.create(**arguments))
            text, last = "", None
            for event in self.sdk.responses.create(**arguments, stream=True):
                text += event.delta if event.type == "response.output_text.delta" else ""
                last = event
            if last is None or last.type not in ("response.completed", "response.incomplete"):
                raise Cut(str(last))
            heard = self._whole(last.response)
            assert heard.text == text
            return heard
        except openai.RateLimitError as error:
            raise RateLimited(error.message) from error
        except openai.APIError as error:
            raise Cut(str(error)) from error

    def _whole(self, response: Any) -> Heard:
        usage = response.usage
        heard = Heard(text=response.output_text, finish=response.status)
        heard.usage = usage.input_tokens, usage.input_tokens_details.cached_tokens, usage.output_tokens
        for item in response.output:
            if item.type == "function_call":
                heard.calls.append((item.name, json.loads(item.arguments)))
                heard.ids.append(item.call_id)
        heard.finish = "tool_calls" if heard.calls else "stop"
        return heard

    def with_results(self) -> dict[str, Any]:
        items: list[dict[str, Any]] = [{"role": "user", "content": QUESTION}]
        for at, name in enumerate(("get_weather", "get_time")):
            call = {
                "type": "function_call",
                "call_id": f"call_{at}",
                "name": name,
                "arguments": '{"city": "Zürich"}',
            }
            items.append(call)
        outputs = [(f"call_{at}", f"result {at}") for at in range(2)]
        items += [{"type": "function_call_output", "call_id": one, "output": said} for one, said in outputs]
        return {"input": items}

    def with_image(self) -> dict[str, Any]:
        image = {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "auto"}
        text = {"type": "input_text", "text": QUESTION}
        return {"input": [{"role": "user", "content": [text, image]}]}

    def with_schema(self) -> dict[str, Any]:
        return {
            "text": {"format": {"type": "json_schema", "name": "weather", "schema": SCHEMA, "strict": False}}
        }


class Messages:
    """`anthropic`."""

    def __init__(self, address: str, key: str, model: str) -> None:
        self.model = model
        self.sdk = anthropic.Anthropic(base_url=address, api_key=key, max_retries=0)

    def ask(self, case: str, more: dict[str, Any] | None = None) -> Heard:
        arguments: dict[str, Any] = {
            "model": self.model,
            "max_tokens": 100,
            "system": "Be brief.",
            "messages": [{"role": "user", "content": QUESTION}],
            **(more or {}),
        }
        if "tools" in case or case == "tool_results":
            weather = {"name": "get_weather", "input_schema": SCHEMA}
            arguments["tools"] = [weather, {"name": "get_time", "input_schema": {"type": "object"}}]
        try:
            if not case.startswith("stream"):
                return self._whole(self.sdk.messages.create(**arguments))
            with self.sdk.messages.stream(**arguments) as stream:
                text = "".join(stream.text_stream)
                heard = self._whole(stream.get_final_message())
            assert heard.text == text
            if not heard.finish:
                raise Cut("the stream has no end")
            return heard
        except anthropic.RateLimitError as error:
            raise RateLimited(error.message) from error
        except (anthropic.APIError, AssertionError) as error:
            raise Cut(str(error)) from error

    def _whole(self, message: Any) -> Heard:
        usage = message.usage
        cached = usage.cache_read_input_tokens or 0
        heard = Heard(usage=(usage.input_tokens + cached, cached, usage.output_tokens))
        for block in message.content:
            if block.type == "text":
                heard.text += block.text
            elif block.type == "tool_use":
                heard.calls.append((block.name, block.input))
                heard.ids.append(block.id)
        heard.finish = {"end_turn": "stop", "tool_use": "tool_calls", None: ""}[message.stop_reason]
        return heard

    def with_results(self) -> dict[str, Any]:
        uses = [
            {"type": "tool_use", "id": f"call_{at}", "name": name, "input": {"city": "Zürich"}}
            for at, name in enumerate(("get_weather", "get_time"))
        ]
        results = [
            {"type": "tool_result", "tool_use_id": f"call_{at}", "content": f"result {at}"} for at in range(2)
        ]
        return {
            "messages": [
                {"role": "user", "content": QUESTION},
                {"role": "assistant", "content": uses},
                {"role": "user", "content": results},
            ]
        }

    def with_image(self) -> dict[str, Any]:
        source = {"type": "base64", "media_type": "image/png", "data": PNG}
        content = [{"type": "text", "text": QUESTION}, {"type": "image", "source": source}]
        return {"messages": [{"role": "user", "content": content}]}

    def with_schema(self) -> dict[str, Any]:
        return {"extra_body": {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}}


class Gemini:
    """`google-genai`."""

    def __init__(self, address: str, key: str, model: str) -> None:
        self.model = model
        self.sdk = genai.Client(api_key=key, http_options=types.HttpOptions(base_url=address))

    def ask(self, case: str, more: dict[str, Any] | None = None) -> Heard:
        config: dict[str, Any] = {"system_instruction": "Be brief."}
        if "tools" in case or case == "tool_results":
            weather = {"name": "get_weather", "parameters_json_schema": SCHEMA}
            config["tools"] = [{"function_declarations": [weather, {"name": "get_time"}]}]
        config.update((more or {}).get("config", {}))
        contents = (more or {}).get("contents", QUESTION)
        arguments: Any = {
            "model": self.model,
            "contents": contents,
            "config": types.GenerateContentConfig(**config),
        }
        try:
            if not case.startswith("stream"):
                return self._heard([self.sdk.models.generate_content(**arguments)])
            heard = self._heard(list(self.sdk.models.generate_content_stream(**arguments)))
            if not heard.finish:
                raise Cut("the stream has no end")
            return heard
        except genai_errors.ClientError as error:
            if error.code == 429:
                raise RateLimited(error.message) from error
            raise
        except genai_errors.APIError as error:
            raise Cut(str(error)) from error

    def _heard(self, answers: list[Any]) -> Heard:
        heard = Heard()
        for answer in answers:
            if usage := answer.usage_metadata:
                cached = usage.cached_content_token_count or 0
                heard.usage = usage.prompt_token_count, cached, usage.candidates_token_count
            for candidate in answer.candidates or []:
                for part in (candidate.content and candidate.content.parts) or []:
                    heard.text += part.text or ""
                    if part.function_call:
                        heard.calls.append((part.function_call.name, part.function_call.args))
                heard.finish = candidate.finish_reason.value if candidate.finish_reason else heard.finish
        if heard.finish:
            heard.finish = "tool_calls" if heard.calls else "stop"
        return heard

    def with_results(self) -> dict[str, Any]:
        names = ("get_weather", "get_time")
        calls = [{"function_call": {"name": name, "args": {"city": "Zürich"}}} for name in names]
        results = [
            {"function_response": {"name": name, "response": {"result": f"result {at}"}}}
            for at, name in enumerate(names)
        ]
        return {
            "contents": [
                {"role": "user", "parts": [{"text": QUESTION}]},
                {"role": "model", "parts": calls},
                {"role": "user", "parts": results},
            ]
        }

    def with_image(self) -> dict[str, Any]:
        image = {"inline_data": {"mime_type": "image/png", "data": PNG}}
        return {"contents": [{"role": "user", "parts": [{"text": QUESTION}, image]}]}

    def with_schema(self) -> dict[str, Any]:
        return {"config": {"response_mime_type": "application/json", "response_json_schema": SCHEMA}}


CLIENTS: dict[str, Any] = {"chat": Chat, "responses": Responses, "anthropic": Messages, "gemini": Gemini}
