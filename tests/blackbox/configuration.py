"""The configurations that the suite runs with, as text, and the secrets in them.

A `Gateway` checks at its end that no secret is in its log; tests check headers and bodies.
"""

import hashlib

PROVIDER_KEY = "sk-provider-7f3a9c2e5b8d1f60aa44cc"
KEY = "fg_test_master_0123456789abcdefghijklmnop"
CHAT_ONLY_KEY = "any-string-may-be-a-key-but-only-for-chat"
EXPIRED_KEY = "fg_test_expired_0123456789abcdefghijklmno"
EUROPE_KEY = "fg_test_europe_0123456789abcdefghijklmnop"
OTHER_KEY = "fg_test_other_0123456789abcdefghijklmnopq"
UNKNOWN_KEY = "fg_test_unknown_0123456789abcdefghijklmno"
# What keys of tenants with limits begin with.
LIMITED_KEY = "fg_test_limited_0123456789abcdefghijklmn_"
SECRETS = (PROVIDER_KEY, KEY, CHAT_ONLY_KEY, EXPIRED_KEY, EUROPE_KEY, OTHER_KEY, UNKNOWN_KEY, LIMITED_KEY)


# Tests of one answer want one attempt, and health that earlier tests do not touch.
ONE_ATTEMPT = """
[resilience]
retries = 0
adaptive_concurrency = false
breaker = { failures = 1000, success_share = 0 }
"""


def key_table(key: str, tenant: str = "acme", more: str = "") -> str:
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f'\n[[keys]]\ndigest = "sha256:{digest}"\ntenant = "{tenant}"\n{more}'


def server(listen: str, admin: str, state_dir: str, more: str = "") -> str:
    return f'[server]\nlisten = "{listen}"\nadmin = "{admin}"\nstate_dir = "{state_dir}"\n{more}'


def provider(base_url: str) -> str:
    return (
        f'\n[providers.upstream]\ndialect = "openai"\nbase_url = "{base_url}"\napi_key = "{PROVIDER_KEY}"\n'
    )


def keyless(base_url: str) -> str:
    """One provider that serves every name; no key is asked for."""
    return provider(base_url)


def open_provider(base_url: str) -> str:
    """One provider that serves every name, one key."""
    return provider(base_url) + "\n[tenants.acme]\n" + key_table(KEY)


def two_tenants(base_url: str) -> str:
    """One account, named as two providers, with a deployment at each; two tenants."""
    return (
        provider(base_url)
        + provider(base_url).replace("upstream", "second")
        + """
[deployments.alpha]
provider = "upstream"
model = "upstream-alpha"

[deployments.beta]
provider = "second"
model = "upstream-beta"

[groups.both]
members = { alpha = 1, beta = 1 }

[models.chat]
use = ["both"]

[tenants.acme]
[tenants.other]
"""
        + key_table(KEY)
        + key_table(OTHER_KEY, tenant="other")
        + key_table(CHAT_ONLY_KEY, more='models = ["chat"]\n')
    )


def named(base_url: str) -> str:
    """Two deployments, a group, two model names, a tenant bound to a region, four keys."""
    return (
        provider(base_url)
        + """
[deployments.alpha]
provider = "upstream"
model = "upstream-alpha"
region = "us"

[deployments.beta]
provider = "upstream"
model = "upstream-beta"
region = "eu"

[groups.both]
members = { alpha = 3, beta = 1 }

[models.chat]
[[models.chat.rows]]
use = ["both"]

[models.fast]
use = ["alpha"]

[tenants.acme]
[tenants.europe]
region = "eu"
"""
        + key_table(KEY)
        + key_table(CHAT_ONLY_KEY, more='models = ["chat"]\n')
        + key_table(EXPIRED_KEY, more='expires = "2020-01-01T00:00:00Z"\n')
        + key_table(EUROPE_KEY, tenant="europe")
    )
