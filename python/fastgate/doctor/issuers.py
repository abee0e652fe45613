"""Token issuers: whether their keys can be had and used."""

from fastgate import _core
from fastgate.config import Config, compile_tables
from fastgate.doctor.findings import Finding, fail, ok
from fastgate.jwks.source import KeysUnavailable, Source, read_keys

CHECK = "issuer"


def check_issuer(source: Source, config: Config) -> list[Finding]:
    """What there is to say about the keys of one issuer."""
    # An engine that serves nobody: it alone knows which keys it can use.
    engine = _core.Engine(compile_tables(config, mock_address="127.0.0.1:9" if config.mock else None))
    try:
        usable = engine.set_jwks(source.issuer, read_keys(source))
    except KeysUnavailable as error:
        advice = "every token of this issuer is refused: look at jwks (or issuer), ca_file, and the way there"
        return [fail(CHECK, source.issuer, str(error), advice)]
    except ValueError as error:
        advice = "every token of this issuer is refused: does jwks name its JWKS document?"
        return [fail(CHECK, source.issuer, str(error), advice)]
    return [ok(CHECK, source.issuer, f"{usable} keys can be used")]
