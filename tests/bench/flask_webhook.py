"""What people write today: a webhook in Flask under gevent, with a durable row for each message.

Run as ``python -m tests.bench.flask_webhook``; prints ``listening on URL``. Needs the extra
`bench`.
"""

import hashlib
import sqlite3
import tempfile
import time
from pathlib import Path
from xml.etree import ElementTree

from flask import Flask, Response, request
from gevent.pywsgi import WSGIServer

from tests.bench.webhook import TOKEN

_SCHEMA = "CREATE TABLE inbox (key TEXT PRIMARY KEY, received_at REAL, answer TEXT)"


def make_app(path: Path) -> Flask:
    """The app, with its rows in a database at ``path``."""
    app = Flask(__name__)
    conn = sqlite3.connect(path, isolation_level=None)
    conn.execute("PRAGMA journal_mode = WAL")
    conn.execute("PRAGMA synchronous = FULL")
    conn.execute(_SCHEMA)

    @app.post("/wechat")
    def webhook() -> Response:
        query = request.args
        parts = sorted([TOKEN, query["timestamp"], query["nonce"]])
        if hashlib.sha1("".join(parts).encode()).hexdigest() != query["signature"]:
            return Response("no", status=403)
        fields = {child.tag: child.text or "" for child in ElementTree.fromstring(request.data)}
        answer = (
            f"<xml><ToUserName><![CDATA[{fields['FromUserName']}]]></ToUserName><FromUserName>"
            f"<![CDATA[{fields['ToUserName']}]]></FromUserName><CreateTime>{int(time.time())}"
            "</CreateTime><MsgType><![CDATA[text]]></MsgType><Content>"
            f"<![CDATA[{fields['Content']}]]></Content></xml>"
        )
        conn.execute("INSERT INTO inbox VALUES (?, ?, ?)", (fields["MsgId"], time.time(), answer))
        return Response(answer, content_type="text/xml; charset=utf-8")

    return app


def main() -> None:
    """Serve until somebody ends the process."""
    with tempfile.TemporaryDirectory(prefix="wxbind-bench-") as folder:
        server = WSGIServer(("127.0.0.1", 0), make_app(Path(folder) / "flask.db"), log=None)
        server.start()
        print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
