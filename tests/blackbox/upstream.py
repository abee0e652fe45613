"""The scripted provider behind the gateway, and what it saw."""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fastgate._core import MockProvider


@dataclass(frozen=True)
class Seen:
    """One request as the provider received it."""

    path: str
    headers: list[tuple[str, str]]
    body: bytes
    outcome: str
    ended_at: float | None
    """Unix seconds; None while it is being answered."""

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


class Upstream:
    """A running mock provider."""

    def __init__(self, *, record: bool = True) -> None:
        self.mock = MockProvider(listen="127.0.0.1:0", record=record)
        self.base_url = f"http://{self.mock.address}/v1"

    def script(self, *steps: dict[str, Any], **defaults: Any) -> None:
        """Forget what was seen; answer with `steps` in order, then with `defaults`."""
        self.mock.reset()
        self.mock.set_script(json.dumps({"defaults": defaults, "steps": list(steps)}))

    def answer_bytes(
        self,
        body: bytes,
        *,
        status: int = 200,
        content_type: str = "application/json",
        headers: dict[str, str] | None = None,
        split_bytes: Iterable[int] = (),
        **more: Any,
    ) -> None:
        """Answer everything with exactly these bytes."""
        self.script(
            status=status,
            content_type=content_type,
            headers=headers or {},
            body_base64=base64.b64encode(body).decode(),
            split_bytes=list(split_bytes),
            **more,
        )

    def seen(self) -> list[Seen]:
        """Requests since the last script, oldest first."""
        return [
            Seen(
                path=record["path"],
                headers=record["headers"],
                body=record["body"],
                outcome=record["outcome"],
                ended_at=None
                if record["ended_after_ms"] is None
                else record["at"] + record["ended_after_ms"] / 1000,
            )
            for record in self.mock.requests()
        ]

    def only(self) -> Seen:
        """The one request there was."""
        (seen,) = self.seen()
        return seen
