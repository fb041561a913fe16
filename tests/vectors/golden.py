"""Signatures and envelopes that others made, and our own for the edges (platform document, 3.4)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Signature:
    """A signature over token, timestamp and nonce."""

    token: str
    timestamp: str
    nonce: str
    signature: str


@dataclass(frozen=True)
class Envelope:
    """A message and what it looks like when it is sealed with ``salt``."""

    name: str
    token: str
    aes_key: str
    app_id: str
    timestamp: str
    nonce: str
    encrypted: str
    signature: str
    salt: bytes
    padding: int
    message: bytes


# From the official documentation; the last stands beside the envelope "official post".
SIGNATURES = (
    Signature("AAAAA", "1714036504", "1514711492", "f464b24fc39322e44b38aa78f5edd27bd1441696"),
    Signature("AAAAA", "1714037059", "486452656", "899cf89e464efb63f54ddac96b0a0a235f53aa78"),
    Signature("AAAAA", "1714112445", "415670741", "6c5c811b55cc85e0e1b54100749188c20beb3f5d"),
)

_OFFICIAL = {"token": "AAAAA", "aes_key": "A" * 43, "app_id": "wxba5fad812f8e6fb9"}
_LIBRARIES = {
    "token": "pamtest",
    "aes_key": "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
    "app_id": "wxb11529c136998cb6",
}

# The AES keys that these EncodingAESKeys stand for.
AES_KEYS = {
    "A" * 43: bytes(32),
    "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C": bytes.fromhex(
        "8d69989bbaabe67328014c194631ad0719b3dca035b64023df292447aab60760"
    ),
    "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG": bytes.fromhex(
        "69b71d79f8218a39259a7a29aabb2dbafc31cb3d35db7e39ebbf3d0010831051"
    ),
}

ENVELOPES = (
    Envelope(
        name="official post",
        **_OFFICIAL,
        timestamp="1714112445",
        nonce="415670741",
        encrypted=(
            "+qdx1OKCy+5JPCBFWw70tm0fJGb2Jmeia4FCB7kao+/Q5c/ohsOzQHi8khUOb05JCpj0JB4RvQMkUyus"
            "8TPxLKJGQqcvZqzDpVzazhZv6JsXUnnR8XGT740XgXZUXQ7vJVnAG+tE8NUd4yFyjPy7GgiaviNrlCTj"
            "+l5kdfMuFUPpRSrfMZuMcp3Fn2Pede2IuQrKEYwKSqFIZoNqJ4M8EajAsjLY2km32IIjdf8YL/P50F7m"
            "StwntrA2cPDrM1kb6mOcfBgRtWygb3VIYnSeOBrebufAlr7F9mFUPAJGj04="
        ),
        signature="046e02f8204d34f8ba5fa3b1db94908f3df2e9b3",
        salt=b"a8eedb185eb2fecf",
        padding=19,
        message=(
            b'{"ToUserName":"gh_97417a04a28d","FromUserName":"o9AgO5Kd5ggOC-bXrbNODIiE3bGY",'
            b'"CreateTime":1714112445,"MsgType":"event","Event":"debug_demo",'
            b'"debug_str":"hello world"}'
        ),
    ),
    Envelope(
        name="official reply",
        **_OFFICIAL,
        timestamp="1713424427",
        nonce="415670741",
        encrypted=(
            "ELGduP2YcVatjqIS+eZbp80MNLoAUWvzzyJxgGzxZO/5sAvd070Bs6qrLARC9nVH"
            "m48Y4hyRbtzve1L32tmxSQ=="
        ),
        signature="1b9339964ed2e271e7c7b6ff2b0ef902fc94dea1",
        salt=b"707722b803182950",
        padding=1,
        message=b'{"demo_resp":"good luck"}',
    ),
    Envelope(
        name="sample code",
        token="QDG6eK",
        aes_key="jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C",
        app_id="wx5823bf96d3bd56c7",
        timestamp="1409659813",
        nonce="1372623149",
        encrypted=(
            "RypEvHKD8QQKFhvQ6QleEB4J58tiPdvo+rtK1I9qca6aM/wvqnLSV5zEPeusUiX5L5X/0lWfrf0QADHH"
            "hGd3QczcdCUpj911L3vg3W/sYYvuJTs3TUUkSUXxaccAS0qhxchrRYt66wiSpGLYL42aM6A8dTT+6k4a"
            "SknmPj48kzJs8qLjvd4Xgpue06DOdnLxAUHzM6+kDZ+HMZfJYuR+LtwGc2hgf5gsijff0ekUNXZiqATP"
            "7PF5mZxZ3Izoun1s4zG4LUMnvw2r+KqCKIw+3IQH03v+BCA9nMELNqbSf6tiWSrXJB3LAVGUcallcrw8"
            "V2t9EL4EhzJWrQUax5wLVMNS0+rUPA3k22Ncx4XXZS9o0MBH27Bo6BpNelZpS+/uh9KsNlY6bHCmJU9p"
            "8g7m3fVKn28H3KDYA5Pl/T8Z1ptDAVe0lXdQ2YoyyH2uyPIGHBZZIs2pDBS8R07+qN+E7Q=="
        ),
        signature="477715d11cdb4164915debcba66cb864d751f3e6",
        salt=b"0960688932c47ef1",
        padding=30,
        message=(
            b"<xml><ToUserName><![CDATA[wx5823bf96d3bd56c7]]></ToUserName>\n"
            b"<FromUserName><![CDATA[mycreate]]></FromUserName>\n"
            b"<CreateTime>1409659813</CreateTime>\n"
            b"<MsgType><![CDATA[text]]></MsgType>\n"
            b"<Content><![CDATA[hello]]></Content>\n"
            b"<MsgId>4561255354251345929</MsgId>\n"
            b"<AgentID>218</AgentID>\n"
            b"</xml>"
        ),
    ),
    Envelope(
        name="a library's test",
        **_LIBRARIES,
        timestamp="1458300676",
        nonce="260774613",
        encrypted=(
            "rTNFcsut4LfGuAFKEUVVpwcaCOTJzOd9twZdIW910jb3k+iicx2uvhttIZ3Qg9Qgty3BEF2xbOrz6boT"
            "fb30dMomcgrkTqdFPwnhqbk+kIQ7rZiwny9D7NUrTgA5kpX3KsZvrXzUZyP2x9YOlxbgm572lmxKvM7H"
            "AQQhIQ/p6HBmoY30bGXFK0BtIu1pW9TjhOYrLQoU18nWYjWqDA1ynkmOytpv7QRI1P1+0NoxL0q2zO1D"
            "geSvnE8CZGo/o5Ap/WHK5W2RAsinpzN4/LjPnmB6U01I5XCoJoC0GK/yMZycd2Oh8Nq6+wBkC1U85oy0"
            "ktOY4nLvsQMLrourmMGdZHuTbqpeJ8Ao/5PRYJ+WBvRUwPfGKBL2+2IKZF49vAJqkcGWSHGE76ZN2erX"
            "euNazf/o9o3lIE3q739o4c8t9QGPe31GT2Go/rOz1BsrASwvauNulCh+++yz+CQzBIuikA=="
        ),
        signature="4f3ad57b6989f09f4eb392acce4f9e93942ed890",
        salt=b"d43123b161a4ba84",
        padding=21,
        message=(
            b"<xml><URL><![CDATA[http://wechat.laravel.so/server]]></URL>"
            b"<ToUserName><![CDATA[asdasdasd]]></ToUserName>"
            b"<FromUserName><![CDATA[asdasdasdsadasd]]></FromUserName>"
            b"<CreateTime>1234567898</CreateTime><MsgType><![CDATA[text]]></MsgType>"
            b"<Content><![CDATA[hello]]></Content><MsgId>12345</MsgId></xml>"
        ),
    ),
    Envelope(
        name="Chinese text",
        **_LIBRARIES,
        timestamp="1409304348",
        nonce="xxxxxx",
        encrypted=(
            "jn1L23DB+6ELqJ+6bruv21Y6MD7KeIfP82D6gU39rmkgczbWwt5+3bny"
            "g5K55bgVtVzd832WzZGMhkP72vVOfg=="
        ),
        signature="82c962d39941aa48552f90ef55aa323dc620cc10",
        salt=b"aaaabbbbccccdddd",
        padding=7,
        message="我是中文abcd123".encode(),
    ),
    Envelope(
        name="a whole block of padding",
        **_OFFICIAL,
        timestamp="1700000000",
        nonce="n0nce",
        encrypted=(
            "uMMzGtqcnpOzXOYBwDQNrTKqq1gfFL9ZipCOy/gYhNsj0EbDiLgmyIpctOWh4+FF28LepmxqkFHWq0/W"
            "1HpwVThBvOfqfojRqfSqOCcrXV+fVpED4mak/KZt2gsUJ7hv"
        ),
        signature="14a60db254068f05d4f7672cca9989958d6a8afd",
        salt=b"0123456789abcdef",
        padding=32,
        message=b"x" * 26,
    ),
    Envelope(
        name="bytes are counted, not characters",
        **_OFFICIAL,
        timestamp="1700000000",
        nonce="n0nce",
        encrypted=(
            "uMMzGtqcnpOzXOYBwDQNrbR1kekdsjOYJjvSIZwObl1AYA+Zs8McM6fb5+cirlDz"
            "wBXg2rSm4v5wWS5rDnl5lA=="
        ),
        signature="8d5877223a6a3308a42d5d8dbef2f5d70ed87313",
        salt=b"0123456789abcdef",
        padding=20,
        message="你好".encode(),
    ),
)
