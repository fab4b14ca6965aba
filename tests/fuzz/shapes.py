"""Requests nobody should send: what is wrong with them is in their names.

Those of `SMUGGLING` are read in two ways by servers that are lenient in different ways: each carries a
second request that is a part of the first one's body, or no request at all, and must never be served.
"""

from typing import Final

CANCEL: Final = "POST /v1/workspaces/w1/sessions/s1/statements/t1/cancel HTTP/1.1"
TOKEN: Final = "X-Auth-Token: operator-token"
SMUGGLED: Final = b"DELETE /v1/workspaces/w1 HTTP/1.1\r\nHost: t\r\nX-Auth-Token: operator-token\r\n\r\n"


def head(*lines: str, first: str = CANCEL, end: str = "\r\n") -> bytes:
    """The head of a request with a token."""
    return end.join([first, "Host: t", TOKEN, *lines, "", ""]).encode("latin-1")


def _length(size: int) -> str:
    return f"Content-Length: {size}"


_CHUNKED: Final = "Transfer-Encoding: chunked"
_ALL: Final = len(SMUGGLED)

SMUGGLING: Final[dict[str, bytes]] = {
    "both, the length whole": head(_length(5 + _ALL), _CHUNKED) + b"0\r\n\r\n" + SMUGGLED,
    "both, the length short": head(_CHUNKED, _length(4)) + b"5c\r\n" + SMUGGLED + b"\r\n0\r\n\r\n",
    "two lengths": head(_length(0), _length(_ALL)) + SMUGGLED,
    "two lengths, the other way round": head(_length(_ALL), _length(0)) + SMUGGLED,
    "a list of lengths": head(f"Content-Length: 0, {_ALL}") + SMUGGLED,
    "the same length twice": head(_length(_ALL), _length(_ALL)) + SMUGGLED,
    "a length with a sign": head(f"Content-Length: +{_ALL}") + SMUGGLED,
    "a length below nothing": head("Content-Length: -1") + SMUGGLED,
    "a length in hexadecimal": head(f"Content-Length: {_ALL:#x}") + SMUGGLED,
    "a length with a fraction": head("Content-Length: 0.0") + SMUGGLED,
    "a length of a word": head("Content-Length: none") + SMUGGLED,
    "an empty length": head("Content-Length: ") + SMUGGLED,
    "a length beyond any": head("Content-Length: 184467440737095516160") + SMUGGLED,
    "a length in other digits": head("Content-Length: \xb2") + SMUGGLED,
    "a length with a space before the colon": head(f"Content-Length : {_ALL}") + SMUGGLED,
    "a folded length": head(f"Content-Length:\r\n {_ALL}") + SMUGGLED,
    "a length behind a bare LF": head(f"X-A: b\nContent-Length: {_ALL}") + SMUGGLED,
    "a length behind a bare CR": head(f"X-A: b\rContent-Length: {_ALL}") + SMUGGLED,
    "a length behind a NUL": head(f"X-A: b\x00\r\nContent-Length: {_ALL}") + SMUGGLED,
    "chunked by another name": head("Transfer-Encoding: xchunked", _length(_ALL)) + SMUGGLED,
    "chunked with a space before the colon": head("Transfer-Encoding : chunked", _length(_ALL)) + SMUGGLED,
    "chunked in a list": head("Transfer-Encoding: identity, chunked", _length(_ALL)) + b"0\r\n\r\n" + SMUGGLED,
    "chunked first in a list": head("Transfer-Encoding: chunked, identity") + b"0\r\n\r\n" + SMUGGLED,
    "chunked twice": head(_CHUNKED, _CHUNKED, _length(_ALL)) + b"0\r\n\r\n" + SMUGGLED,
    "chunked, then not": head(_CHUNKED, "Transfer-Encoding: identity", _length(_ALL)) + b"0\r\n\r\n" + SMUGGLED,
    "chunked behind a tab": head("Transfer-Encoding:\tchunked", _length(_ALL)) + b"0\r\n\r\n" + SMUGGLED,
    "chunked behind a vertical tab": head("Transfer-Encoding:\x0bchunked", _length(_ALL)) + SMUGGLED,
    "chunked, folded": head("Transfer-Encoding:\r\n chunked", _length(_ALL)) + b"0\r\n\r\n" + SMUGGLED,
    "chunked, quoted": head('Transfer-Encoding: "chunked"', _length(_ALL)) + SMUGGLED,
    "chunked in HTTP/1.0": head(_CHUNKED, _length(_ALL), first=CANCEL.replace("1.1", "1.0")) + SMUGGLED,
    "a chunk with a sign": head(_CHUNKED) + b"+5\r\nhello\r\n0\r\n\r\n" + SMUGGLED,
    "a chunk below nothing": head(_CHUNKED) + b"-5\r\nhello\r\n0\r\n\r\n" + SMUGGLED,
    "a chunk with a prefix": head(_CHUNKED) + b"0x5\r\nhello\r\n0\r\n\r\n" + SMUGGLED,
    "a chunk beyond any": head(_CHUNKED) + b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n" + SMUGGLED,
    "a chunk that ends in a bare LF": head(_CHUNKED) + b"5\nhello\r\n0\r\n\r\n" + SMUGGLED,
    "a chunk that ends nowhere": head(_CHUNKED) + b"5\r\nhelloX0\r\n\r\n" + SMUGGLED,
    "a chunk whose extension hides a line": head(_CHUNKED) + b"0;a=\nb\r\n\r\n" + SMUGGLED,
    "heads that end in bare LFs": head(_length(0), end="\n").replace(b"\n\n", b"\n \n") + SMUGGLED,
}

ODD: Final[dict[str, bytes]] = {
    "nothing": b"",
    "empty lines": b"\r\n\r\n\r\n",
    "HTTP/0.9": b"GET /healthz\r\n",
    "HTTP/1.0": b"GET /healthz HTTP/1.0\r\n\r\n",
    "HTTP/2 begins": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/3.0": b"GET /healthz HTTP/3.0\r\n\r\n",
    "TLS begins": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "no method": b" /healthz HTTP/1.1\r\nHost: t\r\n\r\n",
    "an unknown method": b"BREW /healthz HTTP/1.1\r\nHost: t\r\n\r\n",
    "a method in small letters": b"get /healthz HTTP/1.1\r\nHost: t\r\n\r\n",
    "no Host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "a Host that is none": b"GET /healthz HTTP/1.1\r\nHost: a b@c:d\xff\r\n\r\n",
    "an absolute target": b"GET http://other/healthz HTTP/1.1\r\nHost: t\r\n\r\n",
    "an authority target": b"GET t:80 HTTP/1.1\r\nHost: t\r\n\r\n",
    "an asterisk": b"OPTIONS * HTTP/1.1\r\nHost: t\r\n\r\n",
    "an empty target": b"GET  HTTP/1.1\r\nHost: t\r\n\r\n",
    "a target with a space": b"GET /a b HTTP/1.1\r\nHost: t\r\n\r\n",
    "a target with a NUL": b"GET /a\x00b HTTP/1.1\r\nHost: t\r\n\r\n",
    "a target of bytes": b"GET /\xff\xfe HTTP/1.1\r\nHost: t\r\n\r\n",
    "a target with a fragment": b"GET /healthz#x HTTP/1.1\r\nHost: t\r\n\r\n",
    "a target above the root": b"GET /../../etc/passwd HTTP/1.1\r\nHost: t\r\n\r\n",
    "an encoded NUL": head(first="GET /v1/workspaces/w%001/sessions HTTP/1.1"),
    "encoded bytes": head(first="GET /v1/workspaces/%ff%fe/sessions HTTP/1.1"),
    "a broken escape": head(first="GET /v1/workspaces/%zz%2/sessions?limit=%f HTTP/1.1"),
    "an encoded slash": head(first="GET /v1/workspaces/w1%2fsessions HTTP/1.1"),
    "an overlong slash": head(first="GET /v1/workspaces/w1%c0%afsessions HTTP/1.1"),
    "a query of bytes": head(first="GET /v1/workspaces?name=%ff%fe&limit=\xff HTTP/1.1"),
    "a query of nothing": head(first="GET /v1/workspaces?&&&=&limit HTTP/1.1"),
    "the same query twice": head(first="GET /v1/workspaces?limit=1&limit=2 HTTP/1.1"),
    "a number beyond any": head(first=f"GET /v1/workspaces?limit={'9' * 5000} HTTP/1.1"),
    "a name that is none": head("X A: b", "Content-Length: 0"),
    "a name of bytes": head("X-\xff: b", "Content-Length: 0"),
    "no name": head(": b", "Content-Length: 0"),
    "no colon": head("nothing", "Content-Length: 0"),
    "a value of bytes": head("X-A: \xff\xfe\x80", "Content-Length: 0"),
    "a value with a NUL": head("X-A: a\x00b", "Content-Length: 0"),
    "a value with a bell": head("X-A: a\x07b", "Content-Length: 0"),
    "a token of bytes": b"GET /v1/workspaces HTTP/1.1\r\nHost: t\r\nX-Auth-Token: \xff\xfe\r\n\r\n",
    "two tokens": head("X-Auth-Token: viewer-token", "Content-Length: 0"),
    "an endless token": head(f"X-Auth-Token: {'a' * 60_000}", "Content-Length: 0"),
    "a request id with a line": head("X-Request-Id: a\x0bb", "Content-Length: 0"),
    "tags of bytes": head("X-Statement-Tags: \xff\xfe", "Content-Length: 0"),
    "an address that is none": head("X-Forwarded-For: \xff, ::::, 1.2.3.4.5", "Content-Length: 0"),
    "a body where none is": head("Content-Length: 4", first="GET /healthz HTTP/1.1") + b"body",
    "a body that is no JSON": head("Content-Length: 4") + b"nope",
    "a body of bytes": head("Content-Length: 4") + b"\xff\xfe\x00\x01",
    "a body that is a list": head("Content-Length: 2") + b"[]",
    "a body that nests": head("Content-Length: 40000") + b"[" * 40_000,
    "half a surrogate": head("Content-Length: 14") + b'{"a":"\\ud800"}',
    "an upgrade": head("Connection: Upgrade", "Upgrade: websocket", "Content-Length: 0"),
    "an encoding that is not spoken": head("Content-Encoding: gzip", "Content-Length: 2") + b"{}",
    "another consent": head("Expect: 200-ok", "Content-Length: 2") + b"{}",
}
