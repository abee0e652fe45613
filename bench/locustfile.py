"""Locust against any gateway that speaks OpenAI's chat API.

    BENCH_KEY=... BENCH_MODEL=gpt-4o-mini locust -f bench/locustfile.py --host http://127.0.0.1:8080 \\
        --headless -u 50 -r 10 -t 1m

Settings, all environment variables: `BENCH_KEY` (the client's key), `BENCH_MODEL`, `BENCH_STREAM_MODEL`
(default: the same model), `BENCH_PATH` (default `/v1/chat/completions`), `BENCH_JSON_WEIGHT` and
`BENCH_STREAM_WEIGHT` (default 4 and 1; 0 leaves the task out), `BENCH_BODY_BYTES` (default 1024),
`BENCH_WAIT_SECONDS` (pause of a user, default 0), `BENCH_CLIENT` (`fast`, the default, or `requests`).
"""

import json
import os
import time
from typing import Any

from locust import FastHttpUser, HttpUser, constant

KEY = os.environ.get("BENCH_KEY", "")
MODEL = os.environ.get("BENCH_MODEL", "gpt-4o-mini")
STREAM_MODEL = os.environ.get("BENCH_STREAM_MODEL", MODEL)
PATH = os.environ.get("BENCH_PATH", "/v1/chat/completions")
BODY_BYTES = int(os.environ.get("BENCH_BODY_BYTES", "1024"))
WEIGHTS = int(os.environ.get("BENCH_JSON_WEIGHT", "4")), int(os.environ.get("BENCH_STREAM_WEIGHT", "1"))
HEADERS = {"Content-Type": "application/json", **({"Authorization": f"Bearer {KEY}"} if KEY else {})}


def body(model: str, *, stream: bool) -> bytes:
    """A chat request of about `BENCH_BODY_BYTES`."""
    document: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": ""}],
        "max_tokens": 256,
    }
    if stream:
        document["stream"] = True
    words = "Explain how a token bucket admits a burst and then settles to its rate. "
    room = max(len(words), BODY_BYTES - len(json.dumps(document)))
    document["messages"][0]["content"] = (words * (room // len(words) + 1))[:room]
    return json.dumps(document).encode()


def problem_of_json(text: str | None) -> str | None:
    """Why this is not a chat answer, or None."""
    try:
        json.loads(text or "")["choices"][0]["message"]
    except (ValueError, KeyError, IndexError, TypeError):
        return f"not a chat answer: {(text or '')[:100]!r}"
    return None


class Tasks:
    """The two tasks; `client` is what the user class brings."""

    client: Any
    environment: Any

    def chat_json(self) -> None:
        """One JSON answer, checked."""
        with self.client.post(
            PATH, data=JSON_BODY, headers=HEADERS, name="chat json", catch_response=True
        ) as reply:
            if reply.status_code != 200:
                reply.failure(f"status {reply.status_code}")
            elif problem := problem_of_json(reply.text):
                reply.failure(problem)

    def chat_stream(self) -> None:
        """One stream, read to its end; locust times its head, the events here time first event and whole
        stream.
        """
        start = time.perf_counter()
        with self.client.post(
            PATH, data=STREAM_BODY, headers=HEADERS, name="chat stream", stream=True, catch_response=True
        ) as reply:
            if reply.status_code != 200:
                reply.failure(f"status {reply.status_code}")
                return
            tail, size = b"", 0
            for data in self.chunks(reply):
                if not size:
                    self.report("chat stream, first event", start, len(data))
                tail, size = (tail + data)[-64:], size + len(data)
            if b"[DONE]" in tail:
                self.report("chat stream, whole", start, size)
            else:
                reply.failure("stream without [DONE]")

    def report(self, name: str, start: float, size: int) -> None:
        """A line of its own in locust's statistics."""
        self.environment.events.request.fire(
            request_type="SSE",
            name=name,
            response_time=(time.perf_counter() - start) * 1000,
            response_length=size,
            exception=None,
            context={},
        )

    @staticmethod
    def chunks(reply: Any) -> Any:
        """The reply's bytes as they arrive."""
        raise NotImplementedError


JSON_BODY, STREAM_BODY = body(MODEL, stream=False), body(STREAM_MODEL, stream=True)
TASKS: list[Any] = [Tasks.chat_json] * WEIGHTS[0] + [Tasks.chat_stream] * WEIGHTS[1]


class FastUser(Tasks, FastHttpUser):
    """geventhttpclient: the lighter client."""

    abstract = os.environ.get("BENCH_CLIENT", "fast") != "fast"
    wait_time = constant(float(os.environ.get("BENCH_WAIT_SECONDS", "0")))
    tasks = TASKS

    @staticmethod
    def chunks(reply: Any) -> Any:
        """The reply's bytes as they arrive."""
        return iter(lambda: reply.stream.readline(b"\n"), b"")  # `read` would wait for a full buffer


class RequestsUser(Tasks, HttpUser):
    """requests: what many applications use."""

    abstract = os.environ.get("BENCH_CLIENT", "fast") != "requests"
    wait_time = constant(float(os.environ.get("BENCH_WAIT_SECONDS", "0")))
    tasks = TASKS

    @staticmethod
    def chunks(reply: Any) -> Any:
        """The reply's bytes as they arrive."""
        return reply.iter_content(None)
