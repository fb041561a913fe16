"""Web authorization: the consent page on the phone, and the calls that follow it (section 2)."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

from wx.simulator.api import Api, Failure
from wx.simulator.screen import Screen
from wx.simulator.tokens import require_account
from wx.simulator.world import (
    CODE_SECONDS,
    REFRESH_TOKEN_SECONDS,
    USER_TOKEN_SECONDS,
    Code,
    Person,
    UserToken,
    World,
    random_text,
)

AUTHORIZE = "/connect/oauth2/authorize"
FRAGMENT = "wechat_redirect"
PLACEHOLDER = "微信用户"  # the nickname that the platform gives in place of one that it keeps
_ORDER = ["appid", "redirect_uri", "response_type", "scope", "state"]
_EXTRAS = {"forcePopup", "forceSnapShot", "connect_redirect"}
_STATE = re.compile(r"[A-Za-z0-9_-]{1,128}")
_REASONS = {
    10003: "The host of redirect_uri is not the account's web authorization domain.",
    10005: "The account does not have this scope.",
    10010: "The scope is empty.",
    10011: "The redirect_uri is empty.",
    10012: "The appid is empty.",
    10013: "The state is empty.",
}


class BadLink(Exception):
    """The authorize link does not open. ``code`` is the page's number, 0 where it has none."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(reason or _REASONS[code])
        self.code = code


@dataclass
class Question:
    """An authorization that a person is asked for, or was given silently."""

    person: Person
    redirect_uri: str
    scope: str
    state: str

    def answered(self, code: Code | None) -> str:
        """Where the phone goes next; a refusal carries no code."""
        answer = (
            {"state": self.state} if code is None else {"code": code.value, "state": self.state}
        )
        address, _, fragment = self.redirect_uri.partition("#")
        mark = "&" if "?" in address else "?"
        return address + mark + urlencode(answer) + (f"#{fragment}" if fragment else "")


def question_of(query: str, person: Person, *, app_id: str, hosts: list[str] | None) -> Question:
    """What an authorize link asks for; raises BadLink as the platform's page would (2.1).

    Args:
        query: the raw query of the link.
        hosts: the web authorization domains; None allows the loopback ones.
    """
    pairs = [pair.partition("=")[::2] for pair in query.split("&")]
    raw = dict(pairs)
    for code, name in (
        (10012, "appid"),
        (10011, "redirect_uri"),
        (10010, "scope"),
        (10013, "state"),
    ):
        if not raw.get(name):
            raise BadLink(code)
    names = [name for name, _ in pairs]
    if names[: len(_ORDER)] != _ORDER or not set(names[len(_ORDER) :]) <= _EXTRAS:
        raise BadLink(0, "The parameters are not in the order that the platform demands.")
    if raw["appid"] != app_id:
        raise BadLink(0, "The appid is unknown.")
    if raw["response_type"] != "code":
        raise BadLink(0, "The response_type is not code.")
    if re.search(r"[:/?]", raw["redirect_uri"]):
        raise BadLink(0, "The redirect_uri is not percent-encoded.")
    try:
        target = urlsplit(unquote(raw["redirect_uri"]))
    except ValueError as error:
        raise BadLink(10003) from error
    if target.scheme not in ("http", "https") or not is_allowed(target.netloc, hosts):
        raise BadLink(10003)
    if raw["scope"] not in ("snsapi_base", "snsapi_userinfo"):
        raise BadLink(10005)
    if not _STATE.fullmatch(raw["state"]):
        raise BadLink(0, "The state is longer than 128 characters, or holds strange ones.")
    return Question(person, target.geturl(), raw["scope"], raw["state"])


def is_loopback(host: str) -> bool:
    """Whether a host name means this machine."""
    return host in ("localhost", "::1") or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None


def is_allowed(netloc: str, hosts: list[str] | None) -> bool:
    """Whether a host, with or without its port, is among these; None allows the loopback ones."""
    host = urlsplit(f"//{netloc}").hostname or ""
    if "@" in netloc:
        return False
    return is_loopback(host) if hosts is None else host in hosts or netloc in hosts


class Authorize(Screen):
    """Asks the person, or sends them on at once where nothing is to be asked (2.1)."""

    def get(self) -> None:
        simulator = self.simulator
        if "MicroMessenger" not in self.request.headers.get("User-Agent", ""):
            self.notice(self._("Please open this link in the WeChat client."))
            return
        person = self.person_of_phone()
        try:
            question = question_of(
                self.request.query,
                person,
                app_id=simulator.app_id,
                hosts=simulator.oauth_hosts,
            )
        except BadLink as bad:
            self.notice(self._("This link cannot be opened."), self._(str(bad)), code=bad.code)
            return
        snapshot = (
            question.scope == "snsapi_userinfo"
            and person.snapshot
            and "X-Simulator-Full-Service" not in self.request.headers
        )
        if question.scope == "snsapi_base" or snapshot:
            self.redirect(question.answered(new_code(simulator.world, question, snapshot=snapshot)))
            return
        ticket = random_text(32)
        simulator.questions[ticket] = question
        self.render(
            "simulator/consent.html",
            question=question,
            ticket=ticket,
            account_name=simulator.world.account_name,
        )


class Answer(Screen):
    """What the person said on the consent page."""

    def post(self) -> None:
        question = self.simulator.questions.pop(self.get_body_argument("ticket", ""), None)
        if question is None:
            self.notice(self._("This page is out of date."))
            return
        allowed = self.get_body_argument("answer", "") == "allow"
        code = new_code(self.simulator.world, question) if allowed else None
        self.redirect(question.answered(code))


def new_code(world: World, question: Question, *, snapshot: bool = False) -> Code:
    """A code for one visit, that lives five minutes."""
    ends = world.clock.monotonic() + CODE_SECONDS
    code = Code(random_text(32), question.person, question.scope, ends, snapshot)
    world.codes[code.value] = code
    return code


class Incomplete(Screen):
    """What the phone shows for an authorize link without its end."""

    def get(self) -> None:
        reason = self._("The link does not end in #wechat_redirect.")
        self.notice(self._("This link cannot be opened."), reason)


class Sns(Api):
    """A call of ``/sns/*``: UTF-8 that does not say so."""

    content_type = "text/plain"

    def user_token(self) -> UserToken:
        """The person's token that came with the call, and belongs to the openid beside it."""
        token = self.simulator.world.user_tokens.get(self.query("access_token", missing=41001))
        openid = self.query("openid", missing=41009)
        if token is None:
            raise Failure(40001)
        if self.simulator.world.clock.monotonic() >= token.expires_at:
            raise Failure(42001)
        if token.openid != openid:
            raise Failure(40003)
        return token

    def granted(self, token: UserToken) -> dict[str, Any]:
        """What the exchange and the renewal have in common."""
        world = self.simulator.world
        world.user_tokens[token.value] = token
        world.web_secrets |= {token.value, token.refresh}
        answer: dict[str, Any] = {
            "access_token": token.value,
            "expires_in": int(token.expires_at - world.clock.monotonic()),
            "refresh_token": token.refresh,
            "openid": token.openid,
            "scope": token.scope,
        }
        if token.snapshot:
            answer["is_snapshotuser"] = 1
        return answer


class Exchange(Sns):
    """``GET /sns/oauth2/access_token``: a code becomes an openid, once (2.2)."""

    def reply(self) -> dict[str, Any]:
        app_id = self.get_query_argument("appid", "", strip=False)
        require_account(self, app_id, self.get_query_argument("secret", "", strip=False))
        if self.get_query_argument("grant_type", "") != "authorization_code":
            raise Failure(40002)
        world = self.simulator.world
        now = world.clock.monotonic()
        code = world.codes.get(self.query("code", missing=41008))
        if code is None or now >= code.expires_at:
            raise Failure(40029)
        if code.used:
            raise Failure(40163)
        code.used = True
        token = UserToken(
            value=f"{random_text(3)}_{random_text(100)}",
            refresh=f"{random_text(3)}_{random_text(100)}",
            person=code.person,
            openid="o" + random_text(27) if code.snapshot else code.person.openid,
            unionid="u" + random_text(27) if code.snapshot else code.person.unionid,
            scope=code.scope,
            expires_at=now + USER_TOKEN_SECONDS,
            refresh_expires_at=now + REFRESH_TOKEN_SECONDS,
            snapshot=code.snapshot,
        )
        answer = self.granted(token)
        if token.scope == "snsapi_userinfo":
            answer["unionid"] = token.unionid
        return answer


class Renewal(Sns):
    """``GET /sns/oauth2/refresh_token``: a person's token anew, for 30 days (2.3)."""

    def reply(self) -> dict[str, Any]:
        world = self.simulator.world
        if self.query("appid", missing=41002) != world.app_id:
            raise Failure(40013)
        if self.get_query_argument("grant_type", "") != "refresh_token":
            raise Failure(40002)
        refresh = self.query("refresh_token", missing=41003)
        old = next((one for one in world.user_tokens.values() if one.refresh == refresh), None)
        if old is None:
            raise Failure(40030)
        now = world.clock.monotonic()
        if now >= old.refresh_expires_at:
            raise Failure(42002)
        del world.user_tokens[old.value]
        old.value = f"{random_text(3)}_{random_text(100)}"
        old.expires_at = now + USER_TOKEN_SECONDS
        return self.granted(old)


class UserInfo(Sns):
    """``GET /sns/userinfo``: the profile of a person who agreed (2.4)."""

    def reply(self) -> dict[str, Any]:
        token = self.user_token()
        if token.scope != "snsapi_userinfo" or token.snapshot:
            raise Failure(48001)
        person, known = token.person, self.simulator.world.regions
        nameless = self.simulator.world.placeholder_names
        return {
            "openid": person.openid,
            "nickname": PLACEHOLDER if nameless else person.nickname,
            "sex": person.sex if known else 0,
            "language": person.language,
            "province": person.province if known else "",
            "city": person.city if known else "",
            "country": person.country if known else "",
            "headimgurl": "" if nameless else self.simulator.base_url + person.avatar,
            "privilege": person.privilege,
            "unionid": person.unionid,
        }


class UserTokenCheck(Sns):
    """``GET /sns/auth``: whether a person's token still works (2.5)."""

    def reply(self) -> dict[str, Any]:
        self.user_token()
        return {"errcode": 0, "errmsg": "ok"}
