"""The API's description in OpenAPI 3.1, for people and for programs that make clients of it."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from wx import __version__
from wx.model import NoticeState
from wx.service.api_keys import SCOPES
from wx.service.draft import FIELDS, TEXT_CHARACTERS, URL_CHARACTERS, WISHES
from wx.service.jssdk import URL_CHARACTERS as URL_CHARACTERS_OF_PAGE
from wx.service.outbox import RECIPIENTS
from wx.service.reason import REASONS
from wx.web.api import ApiHandler
from wx.web.outbox import IDEMPOTENCY, LISTED, MOST, NOTICE_ID

# Every code that an error under /api/v1 may have: its status, and what it means.
ERRORS: dict[str, tuple[int, str]] = {
    "bad-request": (400, "the request is not of the form that is described here"),
    "bad-name": (400, "a name has 1 to 64 letters, digits and . _ @ + - after the first"),
    "no-key": (401, "no API key came with the request"),
    "bad-key": (401, "there is no such API key, or it is over"),
    "missing-scope": (403, "the key lacks the scope that is named in `scope`"),
    "not-allowed": (403, "the key is for one account; who it does not reach is in `accounts`"),
    "template-not-allowed": (403, "the template is not one that programs may use"),
    "forbidden": (403, "the request comes from a page of another site"),
    "wrong-digits": (403, "these are not the phone's digits; `tries_left` says how often to try"),
    "not-found": (404, "there is no such address"),
    "unknown-account": (404, "an account is not known; all of them are named in `accounts`"),
    "unknown-notice": (404, "there is no such notice"),
    "unknown-invite": (404, "the key has asked for no such invite"),
    "bad-method": (405, "the address does not take the method"),
    "not-bound": (409, "an account is bound to nobody; all of them are named in `accounts`"),
    "idempotency-mismatch": (409, "another notice came with this Idempotency-Key"),
    "name-taken": (409, "there is an account of that name; `password` says of which kind"),
    "already-bound": (409, "the account is bound, and may not be bound to another WeChat by this"),
    "taken": (409, "the WeChat is bound to another account"),
    "expired": (410, "no phone waits for its digits, or no longer"),
    "too-large": (413, "the body has more than 200 KiB"),
    "wrong-host": (421, "the server was asked by a name that is not its own"),
    "bad-recipients": (422, "a notice goes to 1 to 1,000 accounts, each by its name"),
    "bad-text": (422, "the text is empty or too long, or there is a template too"),
    "bad-url": (422, "the link is none, or leads to a host that is not allowed"),
    "bad-field": (422, "a field of the template does not take its value; it is named in `field`"),
    "bad-channel": (422, "there is no such channel, or a template cannot take it"),
    "bad-expiry": (422, "a notice may wait from 1 second to 30 days"),
    "unknown-template": (422, "the WeChat account has no such template"),
    "too-many-requests": (429, "the key's minute is used up, or that of all keys together"),
    "too-many-notices": (429, "somebody has had a day's worth; all of them are in `accounts`"),
    "too-many-codes": (429, "the account has had an hour's worth of codes"),
    "internal": (500, "something went wrong, and stands in the log"),
    "platform-error": (502, "WeChat refused; its number is in `errcode`, and what to do in `hint`"),
    "unavailable": (503, "the server is being stopped"),
    "storage-unavailable": (503, "the database cannot be used just now"),
    "platform-unavailable": (503, "WeChat cannot be reached, or a quota of its own is used up"),
}
EVERYWHERE = (
    *("bad-request", "bad-method", "too-large", "wrong-host", "internal", "unavailable"),
    "storage-unavailable",
)
WITH_KEY = ("no-key", "bad-key", "missing-scope", "too-many-requests")
_HEADERS = {401: "WWW-Authenticate", 405: "Allow", 429: "Retry-After", 503: "Retry-After"}
WHYS = {
    "asked-for": "the request named it",
    "window": "they have written or tapped lately, so a chat message is let through",
    "outside-window": "they have not, so it takes the configured template",
    "template-given": "the request is for a template",
    "subscribed": "they have accepted a subscription notice",
    "try-window": "nobody tells us of their messages, so it is tried",
    "fell-over": "WeChat refused the chat message, so it takes the configured template",
}

_TEXT: dict[str, Any] = {"type": "string"}
_NAME: dict[str, Any] = {"type": "string", "minLength": 1}
_TIME: dict[str, Any] = {"type": "string", "format": "date-time"}
_NO_TIME: dict[str, Any] = {"type": ["string", "null"], "format": "date-time"}
_ID: dict[str, Any] = {"type": "string", "pattern": f"^{NOTICE_ID}$"}
_INVITE_ID: dict[str, Any] = {"type": "string", "pattern": "^[0-9A-Za-z]{22}$"}
_NUMBER: dict[str, Any] = {"type": "integer", "minimum": 0}
_YES: dict[str, Any] = {"type": "boolean"}
_NAMES: dict[str, Any] = {"type": "array", "items": _TEXT}


def _object(
    fields: Mapping[str, Any], *, needed: tuple[str, ...] | None = None, **more: Any
) -> dict[str, Any]:
    """The schema of an object; all of its fields are needed unless ``needed`` says which."""
    listed = [*fields] if needed is None else [*needed]
    return {
        "type": "object",
        "properties": {**fields},
        "required": listed,
        "additionalProperties": False,
        **more,
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _told(schema: Mapping[str, Any], description: str) -> dict[str, Any]:
    return {**schema, "description": description}


_CHANNEL = {
    "type": "string",
    "enum": [*WISHES],
    "description": "The one that was chosen; before that, the one that was asked for",
}
_STATE = {"type": "string", "enum": [str(state) for state in NoticeState]}
_EXPLAINED = {
    "reason_code": _told(
        {"type": "string", "enum": ["", *REASONS, "platform"]},
        "What went wrong, by a name that never changes; `platform` is told by `errcode`",
    ),
    "reason": _told(_TEXT, "What went wrong, in the language of Accept-Language"),
    "cause": _told(_TEXT, "What causes that"),
    "hint": _told(_TEXT, "What to do about it"),
}
_WHY = {
    "type": "string",
    "enum": ["", *WHYS],
    "description": "Why this channel: "
    + "; ".join(f"`{name}`: {meaning}" for name, meaning in WHYS.items()),
}

SCHEMAS: dict[str, Any] = {
    "Draft": _object(
        {
            "to": {
                "oneOf": [
                    _told(_NAME, "The name of an account"),
                    {"type": "array", "items": _NAME, "minItems": 1, "maxItems": RECIPIENTS},
                ]
            },
            "text": _told(
                {"type": "string", "minLength": 1, "maxLength": TEXT_CHARACTERS},
                "What it says; cut to what the channel takes, with a link to the whole",
            ),
            "template": _object(
                {
                    "id": {"type": "string", "minLength": 1},
                    "data": {
                        "type": "object",
                        "additionalProperties": _TEXT,
                        "minProperties": 1,
                        "maxProperties": FIELDS,
                    },
                    "url": {"type": "string", "maxLength": URL_CHARACTERS},
                },
                needed=("id", "data"),
            ),
            "url": _told(
                {"type": "string", "maxLength": URL_CHARACTERS},
                "Where a tap leads, beside `text`; to public_url or a host in notice_url_hosts",
            ),
            "channel": {"type": "string", "enum": [*WISHES], "default": "auto"},
            "expires_in": _told(
                {"type": "number", "minimum": 1, "maximum": 30 * 86400},
                "Seconds that it may wait; the setting notice_seconds where this is missing",
            ),
            "dry_run": {"type": "boolean", "default": False},
        },
        needed=("to",),
        oneOf=[{"required": ["text"]}, {"required": ["template"]}],
    ),
    "Accepted": _object(
        {"id": _ID, "to": _TEXT, "channel": _CHANNEL, "state": _STATE, **_EXPLAINED},
        needed=("id", "to", "channel", "state"),
    ),
    "Plan": _object(
        {
            "to": _TEXT,
            "channel": {
                "type": "string",
                "enum": ["", "custom", "template", "subscribe"],
                "description": "Empty where nothing would be sent",
            },
            "why": _WHY,
            "text": _told(_TEXT, "The chat message"),
            "template": _told(_TEXT, "The id of the template"),
            "fields": _told(
                {"type": "object", "additionalProperties": _TEXT}, "The template's fields"
            ),
            "cut": _told(_YES, "Whether the whole would stand on a page of ours"),
            **_EXPLAINED,
        },
        needed=("to", "channel", "why", "cut", *_EXPLAINED),
    ),
    "Notice": _object(
        {
            "id": _ID,
            "to": _TEXT,
            "channel": _CHANNEL,
            "why": _WHY,
            "origin": _told(
                _TEXT,
                "Who asked: `key NAME`, `send` for the command line, `page` for the test button,"
                " `bind` for our own words",
            ),
            "state": _STATE,
            "attempts": _told(_NUMBER, "Calls that were made to WeChat for it"),
            "platform_id": _told(_TEXT, "WeChat's number of the message"),
            "errcode": _told({"type": ["integer", "null"]}, "WeChat's last number for a failure"),
            **_EXPLAINED,
            "created_at": _TIME,
            "expires_at": _told(_TIME, "When it is given up if it could not be sent"),
            "sent_at": _NO_TIME,
            "settled_at": _NO_TIME,
        }
    ),
    "Binding": _object(
        {
            "account": _TEXT,
            "bound": _YES,
            "openid": _TEXT,
            "unionid": _TEXT,
            "nickname": _TEXT,
            "avatar": _TEXT,
            "language": {"type": "string", "enum": ["", "zh", "en"]},
            "following": _told({"type": ["boolean", "null"]}, "Null while it is not known"),
            "blocked": _told(_YES, "WeChat has said that they receive nothing"),
            "window_left": _told(_NUMBER, "Chat messages that their last act still allows"),
            "window_ends_at": _told(_NO_TIME, "Until when; null while none is let through"),
            "route": _told(_TEXT, "How they were bound: oauth, scan or undo"),
            "bound_at": _TIME,
        },
        needed=("account", "bound"),
    ),
    "NewAccount": _object({"name": _told(_NAME, "Up to 64 characters")}),
    "Account": _object({"account": _TEXT, "created_at": _TIME}),
    "Wish": _object(
        {
            "account": _told(_NAME, "The name of the account that is to be bound"),
            "browser": _told(_TEXT, "The person's User-Agent; their phone shows which browser"),
            "address": _told(_TEXT, "Their IP address; their phone shows the network"),
            "replace": _told(
                {"type": "boolean", "default": False},
                "The present binding may end by it; only of an account without a password",
            ),
            "fresh": _told(
                {"type": "boolean", "default": False},
                "End the code that is open, and make another",
            ),
        },
        needed=("account",),
    ),
    "Invite": _object(
        {
            "account": _TEXT,
            "id": _INVITE_ID,
            "url": _told(_TEXT, "What the code holds"),
            "link": _told(_TEXT, "What can be opened inside WeChat in place of scanning"),
            "qr": _told(_TEXT, "The code as a picture, an SVG"),
            "live": _told(_TEXT, "The WebSocket that tells how it stands, and each change"),
            "state": _told(_TEXT, "Where a GET tells the same"),
            "view": _told(_TEXT, "The secret in these three addresses; good for this code alone"),
            "number": _told(_TEXT, "To be shown beside the code: the phone shows it too"),
            "expires_in": _told(_NUMBER, "Seconds"),
            "route": {"type": "string", "enum": ["oauth", "scan"]},
        }
    ),
    "Digits": _object({"code": _told(_TEXT, "The six digits that the phone shows")}),
    "Bound": _object({"state": {"type": "string", "enum": ["bound"]}}),
    "JsConfig": _object(
        {
            "appId": _TEXT,
            "timestamp": _told(_NUMBER, "Unix seconds"),
            "nonceStr": _TEXT,
            "signature": _TEXT,
        }
    ),
    "Error": _object(
        {
            "error": {
                "type": "object",
                "properties": {
                    "code": {"type": "string", "enum": [*ERRORS]},
                    "message": _told(_TEXT, "In the language of Accept-Language; Chinese first"),
                    "hint": _told(_TEXT, "What to do about it; may be empty"),
                    "field": _told(_TEXT, "The field or header that is wrong"),
                    "scope": _told(_TEXT, "The scope that is missing"),
                    "errcode": _told({"type": ["integer", "null"]}, "WeChat's number"),
                    "password": _told(_YES, "Whether that account has a password"),
                    "tries_left": _NUMBER,
                    "accounts": _object(
                        dict.fromkeys(("unknown", "unbound", "not_allowed", "full"), _NAMES),
                        needed=(),
                    ),
                },
                "required": ["code", "message", "hint"],
            }
        }
    ),
}


def _listed(name: str, **more: Any) -> dict[str, Any]:
    return _object({"notices": {"type": "array", "items": _ref(name)}, **more})


def _json(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": {**schema}}}


def _parameter(place: str, name: str, schema: Mapping[str, Any], told: str) -> dict[str, Any]:
    return {
        "in": place,
        "name": name,
        "required": place == "path",
        "description": told,
        "schema": {**schema},
    }


def _operation(
    name: str,
    summary: str,
    *,
    scope: str = "",
    answers: Mapping[int, tuple[str, Mapping[str, Any]]],
    errors: tuple[str, ...] = (),
    **more: Any,
) -> dict[str, Any]:
    """One method of one address.

    Args:
        scope: what its key must be good for; "" where it needs none.
        answers: what is told when it works, by status: a description and a schema.
        errors: codes beside those that are possible everywhere.
    """
    responses: dict[str, Any] = {
        str(status): {"description": told, "content": _json(schema)}
        for status, (told, schema) in answers.items()
    }
    codes = [*EVERYWHERE, *(WITH_KEY if scope else ()), *errors]
    for status in sorted({ERRORS[code][0] for code in codes}):
        possible = [code for code in ERRORS if code in codes and ERRORS[code][0] == status]
        made: dict[str, Any] = {
            "description": "; ".join(f"`{code}`: {ERRORS[code][1]}" for code in possible),
            "content": _json(_ref("Error")),
        }
        if header := _HEADERS.get(status):
            made["headers"] = {header: {"schema": _TEXT}}
        responses[str(status)] = made
    return {
        "operationId": name,
        "summary": summary,
        "security": [{"key": [scope]}] if scope else [],
        "responses": responses,
        **more,
    }


_BAD_DRAFT = ("bad-text", "bad-url", "bad-field", "bad-channel", "bad-expiry", "unknown-template")
PATHS: dict[str, dict[str, Any]] = {
    "/api/v1/notices": {
        "post": _operation(
            "sendNotices",
            "Send a notice to one or many; it is kept when this answers",
            scope="notices:write",
            answers={
                200: ("What would be sent, for `dry_run`", _listed("Plan")),
                202: ("Kept; in the order of `to`", _listed("Accepted")),
            },
            errors=(
                *("forbidden", "not-allowed", "template-not-allowed"),
                *("unknown-account", "not-bound", "idempotency-mismatch"),
                *("bad-recipients", *_BAD_DRAFT, "too-many-notices"),
            ),
            parameters=[
                _parameter(
                    "header",
                    "Idempotency-Key",
                    {
                        "type": "string",
                        "minLength": 1,
                        "maxLength": 255,
                        "pattern": f"^{IDEMPOTENCY}$",
                    },
                    "The same one with the same body gives the same notices for 72 hours",
                )
            ],
            requestBody={"required": True, "content": _json(_ref("Draft"))},
        ),
        "get": _operation(
            "listNotices",
            "List notices, the newest first",
            scope="notices:read",
            answers={
                200: (
                    "`next` is the `before` of what follows, or null",
                    _listed("Notice", next={"type": ["string", "null"]}),
                )
            },
            errors=("not-allowed", "unknown-account"),
            parameters=[
                _parameter("query", "to", _TEXT, "Only those to this account"),
                _parameter("query", "state", _STATE, "Only those in this state"),
                _parameter(
                    "query",
                    "limit",
                    {"type": "integer", "minimum": 1, "maximum": MOST, "default": LISTED},
                    "How many",
                ),
                _parameter("query", "before", _ID, "Only those before the notice with this id"),
            ],
        ),
    },
    "/api/v1/notices/{id}": {
        "get": _operation(
            "getNotice",
            "How far a notice has come",
            scope="notices:read",
            answers={200: ("The notice", _ref("Notice"))},
            errors=("unknown-notice",),
            parameters=[_parameter("path", "id", _TEXT, "The notice's id")],
        )
    },
    "/api/v1/bindings/{name}": {
        "get": _operation(
            "getBinding",
            "To which WeChat an account is bound",
            scope="bindings:read",
            answers={200: ("The binding, or `bound`: false", _ref("Binding"))},
            errors=("unknown-account",),
            parameters=[_parameter("path", "name", _TEXT, "The account's name")],
        )
    },
    "/api/v1/accounts": {
        "post": _operation(
            "addAccount",
            "Make an account without a password, that can be bound and reached and nothing else",
            scope="accounts:write",
            answers={201: ("Made", _ref("Account"))},
            errors=("forbidden", "bad-name", "name-taken"),
            requestBody={"required": True, "content": _json(_ref("NewAccount"))},
        )
    },
    "/api/v1/invites": {
        "post": _operation(
            "openInvite",
            "A code by which an account is bound; the open one where there is one",
            scope="invites:write",
            answers={201: ("What a page needs to show and to follow it", _ref("Invite"))},
            errors=(
                *("forbidden", "not-allowed", "unknown-account"),
                *("already-bound", "too-many-codes"),
            ),
            requestBody={"required": True, "content": _json(_ref("Wish"))},
        )
    },
    "/api/v1/invites/{id}/confirm": {
        "post": _operation(
            "confirmInvite",
            "Pass on the digits from the phone, where bind_confirm is desktop",
            scope="invites:write",
            answers={200: ("Bound", _ref("Bound"))},
            errors=(
                *("forbidden", "wrong-digits", "unknown-invite"),
                *("taken", "already-bound", "expired"),
            ),
            parameters=[_parameter("path", "id", _TEXT, "The invite's id")],
            requestBody={"required": True, "content": _json(_ref("Digits"))},
        )
    },
    "/api/v1/js-config": {
        "get": _operation(
            "getJsConfig",
            "What a page gives to `wx.config`",
            scope="js:read",
            answers={200: ("For the page at `url`, and no other", _ref("JsConfig"))},
            errors=("bad-url", "platform-error", "platform-unavailable"),
            parameters=[
                {
                    **_parameter(
                        "query",
                        "url",
                        {"type": "string", "maxLength": URL_CHARACTERS_OF_PAGE},
                        "The page's `location.href`; what stands behind `#` is left out",
                    ),
                    "required": True,
                }
            ],
        )
    },
    "/api/v1/openapi.json": {
        "get": _operation(
            "getDescription",
            "This description",
            answers={200: ("OpenAPI 3.1", {"type": "object"})},
        )
    },
}


@cache
def description(server: str) -> dict[str, Any]:
    """The whole description.

    Args:
        server: where the API is, as ``public_url``.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "wxbind",
            "version": __version__,
            "description": "Notices to the people behind accounts, on WeChat",
        },
        "servers": [{"url": server}],
        "paths": PATHS,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, made with `wxbind key add NAME --scope SCOPE`;"
                    f" the scopes are {', '.join(f'`{scope}`' for scope in SCOPES)}",
                }
            },
        },
    }


class Description(ApiHandler):
    """The description; anybody may read it."""

    def get(self) -> None:
        self.query()
        self.answer(200, **description(self.config.public_url))
