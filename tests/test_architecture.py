"""Imports point one way, stages do not know each other, and the public names are those promised.

The rules are those of `docs/architecture.md`, read from the sources, so a module that breaks one fails here
before anything runs.
"""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import fastgate.core

ROOT = Path(__file__).parents[1]
RUST = ROOT / "rust"
PACKAGE = ROOT / "python" / "fastgate"

PUBLIC_NAMES = {"Gateway", "Response", "__version__"}
CORE_NAMES = {
    "IGNORED_FIELDS",
    "Denied",
    "Limiter",
    "Price",
    "Reservation",
    "SseEvent",
    "SseReader",
    "cache_key",
    "count_chat_tokens",
    "count_tokens",
    "price",
}

# What each crate must never depend on, test code included. `_` and `-` are the same to cargo.
FORBIDDEN_CRATES = {
    "core": {
        "fastgate-engine",
        "fastgate-py",
        "pyo3",
        "tokio",
        "hyper",
        "hyper-util",
        "rustls",
        "socket2",
        "rand",
    },
    "engine": {"fastgate-py", "pyo3"},
    "py": set[str](),
}
# Stages of an exchange: modules of the engine that only `exchange`, `attempt` and `flight` bring together.
STAGES = {"guard", "relay", "upstream", "limits", "cache", "privacy", "resilience", "billing"}
# What formats of one vendor have in common, and tools of all: the only modules there that others may import.
SHARED_BY_DIALECTS = {"openai", "openai_usage", "openai_token_usage", "splice"}
ORDER_KNOWN_BY = {"exchange", "attempt", "flight"}

# Python's layers, lowest first. A module imports its own layer or a lower one; the rest are concerns.
LAYERS = [
    {"_core"},
    {"errors"},
    {"catalogue"},
    {"config"},
    {"concern modules"},
    {"asgi", "rsgi", "admin"},
    {"cli", "__main__"},
]
CONCERNS = 4


def dependencies(crate: str) -> set[str]:
    manifest = tomllib.loads((RUST / crate / "Cargo.toml").read_text())
    tables = [manifest, *manifest.get("target", {}).values()]
    kinds = ("dependencies", "dev-dependencies", "build-dependencies")
    return {name for table in tables for kind in kinds for name in table.get(kind, {})}


def rust_files(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(folder.rglob("*.rs")):
        text = re.sub(r"//.*", "", path.read_text())
        yield path.relative_to(folder), text


def siblings_of_rust(text: str) -> set[str]:
    """First segments after `crate::`, in `use` lists too."""
    found = set(re.findall(r"\bcrate::(\w+)", text))
    for group in re.findall(r"\buse crate::\{(.*?)\};", text, re.DOTALL):
        flat = re.sub(r"\{[^{}]*\}", "", group)
        found |= {entry.strip().split("::")[0] for entry in flat.split(",") if entry.strip()}
    return found


def module_of(path: Path) -> str:
    return path.parts[0].removesuffix(".rs").removesuffix("_tests")


@pytest.mark.parametrize("crate", sorted(FORBIDDEN_CRATES))
def test_crates_depend_downwards(crate: str) -> None:
    wrong = dependencies(crate) & FORBIDDEN_CRATES[crate]
    assert not wrong, f"rust/{crate}/Cargo.toml must not depend on {sorted(wrong)}"


@pytest.mark.parametrize("crate", sorted(FORBIDDEN_CRATES))
def test_rust_paths_name_no_forbidden_crate(crate: str) -> None:
    names = [name.replace("-", "_") for name in FORBIDDEN_CRATES[crate]]
    for path, text in rust_files(RUST / crate):
        for name in names:
            assert not re.search(rf"\b{name}::", text), f"rust/{crate}/{path} names {name}"


def test_stages_do_not_import_each_other() -> None:
    for path, text in rust_files(RUST / "engine" / "src"):
        module = module_of(path)
        if module in STAGES:
            others = (siblings_of_rust(text) & STAGES) - {module}
            assert not others, (
                f"engine/{path}: a stage imports {sorted(others)}; what both need belongs below them"
            )
            assert "exchange" not in siblings_of_rust(text), (
                f"engine/{path}: a stage knows the order of stages"
            )


def test_the_order_of_stages_is_known_in_one_place() -> None:
    for path, text in rust_files(RUST / "engine" / "src"):
        module = module_of(path)
        if module == "doors":
            # Who the client is, is a door's to say; what that means is not.
            calls = text.replace("crate::guard::Peer", "")
            stages = siblings_of_rust(calls) & (STAGES - {"relay"})
            assert not stages, f"engine/{path}: a door moves bytes and must not call {sorted(stages)}"
        elif module not in STAGES | ORDER_KNOWN_BY | {"lib", "worker", "gateway", "snapshot", "record"}:
            stages = siblings_of_rust(text) & STAGES
            assert len(stages) <= 1, (
                f"engine/{path}: brings {sorted(stages)} together; that is exchange.rs's work"
            )


def test_the_mock_provider_shares_nothing_with_what_it_tests() -> None:
    for path, text in rust_files(RUST / "engine" / "src"):
        siblings = siblings_of_rust(text)
        if module_of(path) == "mock":
            assert siblings <= {"mock"}, (
                f"engine/{path}: imports {sorted(siblings - {'mock'})} from the data path"
            )
            assert "fastgate_core::dialects" not in text, (
                f"engine/{path}: uses the gateway's own readers or writers"
            )
        elif module_of(path) != "lib":
            assert "mock" not in siblings, f"engine/{path}: the data path knows the mock provider"


def test_dialects_do_not_import_each_other() -> None:
    folder = RUST / "core" / "src" / "dialects"
    names = {path.stem for path in folder.glob("*.rs")} - {"mod"} - SHARED_BY_DIALECTS
    for path, text in rust_files(folder):
        if path.stem != "mod":
            used = set(re.findall(r"\b(?:dialects|super)::(\w+)", text)) & (names - {path.stem})
            assert not used, (
                f"dialects/{path}: imports {sorted(used)}; conversion goes through the neutral form"
            )


def python_imports(path: Path) -> set[str]:
    """Top-level modules of `fastgate` that a file imports, at any depth of its code."""
    package = ["fastgate", *path.relative_to(PACKAGE).parts[:-1]]
    found = set[str]()
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            found |= {f"{origin}.{name.name}" if origin == "fastgate" else origin for name in node.names}
    return {name.split(".")[1] for name in found if name.startswith("fastgate.")}


def layer(module: str) -> int:
    return next((rank for rank, names in enumerate(LAYERS) if module in names), CONCERNS)


def test_python_imports_point_one_way() -> None:
    for path in sorted(PACKAGE.rglob("*.py")):
        module = module_of_python(path)
        if module == "__init__":
            continue
        for imported in python_imports(path) - {module, "__version__"}:
            assert layer(imported) <= layer(module), (
                f"{path.relative_to(PACKAGE)} imports fastgate.{imported}, which is above it"
            )


def module_of_python(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_public_names() -> None:
    modules = {module_of_python(path) for path in PACKAGE.rglob("*.py*")}
    exported = {name for name in vars(fastgate) if not name.startswith("_")} - modules
    assert set(fastgate.__all__) == PUBLIC_NAMES
    assert exported <= PUBLIC_NAMES, "a name without underscore is a promise"
    assert all(hasattr(fastgate, name) for name in PUBLIC_NAMES)
    assert set(fastgate.core.__all__) == CORE_NAMES
    assert {name for name in vars(fastgate.core) if not name.startswith("_")} == CORE_NAMES
