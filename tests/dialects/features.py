"""What not every dialect can say, as each SDK says it.

That is the rows of the table in docs/dialects.md, and fields of one vendor. A request is what is
added to a plain question; a field is the client's own name for it.
"""

from dataclasses import dataclass
from typing import Any

from google.genai import types
from tests.dialects.clients import QUESTION, SCHEMA

PDF = "JVBERi0xLjQKJSVFT0YK"
WAV = "UklGRiQAAABXQVZF"
PAGE = "https://example.com/a.pdf"
PICTURE = "https://example.com/a.png"
SOUND = "https://example.com/a.wav"
NAMES = ["get_weather", "get_time"]
# Whose thoughts are nobody's here: no vendor signed them.
THOUGHT = "Sun, I guess."


@dataclass(frozen=True)
class Said:
    """How a client says it."""

    field: str
    request: dict[str, Any]


def chat_tools(**more: Any) -> dict[str, Any]:
    functions = [{"name": name, "parameters": SCHEMA, **more} for name in NAMES]
    return {"tools": [{"type": "function", "function": function} for function in functions]}


def responses_tools(strict: bool = False) -> dict[str, Any]:
    tool = {"type": "function", "parameters": SCHEMA, "strict": strict}
    return {"tools": [{**tool, "name": name} for name in NAMES]}


def anthropic_tools(**more: Any) -> dict[str, Any]:
    return {"tools": [{"name": name, "input_schema": SCHEMA, **more} for name in NAMES]}


def gemini_tools() -> dict[str, Any]:
    return {"tools": [{"function_declarations": [{"name": name} for name in NAMES]}]}


def chat_content(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": QUESTION}, *parts]}]}


def responses_content(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"input": [{"role": "user", "content": [{"type": "input_text", "text": QUESTION}, *parts]}]}


def gemini_content(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [{"text": QUESTION}, *parts]}]}


def dialogue(name: str, assistant: dict[str, Any], user: str = "user") -> dict[str, Any]:
    """A question, what the model said, and another question."""
    ask = {"role": user, "content": QUESTION}
    return {name: [ask, assistant, ask]}


def chat(field: str, **request: Any) -> Said:
    return Said(field, request)


responses = messages = chat


def gemini(field: str, contents: Any = QUESTION, **config: Any) -> Said:
    return Said(field, {"contents": contents, "config": types.GenerateContentConfig(**config)})


_MODEL = {"role": "assistant", "type": "message", "id": "msg_1", "status": "completed"}
_NOTE = {"type": "url_citation", "url": PAGE, "title": "A", "start_index": 0, "end_index": 3}
_PLACE = {
    "type": "char_location",
    "cited_text": "Sun",
    "document_index": 0,
    "document_title": "A",
    "start_char_index": 0,
    "end_char_index": 3,
}

FEATURES: dict[str, dict[str, Said]] = {
    "top-k sampling": {
        "chat": chat("top_k", extra_body={"top_k": 40}),
        "anthropic": messages("top_k", extra_body={"top_k": 40}),
        "gemini": gemini("generationConfig.topK", top_k=40),
    },
    "a seed": {"chat": chat("seed", seed=7), "gemini": gemini("generationConfig.seed", seed=7)},
    "a penalty for presence": {
        "chat": chat("presence_penalty", presence_penalty=0.5),
        "gemini": gemini("generationConfig.presencePenalty", presence_penalty=0.5),
    },
    "a penalty for frequency": {
        "chat": chat("frequency_penalty", frequency_penalty=0.5),
        "gemini": gemini("generationConfig.frequencyPenalty", frequency_penalty=0.5),
    },
    "a bias per token": {"chat": chat("logit_bias", logit_bias={"50256": -100})},
    "several answers": {
        "chat": chat("n", n=2),
        "gemini": gemini("generationConfig.candidateCount", candidate_count=2),
    },
    "log probabilities": {
        "chat": chat("logprobs", logprobs=True, top_logprobs=2),
        "responses": responses("top_logprobs", top_logprobs=2),
        "gemini": gemini("generationConfig.responseLogprobs", response_logprobs=True, logprobs=2),
    },
    "stop sequences": {
        "chat": chat("stop", stop=["END"]),
        "anthropic": messages("stop_sequences", stop_sequences=["END"]),
        "gemini": gemini("generationConfig.stopSequences", stop_sequences=["END"]),
    },
    "some JSON object as the answer": {
        "chat": chat("response_format", response_format={"type": "json_object"}),
        "responses": responses("text.format", text={"format": {"type": "json_object"}}),
        "gemini": gemini("generationConfig.responseMimeType", response_mime_type="application/json"),
    },
    "JSON that fits a schema as the answer": {
        "chat": chat(
            "response_format",
            response_format={"type": "json_schema", "json_schema": {"name": "weather", "schema": SCHEMA}},
        ),
        "responses": responses(
            "text.format",
            text={"format": {"type": "json_schema", "name": "weather", "schema": SCHEMA, "strict": False}},
        ),
        "anthropic": messages(
            "output_config.format", output_config={"format": {"type": "json_schema", "schema": SCHEMA}}
        ),
        "gemini": gemini(
            "generationConfig.responseJsonSchema",
            response_mime_type="application/json",
            response_json_schema=SCHEMA,
        ),
    },
    "strict arguments of tools": {
        "chat": chat("tools.function.strict", **chat_tools(strict=True)),
        "responses": responses("tools.strict", **responses_tools(strict=True)),
        "anthropic": messages("tools.strict", **anthropic_tools(strict=True)),
    },
    "one tool call at a time": {
        "chat": chat("parallel_tool_calls", parallel_tool_calls=False, **chat_tools()),
        "responses": responses("parallel_tool_calls", parallel_tool_calls=False, **responses_tools()),
        "anthropic": messages(
            "tool_choice.disable_parallel_tool_use",
            tool_choice={"type": "auto", "disable_parallel_tool_use": True},
            **anthropic_tools(),
        ),
    },
    "a choice among some tools": {
        "chat": chat(
            "tool_choice",
            tool_choice={
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [{"type": "function", "function": {"name": name}} for name in NAMES],
                },
            },
            **chat_tools(),
        ),
        "responses": responses(
            "tool_choice",
            tool_choice={
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": name} for name in NAMES],
            },
            **responses_tools(),
        ),
        "gemini": gemini(
            "toolConfig.functionCallingConfig.allowedFunctionNames",
            tool_config={"function_calling_config": {"mode": "ANY", "allowed_function_names": NAMES}},
            **gemini_tools(),
        ),
    },
    "reasoning, by effort or budget": {
        "chat": chat("reasoning_effort", reasoning_effort="low"),
        "responses": responses("reasoning.effort", reasoning={"effort": "low"}),
        "anthropic": messages(
            "thinking", max_tokens=4_000, thinking={"type": "enabled", "budget_tokens": 1_024}
        ),
        "gemini": gemini("generationConfig.thinkingConfig", thinking_config={"thinking_budget": 1_024}),
    },
    "thoughts in the answer": {
        "chat": chat("reasoning.exclude", extra_body={"reasoning": {"effort": "low", "exclude": False}}),
        "responses": responses("reasoning.summary", reasoning={"effort": "low", "summary": "auto"}),
        "anthropic": messages("thinking.display", thinking={"type": "adaptive", "display": "summarized"}),
        "gemini": gemini(
            "generationConfig.thinkingConfig.includeThoughts",
            thinking_config={"include_thoughts": True, "thinking_budget": 2_048},
        ),
    },
    "thoughts in the history, other than the vendor's own": {
        "chat": chat(
            "messages.reasoning_content",
            **dialogue("messages", {"role": "assistant", "content": "Sun.", "reasoning_content": THOUGHT}),
        ),
        "responses": responses(
            "input",
            input=[
                {"role": "user", "content": QUESTION},
                {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": THOUGHT}]},
                {**_MODEL, "content": [{"type": "output_text", "text": "Sun.", "annotations": []}]},
                {"role": "user", "content": QUESTION},
            ],
        ),
        "anthropic": messages(
            "messages.content",
            **dialogue(
                "messages",
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": THOUGHT, "signature": "elsewhere"},
                        {"type": "text", "text": "Sun."},
                    ],
                },
            ),
        ),
        "gemini": gemini(
            "contents.parts",
            [
                {"role": "user", "parts": [{"text": QUESTION}]},
                {"role": "model", "parts": [{"text": THOUGHT, "thought": True}, {"text": "Sun."}]},
                {"role": "user", "parts": [{"text": QUESTION}]},
            ],
        ),
    },
    "an image by its address": {
        "chat": chat(
            "messages.content", **chat_content({"type": "image_url", "image_url": {"url": PICTURE}})
        ),
        "responses": responses(
            "input", **responses_content({"type": "input_image", "image_url": PICTURE, "detail": "auto"})
        ),
        "anthropic": messages(
            "messages.content",
            **chat_content({"type": "image", "source": {"type": "url", "url": PICTURE}}),
        ),
        "gemini": gemini(
            "contents.parts.fileData",
            **gemini_content({"file_data": {"file_uri": PICTURE, "mime_type": "image/png"}}),
        ),
    },
    "sound": {
        "chat": chat(
            "messages.content",
            **chat_content({"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}}),
        ),
        "responses": responses(
            "input",
            **responses_content({"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}}),
        ),
        "gemini": gemini(
            "contents.parts.inlineData",
            **gemini_content({"inline_data": {"data": WAV, "mime_type": "audio/wav"}}),
        ),
    },
    "a document": {
        "chat": chat(
            "messages.content",
            **chat_content(
                {
                    "type": "file",
                    "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"},
                }
            ),
        ),
        "responses": responses(
            "input",
            **responses_content(
                {
                    "type": "input_file",
                    "filename": "a.pdf",
                    "file_data": f"data:application/pdf;base64,{PDF}",
                }
            ),
        ),
        "anthropic": messages(
            "messages.content",
            **chat_content(
                {
                    "type": "document",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
                }
            ),
        ),
        "gemini": gemini(
            "contents.parts.inlineData",
            **gemini_content({"inline_data": {"data": PDF, "mime_type": "application/pdf"}}),
        ),
    },
    "a document by its address": {
        "responses": responses("input", **responses_content({"type": "input_file", "file_url": PAGE})),
        "anthropic": messages(
            "messages.content",
            **chat_content({"type": "document", "source": {"type": "url", "url": PAGE}}),
        ),
        "gemini": gemini(
            "contents.parts.fileData",
            **gemini_content({"file_data": {"file_uri": PAGE, "mime_type": "application/pdf"}}),
        ),
    },
    "a film": {
        "chat": chat(
            "messages.content",
            **chat_content({"type": "video_url", "video_url": {"url": f"data:video/mp4;base64,{WAV}"}}),
        ),
        "gemini": gemini(
            "contents.parts", **gemini_content({"inline_data": {"data": WAV, "mime_type": "video/mp4"}})
        ),
    },
    "a file in another vendor's store": {
        "chat": chat("messages.content", **chat_content({"type": "file", "file": {"file_id": "file-1"}})),
        "responses": responses("input", **responses_content({"type": "input_file", "file_id": "file-1"})),
        "anthropic": messages(
            "messages.content",
            **chat_content({"type": "document", "source": {"type": "file", "file_id": "file_1"}}),
        ),
        "gemini": gemini(
            "contents.parts.fileData",
            **gemini_content(
                {
                    "file_data": {
                        "file_uri": "https://generativelanguage.googleapis.com/v1beta/files/one",
                        "mime_type": "application/pdf",
                    }
                }
            ),
        ),
    },
    "marks for the prompt cache": {
        "chat": chat(
            "cache_control",
            **chat_content({"type": "text", "text": "Well?", "cache_control": {"type": "ephemeral"}}),
        ),
        "anthropic": messages(
            "cache_control",
            **chat_content({"type": "text", "text": "Well?", "cache_control": {"type": "ephemeral"}}),
        ),
    },
    "the client's name for its user": {
        "chat": chat("user", user="ann"),
        "responses": responses("user", user="ann"),
        "anthropic": messages("metadata.user_id", metadata={"user_id": "ann"}),
    },
    "metadata": {
        "chat": chat("metadata", metadata={"team": "a"}),
        "responses": responses("metadata", metadata={"team": "a"}),
    },
    "a service tier": {
        "chat": chat("service_tier", service_tier="flex"),
        "responses": responses("service_tier", service_tier="flex"),
        "anthropic": messages("service_tier", service_tier="standard_only"),
    },
    "names of those who speak": {
        "chat": chat("messages.name", messages=[{"role": "user", "name": "ann", "content": QUESTION}]),
    },
    "citations in the history": {
        "chat": chat(
            "messages.annotations",
            **dialogue(
                "messages",
                {
                    "role": "assistant",
                    "content": "Sun.",
                    "annotations": [{"type": "url_citation", "url_citation": {"url": PAGE, "title": "A"}}],
                },
            ),
        ),
        "responses": responses(
            "input",
            **dialogue(
                "input",
                {**_MODEL, "content": [{"type": "output_text", "text": "Sun.", "annotations": [_NOTE]}]},
            ),
        ),
        "anthropic": messages(
            "messages.content.citations",
            **dialogue(
                "messages",
                {
                    "role": "assistant",
                    "content": [{"type": "text", "text": "Sun.", "citations": [_PLACE]}],
                },
            ),
        ),
    },
    "sound by its address": {
        "gemini": gemini(
            "contents.parts.fileData",
            **gemini_content({"file_data": {"file_uri": SOUND, "mime_type": "audio/wav"}}),
        ),
    },
    "a tool's result that says it failed": {
        "responses": responses(
            "input.output",
            input=[
                {"role": "user", "content": QUESTION},
                {"type": "function_call", "call_id": "call_1", "name": "get_time", "arguments": "{}"},
                {
                    "type": "function_call_output",
                    "call_id": "call_1",
                    "output": "no clock",
                    "status": "incomplete",
                },
            ],
            **responses_tools(),
        ),
        "anthropic": messages(
            "messages.content.is_error",
            messages=[
                {"role": "user", "content": QUESTION},
                {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "id": "t", "name": "get_time", "input": {}}],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "t", "content": "no clock", "is_error": True}
                    ],
                },
            ],
            **anthropic_tools(),
        ),
        "gemini": gemini(
            "contents.parts.functionResponse.response.error",
            [
                {"role": "user", "parts": [{"text": QUESTION}]},
                {"role": "model", "parts": [{"function_call": {"name": "get_time", "args": {}}}]},
                {
                    "role": "user",
                    "parts": [{"function_response": {"name": "get_time", "response": {"error": "no clock"}}}],
                },
            ],
            **gemini_tools(),
        ),
    },
    "a share of likely tokens beside a temperature": {
        "chat": chat("top_p", temperature=0.5, top_p=0.5),
        "responses": responses("top_p", temperature=0.5, top_p=0.5),
        "gemini": gemini("generationConfig.topP", temperature=0.5, top_p=0.5),
    },
}

# What only one vendor has, and what becomes of it at all others.
OWN_FIELDS: list[tuple[str, str, Said]] = [
    ("chat", "left out", chat("store", store=True)),
    ("chat", "left out", chat("prompt_cache_key", prompt_cache_key="a")),
    ("chat", "left out", chat("prediction", prediction={"type": "content", "content": "Sun."})),
    ("chat", "left out", chat("verbosity", verbosity="low")),
    ("chat", "refused", chat("web_search_options", web_search_options={})),
    ("chat", "refused", chat("modalities", modalities=["text", "audio"])),
    ("chat", "refused", chat("tools.custom", tools=[{"type": "custom", "custom": {"name": "a"}}])),
    ("responses", "left out", responses("store", store=True)),
    ("responses", "left out", responses("truncation", truncation="auto")),
    ("responses", "left out", responses("text.verbosity", text={"verbosity": "low"})),
    ("responses", "refused", responses("background", background=True)),
    ("responses", "refused", responses("prompt", prompt={"id": "pmpt_1"})),
    ("responses", "refused", responses("tools.web_search", tools=[{"type": "web_search"}])),
    (
        "responses",
        "refused",
        responses("input.item_reference", input=[{"type": "item_reference", "id": "a"}]),
    ),
    ("anthropic", "left out", messages("cache_control", cache_control={"type": "ephemeral"})),
    ("anthropic", "refused", messages("container", extra_body={"container": "c_1"})),
    (
        "anthropic",
        "refused",
        messages("context_management", extra_body={"context_management": {"edits": []}}),
    ),
    ("anthropic", "refused", messages("inference_geo", extra_body={"inference_geo": "us"})),
    (
        "anthropic",
        "refused",
        messages("tools.web_search_20250305", tools=[{"type": "web_search_20250305", "name": "web_search"}]),
    ),
    (
        "anthropic",
        "refused",
        messages(
            "messages.content.server_tool_use",
            **dialogue(
                "messages",
                {
                    "role": "assistant",
                    "content": [{"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}],
                },
            ),
        ),
    ),
    (
        "gemini",
        "left out",
        gemini(
            "safetySettings",
            safety_settings=[{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        ),
    ),
    (
        "gemini",
        "left out",
        gemini("generationConfig.mediaResolution", media_resolution="MEDIA_RESOLUTION_LOW"),
    ),
    ("gemini", "refused", gemini("cachedContent", cached_content="cachedContents/one")),
    ("gemini", "refused", gemini("generationConfig.responseModalities", response_modalities=["AUDIO"])),
    ("gemini", "refused", gemini("tools.googleSearch", tools=[{"google_search": {}}])),
    ("gemini", "refused", gemini("tools.codeExecution", tools=[{"code_execution": {}}])),
    (
        "gemini",
        "refused",
        gemini(
            "contents.parts.executableCode",
            [
                {"role": "user", "parts": [{"text": QUESTION}]},
                {"role": "model", "parts": [{"executable_code": {"code": "1", "language": "PYTHON"}}]},
                {"role": "user", "parts": [{"text": QUESTION}]},
            ],
        ),
    ),
]
