#!/usr/bin/env bash
# huaweicloudsdkcore 3.1.219 with the client of AI DataLake: what is no answer of the service is an object full of None.
# Guess: a 200 with a web page, a list or half a JSON document raises an exception of the SDK.
# Seen: each gives a response object whose fields are None, and so does a redirect; a text where a list belongs gives a list of one
# empty record. A client that asks "did it work?" must look at a field it needs.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    huaweicloudsdkcore==3.1.219 huaweicloudsdkaidatalake==3.1.219
PYTHONPATH=$(dirname "${BASH_SOURCE[0]}") "$work/venv/bin/python" - "$work" <<'PY'
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from common import check
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.http.http_config import HttpConfig
from huaweicloudsdkaidatalake.v2 import AIDataLakeClient, ListAuraStatementRecordsRequest


class Answers(BaseHTTPRequestHandler):
    status, body = 200, b""

    def do_GET(self):
        self.send_response(Answers.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(Answers.body)))
        self.end_headers()
        self.wfile.write(Answers.body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = (
    AIDataLakeClient.new_builder()
    .with_http_config(HttpConfig.get_default_config())
    .with_credentials(BasicCredentials("ak", "sk", "project"))
    .with_endpoint(f"http://127.0.0.1:{server.server_port}")
    .build()
)
request = ListAuraStatementRecordsRequest(workspace_id="w")
bodies = ((200, b"<html></html>"), (200, b'{"records": ['), (200, b"[]"), (200, b"null"), (302, b"{}"))
for Answers.status, Answers.body in bodies:
    answer = client.list_aura_statement_records(request)
    check(f"{Answers.status} {Answers.body!r}", (answer.status_code, answer.records), (Answers.status, None))
Answers.status, Answers.body = 200, b'{"records": "none"}'
check("a text for a list", str(client.list_aura_statement_records(request)), '{"records": [{}]}')
PY
