"""Install the peers under `bench/.peers`: `python -m bench.peers`. Each in a place of its own, nothing
global.
"""

import argparse
import json
import subprocess
import sys
from importlib import metadata

from bench.targets import PEERS, PORTKEY

# With later ones the gateway answers every stream with 500, "TypeError: immutable".
HONO_NODE_SERVER = "1.13.8"


def install_litellm(version: str) -> None:
    """LiteLLM's proxy from PyPI into its own virtual environment."""
    place = PEERS / "litellm"
    if not (place / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    wanted = f"litellm[proxy]=={version}" if version else "litellm[proxy]"
    subprocess.run([str(place / "bin" / "python"), "-m", "pip", "install", "-q", wanted], check=True)


def install_portkey(version: str) -> None:
    """Portkey's gateway from npm into its own prefix."""
    place = PEERS / "portkey"
    place.mkdir(parents=True, exist_ok=True)
    package = {
        "private": True,
        "dependencies": {"@portkey-ai/gateway": version or "latest"},
        "overrides": {"@hono/node-server": HONO_NODE_SERVER},
    }
    (place / "package.json").write_text(json.dumps(package))
    subprocess.run(["npm", "install", "--prefix", str(place), "--no-audit", "--no-fund"], check=True)


def versions() -> dict[str, str]:
    """The installed peers' versions."""
    found = {}
    for path in (PEERS / "litellm" / "lib").glob("python*/site-packages"):
        for distribution in metadata.distributions(name="litellm", path=[str(path)]):
            found["litellm"] = distribution.version
    package = PORTKEY.parent.parent / "package.json"
    if package.exists():
        found["portkey"] = str(json.loads(package.read_text())["version"])
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m bench.peers", description="install the peers of the benchmark"
    )
    parser.add_argument("--litellm", default="", metavar="VERSION", help="default: the newest")
    parser.add_argument("--portkey", default="", metavar="VERSION", help="default: the newest")
    options = parser.parse_args()
    install_litellm(options.litellm)
    install_portkey(options.portkey)
    print(json.dumps(versions()))
