"""nginx as the plain reverse proxy everything is compared with, and as the built-in JSON upstream."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.payload import Kind

FOREVER = 1_000_000_000


def proxy_config(
    directory: Path,
    *,
    ports: Mapping[Kind, int],
    upstreams: Mapping[Kind, int],
    workers: int,
    access_log: bool,
) -> str:
    """One server per kind of answer, each with keep-alive on both sides; streams are not buffered."""
    blocks = []
    for kind, port in ports.items():
        buffering = "on" if kind is Kind.JSON else "off"
        blocks.append(f"""
    upstream {kind} {{
        server 127.0.0.1:{upstreams[kind]};
        keepalive 64;
        keepalive_requests {FOREVER};
        keepalive_timeout 600s;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location / {{
            proxy_pass http://{kind};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering {buffering};
        }}
    }}""")
    return _frame(directory, blocks, workers=workers, access_log=access_log)


def reply_config(directory: Path, *, port: int, body: bytes) -> str:
    """A server that answers every POST with `body` and counts requests under `/_mock/counts`."""
    if b"'" in body or b"$" in body or b"\\" in body:
        raise ValueError("body needs quoting that this config does not do")
    block = f"""
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location = /_mock/counts {{ stub_status; }}
        location / {{
            default_type application/json;
            return 200 '{body.decode()}';
        }}
    }}"""
    return _frame(directory, [block], workers=1, access_log=False)


def _frame(directory: Path, servers: Sequence[str], *, workers: int, access_log: bool) -> str:
    """The main and http contexts around the servers."""
    user = (
        "user root;" if os.geteuid() == 0 else ""
    )  # as root, workers would become nobody and lose the directory
    log = f"{directory}/access.log" if access_log else "off"
    temporary = "".join(
        f"    {name}_temp_path {directory}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""{user}
worker_processes {workers};
daemon off;
pid {directory}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 16384; }}
http {{
    access_log {log};
    keepalive_requests {FOREVER};
    keepalive_timeout 600s;
{temporary}{"".join(servers)}
}}
"""


def argv(config: Path) -> list[str]:
    """The command that runs nginx in the foreground with `config`."""
    return ["nginx", "-e", "stderr", "-p", str(config.parent), "-c", str(config)]
