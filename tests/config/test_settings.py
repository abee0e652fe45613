"""From text to checked settings: what is accepted, and how everything wrong is told."""

from pathlib import Path

import pytest

from fastgate import _core
from fastgate.config import Config, compile_tables, load, load_text, locate
from fastgate.errors import ConfigError, ConfigErrors

SECRET = "sk-very-secret"
ENVIRONMENT = {"OPENAI_API_KEY": SECRET, "GROQ_API_KEY": "g"}
DIGEST = "sha256:" + "0a" * 32

# The vocabulary of the design that this version enforces.
FULL = f"""
[server]
listen = "0.0.0.0:8080"
admin = "127.0.0.1:8081"
state_dir = "state"
threads = "${{THREADS:-4}}"
shutdown_grace = "10s"
allowed_hosts = ["Gateway.example.com"]
allowed_origins = ["https://app.example.com"]
[server.tls]
certificate = "chain.pem"
key = "${{FOLDER}}/key.pem"
[server.bounds]
request_body = "20MB"
stream_event = 1_000_000
idle_connections = 8
idle_timeout = "90s"
[spool]
segment_size = "16MB"
segment_age = "10m"
compress = false
free_space_floor = "2GB"
total_size = "20GB"

[providers.openai]
dialect = "openai"
base_url = "https://api.openai.com/v1/"
api_key = "${{OPENAI_API_KEY}}"
[providers.azure]
base_url = "https://azure.example.com/v1"
api_key = [{{ key = "a" }}, {{ key = "b", weight = 3 }}]
proxy = "http://proxy.example.com:3128"
ca_file = "ca.pem"
headers = {{ X-Team = "blue" }}

[deployments.gpt-4o-us]
provider = "openai"
model = "gpt-4o"
region = "us"
cost_class = "premium"
latency = "background"
capabilities = ["tools", "json_schema", "image_input"]
context_tokens = 128_000
output_tokens = 16_384
retries = 1
timeout = "30s"
[deployments.gpt-4o-eu]
provider = "azure"
model = "gpt-4o"
region = "eu"
timeout = {{ connect = "1s", first_content = "15m" }}

[groups.fast]
members = {{ "gpt-4o-us" = 3, "gpt-4o-eu" = 1 }}
pick = "sticky"
by = "user"
[groups.standard.where]
provider = ["openai", "azure"]
model = "gpt-4o"
region = "us"
cost_class = "premium"
latency = "background"
capability = "tools"

[models.chat]
budget = "12s"
aliases = ["gpt-4"]
[[models.chat.rows]]
use = ["fast", "standard", "gpt-4o-eu"]
[models.chat.rows.when]
tenant = "acme"
tier = ["paid"]
user = "u1"
feature = ["search", "chat bot"]
region = "eu"
latency = ["interactive", "background"]
cost_class = "premium"
capability = "tools"
model = "gpt-4"
context_over = 100_000
hour = ["22-6", "12-13"]
load = "80%"
[[models.chat.rows]]
use = ["fast"]
[models.eu]
use = ["gpt-4o-eu"]

[tiers.paid]
weight = 10
[tenants.acme]
tier = "paid"
region = "eu"
[[keys]]
digest = "{DIGEST}"
tenant = "acme"
name = "acme's app"
user = "u1"
feature = "search"
models = ["chat", "openai/gpt-4o"]
deployments = ["gpt-4o-us"]
expires = 2027-01-31T00:00:00Z

[prices.gpt-4o-us]
input = 2.0
cache_read = "${{CACHED:-1.25}}"
output = 8
[billing]
unknown_price = "block"

[resilience]
backoff = "100ms"
backoff_max = "1s"
wait_max = "3s"
retry_share = "5%"
retries_per_second = 2
credential_pause = "1m"
adaptive_concurrency = false
probe = "10s"
breaker = {{ failures = 3, success_share = 0.4, minimum_calls = 10, open = "1s", open_max = "30s" }}
idempotency = {{ keep = "5m", size = "32MB" }}
[drills.quarterly]
provider = "openai"
percent = 12.5
tenant = ["acme"]
feature = "search"
from = 2027-01-31T09:00:00Z
for = "1d"
error_share = "2.5%"
minimum_exchanges = 50
[[admin.tokens]]
digest = "sha256:{"0b" * 32}"
role = "operator"
name = "on call"
"""


@pytest.fixture
def full(tmp_path: Path) -> Config:
    """The full vocabulary, with the files it names."""
    for name in ("chain.pem", "key.pem", "ca.pem"):
        (tmp_path / name).touch()
    environment = {**ENVIRONMENT, "FOLDER": str(tmp_path)}
    return load_text(FULL, environment, file=str(tmp_path / "fastgate.toml"))


def errors_of(text: str, *, yaml: bool = False, environment: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_text(text, ENVIRONMENT if environment is None else environment, file="f.toml", yaml=yaml)
    assert SECRET not in str(caught.value) + repr(caught.value)
    return str(caught.value).splitlines()


def test_the_full_vocabulary_compiles_to_tables_the_engine_takes(full: Config, tmp_path: Path) -> None:
    assert full.settings.server.threads == 4
    assert full.resolve("chain.pem") == str(tmp_path / "chain.pem")
    assert full.resolve("/etc/key.pem") == "/etc/key.pem"
    _core.check_tables(compile_tables(full))


def test_files_that_cant_be_read_are_told() -> None:
    found = errors_of(FULL, environment={**ENVIRONMENT, "FOLDER": "/missing"})
    assert [error.partition(" (")[0] for error in found] == [
        "f.toml:11: server.tls.certificate: can't be read",
        "f.toml:12: server.tls.key: can't be read",
        "f.toml:33: providers.azure.ca_file: can't be read",
    ]


def test_no_secret_in_any_repr(full: Config) -> None:
    for shown in (repr(full), str(full), f"{full.settings.providers['openai']}"):
        assert SECRET not in shown
        assert "blue" not in shown
        assert "***" in shown


@pytest.mark.parametrize(
    ("setting", "line", "said"),
    [
        (
            '[providers.q]\nbase_url = "http://x"\ndialect = "bedrock"',
            8,
            '"bedrock" is not available in this version',
        ),
        ("[cache]", 6, "cache: this version does not enforce caching yet"),
        ("[privacy]", 6, "privacy: this version does not enforce redaction of personal data yet"),
        ("[hooks]", 6, "hooks: this version does not enforce hooks yet"),
    ],
)
def test_what_later_versions_enforce_is_refused(setting: str, line: int, said: str) -> None:
    text = '[providers.p]\nbase_url = "http://x"\n[deployments.d]\nprovider = "p"\nmodel = "m-1"\n' + setting
    found = [error for error in errors_of(text) if said in error]
    assert found, errors_of(text)
    assert found[0].startswith(f"f.toml:{line}: ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[server]\nlistn = "x"', 'f.toml:2: server.listn: unknown setting (did you mean "listen"?)'),
        ("[sever]\na = 1", 'f.toml:1: sever: unknown setting (did you mean "server"?)'),
        ("server = 5", "f.toml:1: server: must be a table"),
        ("keys = 5", "f.toml:1: keys: must be a list"),
        ("providers = 5", "f.toml:1: providers: must be a table"),
        ("[server]\nthreads = 0", "f.toml:2: server.threads: must be a whole number from 1 to 1024"),
        ('[server]\nthreads = "x"', "server.threads: must be a whole number"),
        ("[server]\nlisten = 5", "server.listen: must be text"),
        ('[server]\nlisten = "8080"', "server.listen: must be host:port"),
        ('[server]\nlisten = "127.0.0.1:99999"', "server.listen: must be host:port"),
        ('[server]\nlisten = "0.0.0.0:8080"', "server.listen: listening beyond loopback needs [[keys]]"),
        ('[server]\nlisten = "[::]:8080"', "server.listen: listening beyond loopback needs [[keys]]"),
        ('[server]\nlisten = "127.0.0.1.example.com:80"', "listening beyond loopback needs [[keys]]"),
        (
            '[server]\nadmin = "0.0.0.0:8081"',
            "server.admin: listening beyond loopback needs [[admin.tokens]]",
        ),
        ('[server]\nadmin = "127.0.0.1:8080"', "server.admin: must differ from server.listen"),
        ("[server]\nshutdown_grace = 30", "server.shutdown_grace: must be a duration with its unit"),
        ('[server]\nallowed_hosts = ["a:80"]', "server.allowed_hosts[0]: must be a host name"),
        ('[server]\nallowed_origins = ["*"]', "server.allowed_origins[0]: * without [[keys]]"),
        ('[server]\nallowed_origins = ["https://a/b"]', "server.allowed_origins[0]: must be scheme://host"),
        ('[server.tls]\nkey = "k"', "server.tls.certificate: is required"),
        ("[providers.x]", "providers.x.base_url: is required"),
        (
            "[providers.xai]",
            "f.toml:1: providers.xai: needs an api_key (or set the environment variable XAI_API_KEY)",
        ),
        ("[providers.groq]\napi_key = 5", "providers.groq.api_key: must be text"),
        ('[providers.groq]\napi_key = ""', "providers.groq.api_key: must not be empty"),
        (
            '[providers.x]\nbase_url = "ftp://x"',
            "providers.x.base_url: must be a plain http:// or https:// URL",
        ),
        ('[providers.x]\nbase_url = "https://u:p@x"', "providers.x.base_url: must be a plain"),
        ('[providers.x]\nbase_url = "https://x/v1?a=b"', "providers.x.base_url: must be a plain"),
        ('[providers.x]\nbase_url = "http://localhost:8080/v1"', "base_url: points at this gateway itself"),
        ('[providers.groq]\nproxy = "https://x:1"', "providers.groq.proxy: must be http://host:port"),
        (
            '[providers.groq]\nheaders = { Authorization = "x" }',
            "is written by the gateway itself (use api_key)",
        ),
        ('[providers.groq]\nheaders = { "a b" = "x" }', "is not a header name"),
        ('[providers.groq]\nheaders = { a = "x\\r\\ny" }', "providers.groq.headers.a: must be printable"),
        ('[providers.groq]\nheaders = { a = "x", A = "y" }', "the same header twice"),
        ('[providers."a/b"]\nbase_url = "https://x"', 'providers."a/b": a provider\'s id must not contain /'),
        ('[deployments.d]\nprovider = "opnai"\nmodel = "m"', 'no such provider (did you mean "openai"?)'),
        ('[deployments.d]\nprovider = "openai"\nmodel = ""', "deployments.d.model: must be text of 1 to 256"),
        (
            '[deployments.d]\nprovider = "openai"\nmodel = "m"\ntimeout = { total = "1s" }',
            "total must not be shorter than first_content",
        ),
        ("[groups.g]\nmembers = {}", "groups.g.members: must not be empty"),
        ("[groups.g]\nmembers = { d = 1 }", "groups.g.members.d: no such deployment"),
        ('[models.m]\nuse = ["x"]', "models.m.use[0]: no such deployment or group"),
        ("[models.m]\nuse = []", "models.m.use: must not be empty"),
        (
            '[deployments.d]\nprovider = "openai"\nmodel = "m"\nlatency = "slow"',
            'f.toml:4: deployments.d.latency: must be "interactive" or "background" or "batch"',
        ),
        (
            '[deployments.d]\nprovider = "openai"\nmodel = "m"\ncapabilities = ["tools", "vision"]',
            'f.toml:4: deployments.d.capabilities[1]: must be "tools" or "json_schema"',
        ),
        (
            '[deployments.d]\nprovider = "openai"\nmodel = "m"\ncapabilities = "tools"',
            "f.toml:4: deployments.d.capabilities: must be a list",
        ),
        (
            '[deployments.d]\nprovider = "openai"\nmodel = "m"\nretries = 6',
            "f.toml:4: deployments.d.retries: must be a whole number from 0 to 5",
        ),
        (
            '[deployments.d]\nprovider = "openai"\nmodel = "m"\ncontext_tokens = 0',
            "f.toml:4: deployments.d.context_tokens: must be a whole number from 1 to",
        ),
        (
            '[deployments.d]\nprovider = "openai"\nmodel = "m"\ncontext_tokens = 10\noutput_tokens = 11',
            "f.toml:5: deployments.d.output_tokens: must not be larger than context_tokens",
        ),
        ("[models.m]", "models.m: needs either use or rows"),
        ('[models.m]\nuse = ["x"]\nrows = [{ use = ["x"] }]', "models.m: has both use and rows"),
        ('[tenants.t]\ntier = "paid"', "tenants.t.tier: no such tier"),
        ('[[keys]]\ndigest = "abc"', 'keys[0].digest: must be "sha256:" and 64 hex digits'),
        (f'[[keys]]\ndigest = "{DIGEST}"\ntenant = "acme"', "keys[0].tenant: no such tenant"),
        (
            f'[[keys]]\ndigest = "{DIGEST}"\n[[keys]]\ndigest = "{DIGEST}"',
            "keys[1].digest: the same digest as keys[0]",
        ),
        (
            '[providers.groq]\n[deployments.fast]\nprovider = "groq"\nmodel = "m"\n'
            f'[[keys]]\ndigest = "{DIGEST}"\ndeployments = ["fats"]',
            'f.toml:7: keys[0].deployments[0]: no such deployment (did you mean "fast"?)',
        ),
        (
            '[providers.groq]\n[deployments.fast]\nprovider = "groq"\nmodel = "m"\n'
            f'[[keys]]\ndigest = "{DIGEST}"\ndeployments = ["groq"]',
            "f.toml:7: keys[0].deployments[0]: no such deployment",
        ),
        (
            f'[[keys]]\ndigest = "{DIGEST}"\ndeployments = []',
            "f.toml:3: keys[0].deployments: must not be empty",
        ),
        (f'[[keys]]\ndigest = "{DIGEST}"\nuser = "a b"', "keys[0].user: must be 1 to 128 visible ASCII"),
        ("[prices.x]\ninput = 1", "f.toml:1: prices.x.output: is required"),
        ("[prices.x]\noutput = 1\ninput = -1", "f.toml:3: prices.x.input: must be USD per million tokens"),
        (
            "[prices.x]\noutput = 1\ninput = 0.0000001",
            "f.toml:3: prices.x.input: must have at most 6 decimals",
        ),
        ("[prices.x]\noutput = 1\ninput = 1\nimage = 1", "f.toml:4: prices.x.image: unknown setting"),
        (
            '[deployments.d]\nprovider = "openai"\nmodel = "gpt-4o"\n[providers.openai]\n'
            "[prices.gpt-4]\ninput = 1\noutput = 1",
            'f.toml:5: prices.gpt-4: no such deployment or model (did you mean "gpt-4o"?)',
        ),
        ('[billing]\nunknown_price = "ask"', 'billing.unknown_price: must be "allow" or "block"'),
        (f'[[keys]]\ndigest = "{DIGEST}"\nexpires = "soon"', "keys[0].expires: must be a date"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, said: str) -> None:
    found = errors_of(text)
    assert any(said in error for error in found), found


def test_everything_wrong_is_told_at_once_in_order_of_lines() -> None:
    found = errors_of('[server]\nthreads = 0\nlistn = 1\n[deployments.d]\nmodel = 5\ntimeout = "5"\n')
    assert [error.split(":")[1] for error in found] == ["2", "3", "4", "5", "6"]


def test_values_that_may_be_secret_are_never_quoted() -> None:
    for setting in ("dialect", "base_url", "proxy", "api_key"):
        value = "${OPENAI_API_KEY}\\n" if setting == "api_key" else "${OPENAI_API_KEY}"
        errors_of(
            '[providers.p]\nbase_url = "http://x"\n'.replace(
                "base_url", "base_url" if setting != "base_url" else "x"
            )
            + f'{setting} = "{value}"'
        )
    for text in ('[server]\nlisten = "${OPENAI_API_KEY}"', '[server]\nthreads = "${OPENAI_API_KEY}"'):
        errors_of(text)


def test_yaml_has_the_same_errors() -> None:
    assert errors_of("server:\n  listn: x\n", yaml=True) == [
        'f.toml:2: server.listn: unknown setting (did you mean "listen"?)'
    ]


def test_errors_are_one_exception_of_many() -> None:
    with pytest.raises(ConfigErrors) as caught:
        load_text("a = 1\nb = 2\n", {}, file="f.toml")
    assert [(error.line, error.path) for error in caught.value.errors] == [(1, "a"), (2, "b")]
    assert caught.value.code == "invalid_configuration"


def test_without_a_file_providers_come_from_the_environment() -> None:
    config = load(None, {"OPENAI_API_KEY": SECRET, "GROQ_API_KEY": "g", "OPENAI_BASE_URL": "http://x/v1"})
    assert list(config.settings.providers) == ["openai", "groq"]
    assert config.settings.providers["openai"].base_url == "http://x/v1"
    assert config.settings.providers["groq"].base_url == "https://api.groq.com/openai/v1"
    assert not config.mock


def test_without_anything_there_is_the_mock_on_loopback() -> None:
    config = load(None, {})
    assert config.mock
    tables = compile_tables(config, mock_address="127.0.0.1:4321").decode()
    _core.check_tables(tables.encode())
    assert '"base_url":"http://127.0.0.1:4321/v1"' in tables
    assert [(item.provider, item.any) for item in config.open_providers] == [("mock", True)]
    with pytest.raises(ConfigError, match="the built-in mock provider serves loopback only"):
        load_text(f'[server]\nlisten = "0.0.0.0:80"\n[[keys]]\ndigest = "{DIGEST}"', {})


def test_a_vendors_key_only_goes_to_that_vendor() -> None:
    config = load_text('[providers.openai]\nbase_url = "https://elsewhere.example.com/v1"', ENVIRONMENT)
    assert config.settings.providers["openai"].api_key == []
    config = load_text("[providers.openai]", ENVIRONMENT)
    assert config.settings.providers["openai"].base_url == "https://api.openai.com/v1"
    assert [item.key.reveal() for item in config.settings.providers["openai"].api_key] == [SECRET]


def test_listen_can_be_replaced(tmp_path: Path) -> None:
    file = tmp_path / "fastgate.toml"
    file.write_text('[server]\nlisten = "127.0.0.1:1"')
    config: Config = load(file, ENVIRONMENT, listen="127.0.0.1:2")
    assert config.settings.server.listen == "127.0.0.1:2"
    with pytest.raises(ConfigError, match="beyond loopback"):
        load(file, ENVIRONMENT, listen="0.0.0.0:2")


def test_the_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert locate(None, {}) is None
    Path("fastgate.yaml").touch()
    assert locate(None, {}) == Path("fastgate.yaml")
    Path("fastgate.toml").touch()
    assert locate(None, {}) == Path("fastgate.toml")
    assert locate(None, {"FASTGATE_CONFIG": "a.toml"}) == Path("a.toml")
    assert locate("b.toml", {"FASTGATE_CONFIG": "a.toml"}) == Path("b.toml")
