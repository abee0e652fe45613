"""The requests: what each door may say to them.

`native` is exact. A server in front of the ASGI door has its own parser, which may refuse in another way, or
repair a request before the engine sees it (`repaired`): then 200 is right there.
"""

import gzip
import json
import zlib
from dataclasses import dataclass

from tests.hostile.raw import BODY, CHAT, CLOSED, chunk, chunked, head, post

SMUGGLED = b"POST /v1/smuggled HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n"
GZIPPED = gzip.compress(BODY)
BOMB = gzip.compress(b" " * 10_000_000)
END = b"0\r\n\r\n"
GET = b"GET /v1/models HTTP/1.1"
CLIENT_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(range(64))


@dataclass(frozen=True)
class Hostile:
    """One request."""

    name: str
    data: bytes
    native: tuple[int, ...] = (400,)
    repaired: bool = False
    hang_up: bool = False
    """The client sends no more and says so; without it, it waits for the answer."""
    closes: bool = False
    """RFC 9112, 6.1: read by its chunks, and nothing after them is a request."""


def text(body: str) -> bytes:
    return post(body.encode("utf-8", "surrogatepass"))


def field(line: bytes) -> bytes:
    return post(BODY, line)


def with_length(*values: bytes) -> bytes:
    return head(*(b"content-length: " + value for value in values)) + BODY


def target(path: bytes, method: bytes = b"GET", version: bytes = b"HTTP/1.1") -> bytes:
    return head(start=method + b" " + path + b" " + version)


LENGTH = b"content-length: %d" % len(BODY)
CHUNKED = b"transfer-encoding: chunked"
WHOLE = chunk() + END

FRAMING = [
    Hostile("length-and-chunks", head(LENGTH, CHUNKED) + WHOLE + SMUGGLED, (200,), closes=True),
    Hostile("chunks-and-length", head(CHUNKED, LENGTH) + WHOLE + SMUGGLED, (200,), closes=True),
    Hostile("length-of-a-chunk", head(b"content-length: 4", CHUNKED) + WHOLE, (200,), closes=True),
    Hostile("two-codings", head(CHUNKED, b"transfer-encoding: identity") + WHOLE),
    Hostile("two-chunked", head(CHUNKED, CHUNKED) + WHOLE, repaired=True),
    Hostile("xchunked", head(b"transfer-encoding: xchunked") + WHOLE),
    Hostile("space-before-colon", head(b"transfer-encoding : chunked") + WHOLE),
    Hostile("vertical-tab-coding", head(b"transfer-encoding:\x0bchunked") + WHOLE),
    Hostile("folded-coding", head(b"x: y", b" transfer-encoding: chunked") + WHOLE),
    Hostile(
        "coding-on-bare-lf", head(b"x: y\ntransfer-encoding: chunked", LENGTH) + WHOLE, (200,), closes=True
    ),
    Hostile("gzip-then-chunked", head(b"transfer-encoding: gzip, chunked") + chunk(GZIPPED) + END),
    Hostile("chunked-then-gzip", head(b"transfer-encoding: chunked, gzip") + WHOLE),
    Hostile("quoted-chunked", head(b'transfer-encoding: "chunked"') + WHOLE),
    Hostile("chunked-http-1.0", head(CHUNKED, start=b"POST " + CHAT + b" HTTP/1.0") + WHOLE, repaired=True),
    Hostile("lengths-differ", with_length(b"%d" % len(BODY), b"5")),
    Hostile("lengths-list", with_length(b"%d, 5" % len(BODY))),
    Hostile("length-negative", with_length(b"-1")),
    Hostile("length-signed", with_length(b"+%d" % len(BODY)), repaired=True),
    Hostile("length-over-64-bits", with_length(b"18446744073709551616")),
    Hostile("length-over-30-digits", with_length(b"9" * 30)),
    Hostile("length-hex", with_length(b"0x41")),
    Hostile("length-empty", with_length(b"")),
    Hostile("length-with-tail", with_length(b"65x")),
    Hostile("length-huge", with_length(b"1000000000000"), (413,), hang_up=True),
    Hostile("chunk-negative", chunked(b"-1\r\n" + BODY + b"\r\n" + END)),
    Hostile("chunk-over-64-bits", chunked(b"10000000000000000f\r\n" + BODY)),
    Hostile("chunk-not-hex", chunked(b"zz\r\n" + BODY + b"\r\n" + END)),
    Hostile("chunk-empty-size", chunked(b"\r\n" + BODY + b"\r\n" + END)),
    Hostile("chunk-longer-than-said", chunked(b"5\r\n" + BODY + b"\r\n" + END)),
    Hostile("chunk-on-bare-lf", chunked(b"%x\n" % len(BODY) + BODY + b"\n0\n\n")),
    Hostile("chunk-extension-flood", chunked(b"1;" + b"a=b;" * 50_000 + b"\r\n{\r\n" + END)),
    Hostile("many-chunk-extensions", chunked(b"1;aaaa\r\n \r\n" * 5_000 + END)),
    Hostile("trailer-flood", chunked(chunk() + b"0\r\n" + b"x: y\r\n" * 50_000 + b"\r\n"), repaired=True),
    Hostile("trailer-smuggles-length", chunked(chunk() + b"0\r\ncontent-length: 5\r\n\r\n"), (200, 400)),
    Hostile("chunks-cut", chunked(chunk()[:-20]), (400, CLOSED), hang_up=True),
    Hostile("body-cut", head(LENGTH) + BODY[:-5], (400, CLOSED), hang_up=True),
    Hostile("garbage-after-body", post() + b"\x00\x01garbage\r\n\r\n", (200, 400)),
    Hostile("pipelined", post() + post(), (200,)),
    Hostile("pipelined-with-bad-second", post() + b"BAD\r\n\r\n", (200,)),
]

HEADS = [
    Hostile("bare-cr", field(b"x: a\rb"), repaired=True),
    Hostile("bare-lf-line", field(b"x: a\ny: b"), (200, 400)),
    Hostile("folded", field(b"x: a\r\n b")),
    Hostile("nul-in-value", field(b"x: a\x00b")),
    Hostile("control-in-value", field(b"x: a\x01b"), repaired=True),
    Hostile("delete-in-value", field(b"x: a\x7fb"), repaired=True),
    Hostile("high-bytes-in-value", field(b"x: \xff\xfe"), (200,)),
    Hostile("nul-in-name", field(b"x\x00y: a")),
    Hostile("space-in-name", field(b"x y: a")),
    Hostile("high-bytes-in-name", field(b"x\xff: a")),
    Hostile("empty-name", field(b": a")),
    Hostile("no-colon", field(b"nothing")),
    Hostile("nul-in-path", target(b"/v1/models\x00")),
    Hostile("control-in-path", target(b"/v1/\x01models")),
    Hostile("space-in-path", target(b"/v1/models /")),
    Hostile("raw-high-bytes-in-path", target(b"/v1/models/\xff\xfe"), (400, 404)),
    Hostile("encoded-high-bytes-in-path", target(b"/v1/models/%ff%fe"), (404,)),
    Hostile("path-up", target(b"/v1/../../etc/passwd"), (404,)),
    Hostile("encoded-nul", target(b"/v1/models/%00"), (404,)),
    Hostile("header-40-kb", field(b"x: " + b"a" * 40_000), (431,)),
    Hostile("header-1-mb", field(b"x: " + b"a" * 1_000_000), (431,)),
    Hostile("headers-33-kb", field(b"\r\n".join(b"x%d: " % n + b"a" * 1000 for n in range(33))), (431,)),
    Hostile("headers-101", field(b"\r\n".join(b"x%d: a" % n for n in range(97))), (431,)),
    Hostile("headers-same-101", field(b"\r\n".join([b"x: a"] * 97)), (431,)),
    Hostile("headers-10000", field(b"\r\n".join(b"x%d: a" % n for n in range(10_000))), (431,)),
    Hostile("target-9-kb", target(b"/v1/models?" + b"a" * 9_000), (414,)),
    Hostile("target-100-kb", target(b"/" + b"a" * 100_000), (414, 431)),
    Hostile("method-unknown", target(b"/v1/models", b"BREW"), (405,)),
    Hostile("method-lower", target(b"/v1/models", b"get"), (405,)),
    Hostile("method-10-kb", target(b"/v1/models", b"M" * 10_000), (405, 431)),
    Hostile("method-invalid", target(b"/v1/models", b"G\x00T")),
    Hostile("method-empty", target(b"/v1/models", b"")),
    Hostile("connect", target(b"example.com:443", b"CONNECT"), (400, 404, 405)),
    Hostile("trace", target(b"/v1/models", b"TRACE"), (405,)),
    Hostile("options-star", target(b"*", b"OPTIONS"), (400, 404)),
    Hostile("http-0.9", b"GET /v1/models\r\n\r\n"),
    Hostile("http-1.2", target(b"/v1/models", version=b"HTTP/1.2")),
    Hostile("http-2.0", target(b"/v1/models", version=b"HTTP/2.0"), repaired=True),
    Hostile("http-9.9", target(b"/v1/models", version=b"HTTP/9.9")),
    Hostile("http-lower", target(b"/v1/models", version=b"http/1.1")),
    Hostile("no-host", head(start=GET, host=None)),
    Hostile("two-hosts", head(b"host: localhost", start=GET)),
    Hostile("two-different-hosts", head(b"host: example.com", start=GET)),
    Hostile("host-empty", head(start=GET, host=b"")),
    Hostile("host-with-user", head(start=GET, host=b"user@localhost")),
    Hostile("host-with-path", head(start=GET, host=b"localhost/x")),
    Hostile("absolute-form-elsewhere", target(b"http://example.com/v1/models"), repaired=True),
    Hostile("absolute-form", target(b"http://localhost/v1/models"), (200,)),
    Hostile("absolute-form-other-scheme", target(b"gopher://localhost/v1/models"), (200, 400)),
    Hostile("websocket", head(b"upgrade: websocket", b"connection: upgrade", start=GET), (501,)),
    Hostile(
        "h2c-upgrade",
        head(
            b"upgrade: h2c",
            b"connection: upgrade, http2-settings",
            b"http2-settings: AAMAAABkAAQAAP__",
            start=GET,
        ),
        (200,),
    ),
    Hostile("preface-then-garbage", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100, (CLOSED, -1)),
    Hostile("tls-hello", CLIENT_HELLO, hang_up=True),
    Hostile("random-bytes", bytes(range(256)) * 4),
    Hostile("line-ends-only", b"\r\n" * 20_000, (CLOSED, 400, 431), hang_up=True),
    Hostile("nothing", b"", (CLOSED,), hang_up=True),
    Hostile("one-byte", b"G", (CLOSED, 400), hang_up=True),
    Hostile("half-a-line", b"POST /v1/cha", (CLOSED, 400), hang_up=True),
    Hostile("half-a-head", head()[:-2], (CLOSED, 400), hang_up=True),
    Hostile("head-only", head(LENGTH), (CLOSED, 400), hang_up=True),
    Hostile("expect", post(BODY, b"expect: 100-continue"), (200,)),
    Hostile(
        "expect-and-too-large",
        head(b"expect: 100-continue", b"content-length: 11000000"),
        (413,),
        hang_up=True,
    ),
    Hostile("expect-the-unknown", post(BODY, b"expect: tea"), (200, 417)),
]

DEEP = b'{"model":"m","messages":[],"x":'
BODIES = [
    Hostile("a-million-brackets", post(DEEP + b"[" * 1_000_000)),
    Hostile("a-million-objects", post(DEEP + b'{"a":' * 1_000_000)),
    Hostile("depth-128", post(DEEP + b"[" * 127 + b"]" * 127 + b"}"), (200,)),
    Hostile("depth-129", post(DEEP + b"[" * 128 + b"]" * 128 + b"}")),
    Hostile("model-twice", text('{"model":"a","model":"b","messages":[]}')),
    Hostile("model-twice-escaped", text('{"model":"a","\\u006dodel":"b","messages":[]}')),
    Hostile("content-twice", text('{"model":"m","messages":[{"content":"a","content":"b"}]}')),
    Hostile("deep-key-twice", text('{"model":"m","messages":[],"tools":[{"f":{"p":{"x":1,"\\u0078":2}}}]}')),
    Hostile(
        "many-keys-twice",
        post(DEEP + b"{" + b"".join(b'"k%d":1,' % (n % 5000) for n in range(9999)) + b'"z":1}}'),
    ),
    Hostile("lone-surrogate-model", text('{"model":"\\ud800","messages":[]}')),
    Hostile("raw-surrogate", text('{"model":"m\ud800","messages":[]}')),
    Hostile("lone-surrogate-content", text('{"model":"m","messages":[{"content":"\\ud800"}]}'), (200,)),
    Hostile("byte-order-mark", post(b"\xef\xbb\xbf" + BODY)),
    Hostile("utf-16", post(BODY.decode().encode("utf-16"))),
    Hostile("overlong-utf-8", post(BODY.replace(b"Hello", b"\xc0\xae"))),
    Hostile("nul-in-text", text('{"model":"m\x00","messages":[]}')),
    Hostile("number-1e999999", text('{"model":"m","messages":[],"temperature":1e999999}'), (200,)),
    Hostile("number-a-million-digits", post(DEEP + b"9" * 1_000_000 + b"}"), (200,)),
    Hostile("number-leading-zero", text('{"model":"m","messages":[],"n":01}')),
    Hostile("choices-negative", text('{"model":"m","messages":[],"n":-1}'), (200, 400)),
    Hostile("infinity", text('{"model":"m","messages":[],"x":Infinity}')),
    Hostile("comment", text('{"model":"m",/**/"messages":[]}')),
    Hostile("trailing-comma", text('{"model":"m","messages":[],}')),
    Hostile("two-documents", post(BODY + BODY)),
    Hostile("key-of-a-megabyte", post(b'{"' + b"k" * 1_000_000 + b'":1,"model":"m","messages":[]}'), (200,)),
    Hostile(
        "model-of-a-megabyte",
        post(json.dumps({"model": "m" * 1_000_000, "messages": []}).encode()),
        (200, 400),
    ),
    Hostile("model-with-line-end", text('{"model":"m\\r\\nx-evil: 1","messages":[]}'), (200,)),
    Hostile("empty-body", post(b"")),
    Hostile("no-body", head(), (400, 411)),
    Hostile("null", post(b"null")),
    Hostile("gzip", post(GZIPPED, b"content-encoding: gzip")),
    Hostile("gzip-bomb", post(BOMB, b"content-encoding: gzip")),
    Hostile("gzip-unnamed", post(GZIPPED)),
    Hostile("deflate", post(zlib.compress(BODY), b"content-encoding: deflate")),
    Hostile("brotli", post(BODY, b"content-encoding: br")),
    Hostile("zstd", post(BODY, b"content-encoding: zstd")),
    Hostile("two-content-codings", post(GZIPPED, b"content-encoding: identity", b"content-encoding: gzip")),
    Hostile("listed-content-codings", post(GZIPPED, b"content-encoding: identity, gzip")),
    Hostile("coding-identity", post(BODY, b"content-encoding: identity"), (200,)),
    Hostile("multipart-without-boundary", post(b"--x\r\n\r\n", b"content-type: multipart/form-data")),
    Hostile("too-large", post(b"{" + b" " * 10_000_000), (413,)),
    Hostile("too-large-in-chunks", chunked((b"10000\r\n" + b" " * 65_536 + b"\r\n") * 170 + END), (413,)),
]

TABLE = [*FRAMING, *HEADS, *BODIES]
