"""What a gateway says when it starts: where it listens, what it serves, how to call it."""

from fastgate.config import Config


def banner(config: Config, address: str, admin: str | None) -> str:
    """The text, ready to print; shows no credential."""
    scheme = "https" if config.settings.server.tls else "http"
    url = f"{scheme}://{_reachable(address)}/v1"
    model = next((name for name, route in config.routes.items() if route.listed), None)
    key = "$FASTGATE_KEY" if not config.settings.is_keyless else "any"
    lines = [f"fastgate listens on {scheme}://{address}" + (f", admin on http://{admin}" if admin else "")]
    if config.mock:
        model = "mock"
        lines += [
            "",
            "  NO PROVIDER IS CONFIGURED: answers come from the built-in mock provider, at no cost.",
            "  Set OPENAI_API_KEY or another vendor's key, or write a configuration: fastgate init",
        ]
    else:
        lines.append(f"providers: {_some(list(config.settings.providers))}")
        listed = sorted(name for name, route in config.routes.items() if route.listed)
        if listed:
            lines.append(f"models: {_some(listed)}")
        if model is None:
            model = f"{next(iter(config.settings.providers))}/MODEL"
    lines += [
        "",
        "  curl:",
        f"    curl {url}/chat/completions -H 'Content-Type: application/json'"
        + (f' -H "Authorization: Bearer {key}"' if not config.settings.is_keyless else "")
        + " \\",
        f'''      -d '{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello"}}]}}\'''',
        "",
        "  Python:",
        "    from openai import OpenAI",
        f'    client = OpenAI(base_url="{url}", api_key="{key}")',
        '    messages = [{"role": "user", "content": "Hello"}]',
        f'    print(client.chat.completions.create(model="{model}", messages=messages))',
        "",
    ]
    return "\n".join(lines)


def _some(names: list[str]) -> str:
    """The first twelve of the names, on one line."""
    return f"{', '.join(names[:12])}{' …' if len(names) > 12 else ''}"


def _reachable(address: str) -> str:
    """An address that a client on this machine can use."""
    host, _, port = address.rpartition(":")
    return f"127.0.0.1:{port}" if host in ("0.0.0.0", "[::]") else address  # noqa: S104 - compared with
