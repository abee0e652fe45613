"""Conversations through the vendors' own SDKs: what the SDK made of an answer goes back as it is.

Every class has the same: `begin` anew, `ask` for an answer and keep it, `give` results of the tools that were
called, `say` something more, and `model`, for which another provider may answer from now on.
"""

from dataclasses import dataclass, field
from typing import Any

import anthropic
import openai
from google import genai
from google.genai import types
from openai.lib.streaming.chat import ChatCompletionStreamState
from tests.dialects.clients import QUESTION, SCHEMA, dropped

TIME_SCHEMA = {"type": "object", "properties": {"zone": {"type": "string"}}}
SYSTEM = "Be brief."


@dataclass
class Turn:
    """What a client got in one turn."""

    thought: str = ""
    text: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list)
    """Id and name."""
    dropped: list[str] = field(default_factory=list)
    """Fields that the gateway said it left out."""


class Chat:
    """`openai`, chat completions: the message goes back as it came, in whatever fields the provider uses."""

    def __init__(self, address: str, key: str, model: str) -> None:
        self.sdk = openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0)
        self.begin(model)

    def begin(self, model: str) -> None:
        self.model = model
        self.messages: list[Any] = [{"role": "system", "content": SYSTEM}]
        self.say(QUESTION)

    def say(self, text: str) -> None:
        self.messages.append({"role": "user", "content": text})

    def give(self, turn: Turn, results: list[str]) -> None:
        for (call_id, _), result in zip(turn.calls, results, strict=True):
            self.messages.append({"role": "tool", "tool_call_id": call_id, "content": result})

    def ask(self, streams: bool) -> Turn:
        functions = [
            {"name": "get_weather", "parameters": SCHEMA},
            {"name": "get_time", "parameters": TIME_SCHEMA},
        ]
        arguments: dict[str, Any] = {
            "model": self.model,
            "messages": self.messages,
            "tools": [{"type": "function", "function": function} for function in functions],
            "reasoning_effort": "low",
        }
        raw = self.sdk.chat.completions.with_raw_response.create(**arguments, stream=streams)
        answer: Any = raw.parse()
        if streams:
            state: Any = ChatCompletionStreamState()
            for chunk in answer:
                state.handle_chunk(chunk)
            answer = state.get_final_completion()
        message = answer.choices[0].message
        self.messages.append(message)
        turn = Turn(text=message.content or "", dropped=dropped(raw.headers))
        turn.thought = getattr(message, "reasoning_content", None) or ""
        turn.calls = [(call.id, call.function.name) for call in message.tool_calls or []]
        return turn


class Responses:
    """`openai`, responses, with nothing stored: the items of the output are part of the next input."""

    def __init__(self, address: str, key: str, model: str) -> None:
        self.sdk = openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0)
        self.begin(model)

    def begin(self, model: str) -> None:
        self.model = model
        self.items: list[Any] = []
        self.say(QUESTION)

    def say(self, text: str) -> None:
        self.items.append({"role": "user", "content": text})

    def give(self, turn: Turn, results: list[str]) -> None:
        for (call_id, _), result in zip(turn.calls, results, strict=True):
            self.items.append({"type": "function_call_output", "call_id": call_id, "output": result})

    def ask(self, streams: bool) -> Turn:
        tools = [
            {"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": False},
            {"type": "function", "name": "get_time", "parameters": TIME_SCHEMA, "strict": False},
        ]
        arguments: dict[str, Any] = {
            "model": self.model,
            "instructions": SYSTEM,
            "input": self.items,
            "tools": tools,
            "store": False,
            "include": ["reasoning.encrypted_content"],
            "reasoning": {"effort": "low", "summary": "auto"},
        }
        raw = self.sdk.responses.with_raw_response.create(**arguments, stream=streams)
        answer: Any = raw.parse()
        if streams:
            (*_, last) = answer
            assert last.type == "response.completed"
            answer = last.response
        self.items += answer.output
        turn = Turn(text=answer.output_text, dropped=dropped(raw.headers))
        for item in answer.output:
            if item.type == "reasoning":
                turn.thought += "".join(part.text for part in item.summary)
            elif item.type == "function_call":
                turn.calls.append((item.call_id, item.name))
        return turn


class Messages:
    """`anthropic`: the content goes back block by block."""

    def __init__(self, address: str, key: str, model: str) -> None:
        self.sdk = anthropic.Anthropic(base_url=address, api_key=key, max_retries=0)
        self.begin(model)

    def begin(self, model: str) -> None:
        self.model = model
        self.messages: list[Any] = []
        self.say(QUESTION)

    def say(self, text: str) -> None:
        self.messages.append({"role": "user", "content": text})

    def give(self, turn: Turn, results: list[str]) -> None:
        blocks = [
            {"type": "tool_result", "tool_use_id": call_id, "content": result}
            for (call_id, _), result in zip(turn.calls, results, strict=True)
        ]
        self.messages.append({"role": "user", "content": blocks})

    def ask(self, streams: bool) -> Turn:
        arguments: dict[str, Any] = {
            "model": self.model,
            "max_tokens": 2_000,
            "system": SYSTEM,
            "messages": self.messages,
            "tools": [
                {"name": "get_weather", "input_schema": SCHEMA},
                {"name": "get_time", "input_schema": TIME_SCHEMA},
            ],
            "thinking": {"type": "enabled", "budget_tokens": 1_024},
        }
        if streams:
            with self.sdk.messages.stream(**arguments) as stream:
                answer: Any = stream.get_final_message()
                headers = stream.response.headers
        else:
            raw = self.sdk.messages.with_raw_response.create(**arguments)
            answer, headers = raw.parse(), raw.headers
        self.messages.append({"role": "assistant", "content": answer.content})
        turn = Turn(dropped=dropped(headers))
        for block in answer.content:
            if block.type == "thinking":
                turn.thought += block.thinking
            elif block.type == "text":
                turn.text += block.text
            else:
                turn.calls.append((block.id, block.name))
        return turn


class Gemini:
    """`google-genai`, whose chats keep the history themselves."""

    def __init__(self, address: str, key: str, model: str) -> None:
        self.sdk = genai.Client(api_key=key, http_options=types.HttpOptions(base_url=address))
        self.begin(model)

    def begin(self, model: str) -> None:
        self.model = model
        self.history: list[Any] = []
        self.say(QUESTION)

    def say(self, text: str) -> None:
        self.next: list[Any] = [types.Part.from_text(text=text)]

    def give(self, turn: Turn, results: list[str]) -> None:
        self.next = []
        for (call_id, name), result in zip(turn.calls, results, strict=True):
            response = types.FunctionResponse(id=call_id or None, name=name, response={"result": result})
            self.next.append(types.Part(function_response=response))

    def ask(self, streams: bool) -> Turn:
        weather: Any = {"name": "get_weather", "parameters_json_schema": SCHEMA}
        time: Any = {"name": "get_time", "parameters_json_schema": TIME_SCHEMA}
        config = types.GenerateContentConfig(
            system_instruction=SYSTEM,
            tools=[types.Tool(function_declarations=[weather, time])],
            thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_budget=1_024),
        )
        chat = self.sdk.chats.create(model=self.model, config=config, history=self.history)
        answers = list(chat.send_message_stream(self.next)) if streams else [chat.send_message(self.next)]
        self.history = chat.get_history()
        turn = Turn()
        for answer in answers:
            assert answer.sdk_http_response is not None
            turn.dropped = dropped(answer.sdk_http_response.headers)
            for part in answer.candidates[0].content.parts or []:  # type: ignore[index, union-attr]
                if part.function_call:
                    turn.calls.append((part.function_call.id or "", part.function_call.name or ""))
                elif part.thought:
                    turn.thought += part.text or ""
                else:
                    turn.text += part.text or ""
        return turn


CONVERSATIONS: dict[str, Any] = {
    "chat": Chat,
    "responses": Responses,
    "anthropic": Messages,
    "gemini": Gemini,
}
