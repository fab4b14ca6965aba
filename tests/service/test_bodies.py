"""Bodies of a real service's callers: compressed, or with a byte order mark."""

import gzip
import json

from tests.service.caller import Caller, Sql
from tests.service.test_v2 import opened


def test_compressed_and_marked_bodies_are_read(caller: Caller, sql: Sql) -> None:
    """Both versions run what is in them."""
    with opened(caller) as aura:
        for path, session in (
            (f"{caller.base}/sessions/statements", sql.id),
            (f"/v2{caller.base.removeprefix('/v1')}/aura-sessions/statements", aura.id),
        ):
            body = json.dumps({"session_id": session, "statement": "SELECT 'schön' AS x"}, ensure_ascii=False).encode()
            marked = b"\xef\xbb\xbf" + body
            for sent, headers in (
                (marked, {}),
                (gzip.compress(body), {"Content-Encoding": "gzip"}),
                (gzip.compress(marked), {"Content-Encoding": "gzip"}),
            ):
                answer = caller.http.post(path, content=sent, headers=headers)
                assert answer.status_code == 200, answer.text
                assert answer.json()["results"][0]["result_set"]["rows"] == [["schön"]]
