"""An issuer of tokens that shares no code with the gateway: PyJWT over `cryptography`."""

import base64
import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

AUDIENCE = "gateway"
ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
_RSA = [rsa.generate_private_key(65537, 2048) for _ in range(2)]


class Issuer:
    """Signs tokens with keys named `<algorithm>-<generation>`; `rotate` replaces them all."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.generation = 0
        self.rotate()

    def rotate(self) -> None:
        self.generation += 1
        shared = _RSA[self.generation % 2]
        self.keys: dict[str, Any] = {
            "RS256": shared,
            "PS256": shared,
            "ES256": ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate(),
        }

    def kid(self, algorithm: str) -> str:
        return f"{algorithm}-{self.generation}"

    def jwks(self, *algorithms: str) -> dict[str, Any]:
        keys = []
        for algorithm in algorithms or ALGORITHMS:
            public = self.keys[algorithm].public_key()
            described = jwt.get_algorithm_by_name(algorithm).to_jwk(public, as_dict=True)
            keys.append({**described, "kid": self.kid(algorithm), "alg": algorithm, "use": "sig"})
        return {"keys": keys}

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Good claims with some replaced, or left out where None."""
        now = int(time.time())
        claims = {
            "iss": self.name,
            "aud": AUDIENCE,
            "sub": "user-1",
            "org": "acme",
            "iat": now,
            "exp": now + 300,
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, algorithm: str = "ES256", header: dict[str, Any] | None = None, **changes: Any) -> str:
        headers = {"kid": self.kid(algorithm)} if header is None else header
        return jwt.encode(self.claims(**changes), self.keys[algorithm], algorithm, headers=headers)

    def unsigned(self, algorithm: str = "none", **changes: Any) -> str:
        return f"{part({'alg': algorithm, 'kid': self.kid('RS256')})}.{part(self.claims(**changes))}."

    def signed_with_public_key_as_secret(self) -> str:
        """The confusion of HS256 with RS256: the public key, which everybody has, as HMAC secret."""
        import hashlib
        import hmac

        pem = (
            self.keys["RS256"]
            .public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
        signed = f"{part({'alg': 'HS256', 'kid': self.kid('RS256')})}.{part(self.claims())}"
        return f"{signed}.{encoded(hmac.digest(pem, signed.encode(), hashlib.sha256))}"


def part(value: dict[str, Any]) -> str:
    return encoded(json.dumps(value).encode())


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def with_claims(token: str, claims: dict[str, Any]) -> str:
    """The token with other claims under its old signature."""
    header, _, signature = token.split(".")
    return f"{header}.{part(claims)}.{signature}"
