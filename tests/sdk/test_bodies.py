"""Signed bodies that are compressed: the signature is one of the body as it is sent."""

import gzip
import json

import httpx
from huaweicloudsdkcore.sdk_request import SdkRequest

from tests.sdk.doors import Door


def test_a_signed_body_may_be_compressed(signed: Door) -> None:
    """The clients' own signer signs the compressed bytes; a signature of the text inside is refused."""
    text = json.dumps({"name": "compressed"})
    path, host = "/v1/workspaces", signed.service.url.removeprefix("http://")
    sent = gzip.compress(text.encode())

    def posted(signed_over: bytes | str) -> httpx.Response:
        request = SdkRequest(
            method="POST",
            schema="http",
            host=host,
            resource_path=path,
            query_params=[],
            header_params={"Content-Type": "application/json", "Content-Encoding": "gzip"},
            body=signed_over,
        )
        headers = signed.credentials.sign_request(request).header_params
        return httpx.post(f"{signed.service.url}{path}", headers=headers, content=sent, timeout=60.0)

    assert posted(text).status_code == 401
    made = posted(sent)
    assert made.status_code == 200, made.text
    assert made.json()["name"] == "compressed"
