"""The webhook's gate, without a server around it."""

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.support import ManualClock
from tests.vectors import golden
from wx import config
from wx.protocol import signature, xml
from wx.protocol.envelope import Envelope
from wx.service import gate
from wx.service.gate import Gate, Rejected

APP = "wx5a17c0de00000001"
TOKEN = "TokenOfOurWebhook"
AES_KEY = "0fOurWebhook4567890abcdefghijklmnopqrstuvwX"
OTHER_KEY = "AnotherKey234567890abcdefghijklmnopqrstuvwX"
MESSAGE = b"<xml><ToUserName>gh_ours</ToUserName><Content>hello</Content></xml>"
OTHER = MESSAGE.replace(b"hello", b"other")
MODES = ["plain", "compatible", "safe"]

Query = dict[str, list[bytes]]


def make(mode: str = "plain", *, clock: ManualClock | None = None, **keys: str) -> Gate:
    flags = {"app_id": APP, "app_secret": "s" * 32, "webhook_token": TOKEN, "webhook_mode": mode}
    if mode != "plain":
        flags["webhook_aes_key"] = AES_KEY
    sources = config.read(flags=flags | keys, environ={}, file="/dev/null")
    return Gate(clock or ManualClock(), sources.config())


def query(**values: str | bytes) -> Query:
    return {n: [v if isinstance(v, bytes) else v.encode()] for n, v in values.items()}


def signed(
    message: bytes = MESSAGE,
    *,
    mode: str = "plain",
    at: float | str = 1_800_000_000,
    nonce: str = "n0nce",
    token: str = TOKEN,
    aes_key: str = AES_KEY,
    app_id: str = APP,
) -> tuple[Query, bytes]:
    """A delivery as the platform makes it."""
    stamp = at if isinstance(at, str) else str(int(at))
    given = query(signature=signature.sign(token, stamp, nonce), timestamp=stamp, nonce=nonce)
    if mode == "plain":
        return given, message
    envelope = Envelope(token=token, aes_key=aes_key, app_id=app_id)
    sealed = envelope.encrypt(message, salt=b"0123456789abcdef")
    given |= query(
        msg_signature=envelope.signature(stamp, nonce, sealed), encrypt_type="aes", openid="o"
    )
    if mode == "safe":
        return given, xml.write({"ToUserName": "gh_ours", "Encrypt": sealed})
    return given, message[:-6] + f"<Encrypt>{sealed}</Encrypt></xml>".encode()


def check(echo: str | bytes = "4375120948345356249", *, at: str = "1800000000") -> Query:
    """The console's question."""
    given, _ = signed(at=at)
    return given | query(echostr=echo)


def refused(act: Callable[..., object], *given: Any) -> Rejected:
    with pytest.raises(Rejected) as caught:
        act(*given)
    assert re.fullmatch(r"[A-Za-z0-9_ ,:;.?'()令牌消息加解密方式-]{1,100}", caught.value.reason)
    return caught.value


# The console's check


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("echo", ["4375120948345356249", "0", "x" * 512, " a<b>&c~ ", "你"])
def test_a_right_question_is_answered_with_its_word_in_every_mode(mode: str, echo: str) -> None:
    if echo == "你":
        assert refused(make(mode).verify, check(echo)).status == 400
    else:
        assert make(mode).verify(check(echo))[0] == echo


@pytest.mark.parametrize("vector", golden.SIGNATURES)
def test_the_official_questions_are_answered(vector: golden.Signature) -> None:
    asked = query(
        signature=vector.signature,
        timestamp=vector.timestamp,
        nonce=vector.nonce,
        echostr="4375120948345356249",
    )
    assert make(webhook_token=vector.token).verify(asked)[0] == "4375120948345356249"


def test_a_question_may_be_old_because_it_is_how_a_wrong_clock_is_found_out() -> None:
    assert make().verify(check(at="1000000000"))[0] == "4375120948345356249"


@pytest.mark.parametrize("at", ["0000000000", "4294967296", "9999999999"])
def test_a_question_may_come_from_any_age(at: str) -> None:
    echo, kept = make().verify(check(at=at))
    assert echo and kept is not None and len(kept[0]) == 24


def test_a_question_with_a_wrong_signature_gets_no_answer() -> None:
    for wrong in (
        query(signature=signature.sign("OtherToken", "1800000000", "n0nce")),
        query(signature="0" * 40),
        query(nonce="other"),
        query(timestamp="1800000001"),
    ):
        refusal = refused(make().verify, check() | wrong)
        assert refusal.status == 403 and not refusal.alarm


ODD: list[tuple[str, str | bytes]] = [
    ("signature", "0" * 39),
    ("signature", "0" * 41),
    ("signature", "A" * 40),
    ("signature", " " + "0" * 39),
    ("signature", "0" * 40 + "\n"),
    ("signature", b"\xff" * 40),
    ("timestamp", "180000000"),
    ("timestamp", "18000000000"),
    ("timestamp", "-180000000"),
    ("timestamp", "1800000000\n"),
    ("timestamp", "1.80000000"),
    ("timestamp", "1e99999999"),
    ("timestamp", "１８００００００００"),
    ("timestamp", "0x12345678"),
    ("nonce", "a b"),
    ("nonce", "x" * 33),
    ("nonce", "a-b"),
    ("nonce", "a_b"),
    ("nonce", "é"),
    ("nonce", "a\n"),
    ("nonce", b"a\0"),
    ("nonce", "<script>"),
]


@pytest.mark.parametrize(("name", "value"), ODD)
def test_what_is_oddly_shaped_makes_no_sense(name: str, value: str | bytes) -> None:
    for act, given in ((make().verify, [check()]), (make().open, list(signed()))):
        refusal = refused(act, given[0] | query(**{name: value}), *given[1:])
        assert (refusal.status, refusal.reason) == (400, f"{name} is odd")


@pytest.mark.parametrize("name", ["signature", "timestamp", "nonce", "echostr"])
def test_what_is_missing_empty_or_doubled_makes_no_sense(name: str) -> None:
    asked = check()
    for values, state in (
        (None, "missing"),
        ([], "missing"),
        ([b""], "odd"),
        (asked[name] * 2, "doubled"),
        ([b"", *asked[name]], "doubled"),
    ):
        given = {key: value for key, value in asked.items() if key != name}
        if values is not None:
            given[name] = values
        refusal = refused(make().verify, given)
        assert (refusal.status, refusal.reason) == (400, f"{name} is {state}")
        if name != "echostr":
            assert refused(make().open, given, MESSAGE).status == 400


@pytest.mark.parametrize("nonce", ["a", "0", "Z" * 32, "aB3", "xxxxxx", "260774613"])
def test_a_nonce_is_one_to_thirty_two_letters_and_digits(nonce: str) -> None:
    assert make().open(*signed(nonce=nonce)).fields["Content"] == "hello"


@pytest.mark.parametrize("echo", ["x" * 513, "a\nb", "", b"\xff", b"a\0b", "\x7f"])
def test_a_word_that_is_not_short_and_printable_is_not_sent_back(echo: str | bytes) -> None:
    assert refused(make().verify, check(echo)).status == 400


def test_without_a_token_there_is_no_webhook() -> None:
    closed = make(webhook_token="")
    empty = signed(token="")
    for act, given in ((closed.verify, (check() | empty[0],)), (closed.open, empty)):
        assert refused(act, *given).status == 404
    assert closed.envelope is None


# Messages


@pytest.mark.parametrize("mode", MODES)
def test_a_message_is_let_in_with_its_fields(mode: str) -> None:
    assert make(mode).open(*signed(mode=mode)).fields == {
        "ToUserName": "gh_ours",
        "Content": "hello",
    }


def test_what_is_to_be_kept_of_a_plain_message_is_its_signature_with_a_digest_of_its_body() -> None:
    given, body = signed()
    delivery = make().open(given, body)
    assert delivery.used is not None
    kept, digest = delivery.used
    assert kept == (1_800_000_000).to_bytes(4) + bytes.fromhex(given["signature"][0].decode())
    assert digest == hashlib.sha256(body).digest()
    assert make().verify(check())[1] == (kept, hashlib.sha256(b"GET").digest())


@pytest.mark.parametrize("mode", ["compatible", "safe"])
def test_the_signature_of_a_sealed_message_covers_it_and_need_not_be_kept(mode: str) -> None:
    assert make(mode).open(*signed(mode=mode)).used is None
    assert make(mode).verify(check())[1] is None


def test_a_message_that_is_printed_shows_nothing_of_itself() -> None:
    assert "hello" not in repr(make().open(*signed()))


@pytest.mark.parametrize("mode", MODES)
def test_only_where_messages_are_sealed_answers_are(mode: str) -> None:
    assert (make(mode).envelope is None) is (mode == "plain")


@pytest.mark.parametrize("demanded", MODES)
@pytest.mark.parametrize("sent", MODES)
def test_the_configuration_says_what_is_demanded_and_not_the_request(
    demanded: str, sent: str
) -> None:
    opened: Mapping[str, object] | None
    try:
        opened = make(demanded).open(*signed(mode=sent)).fields
    except Rejected as refusal:
        assert refusal.status in (400, 403)
        opened = None
    message = {"ToUserName": "gh_ours", "Content": "hello"}
    if demanded == "plain":
        # An Encrypt in there is a field like any other, and is no message.
        assert (opened or {}).get("Content") in (None, "hello")
    elif demanded == "compatible":
        assert opened == (message if sent != "plain" else None)
    else:
        assert opened == (message if sent == "safe" else None)


@pytest.mark.parametrize(
    ("demanded", "sent", "reason"),
    [
        ("plain", "safe", "sealed, and webhook_mode is plain: "),
        ("compatible", "plain", "not sealed, and webhook_mode is compatible: "),
        ("safe", "plain", "not sealed, and webhook_mode is safe: "),
        ("safe", "compatible", "sealed and plain too, webhook_mode is safe: "),
    ],
)
def test_a_console_that_has_another_mode_is_what_the_log_points_at(
    demanded: str, sent: str, reason: str
) -> None:
    refusal = refused(make(demanded).open, *signed(mode=sent))
    assert refusal.status == 400 and not refusal.alarm
    assert refusal.reason.startswith(reason) and "消息加解密方式" in refusal.reason


@pytest.mark.parametrize("mode", ["compatible", "safe"])
def test_no_parameter_makes_a_plain_message_pass_for_a_sealed_one(mode: str) -> None:
    given, body = signed()
    for more in (
        query(encrypt_type="raw"),
        query(encrypt_type="aes"),
        query(encrypt_type="aes", msg_signature=given["signature"][0]),
        query(msg_signature=signature.sign(TOKEN, "1800000000", "n0nce", "")),
    ):
        for sent in (body, body[:-6] + b"<Encrypt></Encrypt></xml>"):
            assert refused(make(mode).open, given | more, sent).status in (400, 403)


def test_in_safe_mode_nothing_stands_beside_the_sealed_message() -> None:
    given, body = signed(mode="safe")
    for more in (b"<Content>x</Content>", b"<FromUserName>o</FromUserName>", b"<New/>"):
        refusal = refused(make("safe").open, given, body[:-6] + more + b"</xml>")
        assert refusal.status == 400 and "sealed and plain too" in refusal.reason
    bare = re.sub(rb"<ToUserName>.*?</ToUserName>", b"", body)
    assert make("safe").open(given, bare).fields["Content"] == "hello"


def test_in_compatible_mode_what_stands_beside_the_sealed_message_does_not_count() -> None:
    given, body = signed(mode="compatible")
    forged = body.replace(b"hello", b"forged")
    assert make("compatible").open(given, forged).fields["Content"] == "hello"


@pytest.mark.parametrize("mode", ["compatible", "safe"])
def test_a_sealed_message_needs_its_own_signature_and_the_other_does_not_count(mode: str) -> None:
    given, body = signed(mode=mode)
    other, _ = signed(OTHER, mode=mode)
    for wrong in (other["msg_signature"][0], given["signature"][0], b"0" * 40):
        refusal = refused(make(mode).open, given | query(msg_signature=wrong), body)
        assert (refusal.status, refusal.alarm) == (403, False)
    assert refused(make(mode).open, given | {"msg_signature": []}, body).status == 400
    doubled = given | {"msg_signature": given["msg_signature"] * 2}
    assert refused(make(mode).open, doubled, body).status == 400
    without = {name: value for name, value in given.items() if name != "signature"}
    assert make(mode).open(without, body).fields["Content"] == "hello"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"token": "OtherToken"}, 403),
        ({"aes_key": OTHER_KEY}, 403),
        ({"app_id": "wxother"}, 403),
        ({"app_id": APP + "x"}, 403),
        ({"app_id": APP[:-1]}, 403),
        ({"token": TOKEN.lower()}, 403),
    ],
)
def test_whoever_knows_less_than_all_is_not_let_in(
    mode: str, wrong: dict[str, str], status: int
) -> None:
    given, body = signed(mode=mode, **wrong)
    if mode == "plain" and "token" not in wrong:
        assert make(mode).open(given, body)
    else:
        refusal = refused(make(mode).open, given, body)
        assert (refusal.status, refusal.alarm) == (status, False)


def test_all_damage_of_a_sealed_message_has_one_reason() -> None:
    reasons = set()
    envelope = Envelope(token=TOKEN, aes_key=AES_KEY, app_id=APP)
    right = envelope.encrypt(MESSAGE, salt=b"0" * 16)
    for sealed in (
        Envelope(token=TOKEN, aes_key=OTHER_KEY, app_id=APP).encrypt(MESSAGE, salt=b"0" * 16),
        Envelope(token=TOKEN, aes_key=AES_KEY, app_id="wxother").encrypt(MESSAGE, salt=b"0" * 16),
        right[:-4],
        right[:40],
        "QUJD" + right[4:],
        right[:-8] + "QUJDRA==",
        right + "\n",
        "x",
        "é",
    ):
        given, _ = signed(mode="safe")
        given["msg_signature"] = [envelope.signature("1800000000", "n0nce", sealed).encode()]
        refusal = refused(make("safe").open, given, xml.write({"Encrypt": sealed}))
        reasons.add((refusal.status, refusal.reason, refusal.alarm))
    assert len(reasons) == 1 and reasons.pop()[0] == 403


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("off", "status"),
    [(0, 0), (-599, 0), (599, 0), (-600, 0), (600, 0), (-601, 403), (601, 403), (-86400, 403)],
)
def test_a_timestamp_may_be_ten_minutes_off(mode: str, off: int, status: int) -> None:
    given = signed(mode=mode, at=1_800_000_000 + off)
    if not status:
        assert make(mode).open(*given).fields["Content"] == "hello"
        return
    refusal = refused(make(mode).open, *given)
    assert refusal.status == status
    assert ("ahead" if off > 0 else "old") in refusal.reason and str(abs(off)) in refusal.reason


@pytest.mark.parametrize("stamp", ["0000000000", "9999999999"])
def test_a_timestamp_from_another_age_is_refused(stamp: str) -> None:
    assert refused(make().open, *signed(at=stamp)).status == 403


def test_a_stale_request_does_not_use_its_signature_up() -> None:
    clock = ManualClock()
    opened = make(clock=clock)
    ahead = signed(at=clock.now() + 601)
    assert refused(opened.open, *ahead).status == 403
    clock.advance(1)
    other = signed(OTHER, at=clock.now() + 600)
    assert opened.open(*other).fields["Content"] == "other"


@pytest.mark.parametrize("mode", MODES)
def test_a_message_for_another_account_is_refused_where_ours_is_known(mode: str) -> None:
    message = MESSAGE.replace(b"gh_ours", b"gh_theirs")
    for sent, status in ((MESSAGE, 0), (message, 403), (b"<xml><a>1</a></xml>", 403)):
        given = signed(sent, mode=mode)
        opened = make(mode, original_id="gh_ours")
        if status:
            assert refused(opened.open, *given).status == status
        else:
            assert opened.open(*given)
        assert make(mode).open(*given), "where it is not known, any will do"


def test_a_body_of_more_than_128_kib_is_refused_before_anything_is_read() -> None:
    assert gate.BODY_BYTES == 131072
    start, end = b"<xml><ToUserName>gh_ours</ToUserName><Content>", b"</Content></xml>"
    fits = start + b"x" * (gate.BODY_BYTES - len(start) - len(end)) + end
    assert make().open(*signed(fits)).fields["ToUserName"] == "gh_ours"
    longer = fits.replace(b"xx", b"xxx", 1)
    assert len(longer) == gate.BODY_BYTES + 1
    assert refused(make().open, *signed(longer)).reason == "the body is too large"
    assert refused(make().open, {}, longer).reason == "the body is too large"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("body", [b"", b"x", b"{}", b"<a/>", b"<!DOCTYPE xml><xml/>", b"\xff\xfe"])
def test_what_is_no_xml_of_the_platform_makes_no_sense(mode: str, body: bytes) -> None:
    refusal = refused(make(mode).open, *signed(body, mode=mode))
    assert refusal.status == 400 or (mode == "compatible" and refusal.status == 403)
    given, _ = signed(mode=mode)
    assert refused(make(mode).open, given, body).status == 400


def test_where_messages_go_plain_the_signature_is_looked_at_before_the_body() -> None:
    assert refused(make().open, signed(token="Other")[0], b"<!DOCTYPE xml>").status == 403


# Used signatures


@pytest.mark.parametrize("mode", MODES)
def test_a_used_signature_lets_in_the_same_body_and_no_other(mode: str) -> None:
    opened = make(mode)
    given, body = signed(mode=mode)
    first = opened.open(given, body)
    assert opened.open(given, body) == first
    # The signature of a sealed message says nothing of what stands around it.
    other = body.replace(b"hello", b"other") if mode == "plain" else body + b" "
    refusal = refused(opened.open, given, other)
    assert (refusal.status, refusal.alarm) == (403, True)
    assert opened.open(given, body) == first, "and that does not shut the right one out"


def test_the_signature_of_a_question_lets_in_no_message_and_the_other_way_round() -> None:
    given, body = signed()
    asked = given | query(echostr="1")
    one = make()
    assert one.verify(asked) == one.verify(asked)
    assert refused(one.open, given, body).alarm
    other = make()
    other.open(given, body)
    assert refused(other.verify, asked).alarm


def test_a_signature_is_remembered_for_longer_than_it_is_good() -> None:
    clock = ManualClock()
    opened = make(clock=clock)
    given, body = signed(at=clock.now() + 600)
    opened.open(given, body)
    clock.advance(1200)
    opened.open(*signed(at=clock.now()))  # makes it forget what is over
    assert refused(opened.open, given, OTHER).alarm is True, "to its last second"
    assert gate.SEEN_SECONDS > 2 * gate.WINDOW_SECONDS


def test_what_is_over_is_forgotten() -> None:
    clock = ManualClock()
    opened = make(clock=clock)
    for number in range(5):
        opened.open(*signed(nonce=f"n{number}"))
        clock.advance(1)
    assert len(opened._seen) == 5
    clock.advance(gate.SEEN_SECONDS - 3)
    opened.open(*signed(at=clock.now()))
    assert len(opened._seen) == 3


def test_a_question_may_come_again_after_all_is_forgotten() -> None:
    clock = ManualClock()
    asked = make(clock=clock)
    for _ in range(3):
        assert asked.verify(check())[0] == "4375120948345356249"
        clock.advance(gate.SEEN_SECONDS + 1)
        assert asked.verify(check())[0] == "4375120948345356249"
    clock.advance(-clock.now() + 1_800_000_000)
    other = make(clock=clock)
    other.verify(check())
    clock.advance(gate.SEEN_SECONDS + 1)
    assert other.verify(check(at=str(int(clock.now()))))[0]
    assert len(other._seen) == 1


def test_what_another_run_let_in_is_remembered_for_as_long() -> None:
    clock = ManualClock()
    before = make(clock=clock)
    kept = [before.open(*signed(nonce=f"n{n}")).used for n in range(3)]
    after = make(clock=clock)
    after.remember(one for one in kept if one)
    assert after._seen.keys() == before._seen.keys() and len(after._seen) == 3
    assert after.open(*signed(nonce="n1")).used == kept[1]
    assert refused(after.open, signed(nonce="n1")[0], OTHER).alarm
    clock.advance(gate.SEEN_SECONDS + 1)
    after.open(*signed(at=clock.now()))
    assert len(after._seen) == 1


@pytest.mark.parametrize("mode", ["plain", "safe"])
def test_getting_ready_uses_no_signature_up(mode: str) -> None:
    made = make(mode)
    made.warm_up()
    assert not made._seen
    make(webhook_token="").warm_up()


# What others have sealed


@pytest.mark.parametrize("vector", golden.ENVELOPES, ids=lambda one: one.name)
def test_the_published_envelopes_are_opened_at_their_time(vector: golden.Envelope) -> None:
    keys = {
        "app_id": vector.app_id,
        "webhook_token": vector.token,
        "webhook_aes_key": vector.aes_key,
    }
    given = query(
        msg_signature=vector.signature,
        timestamp=vector.timestamp,
        nonce=vector.nonce,
        signature="0" * 40,
    )
    body = xml.write({"ToUserName": "gh_ours", "Encrypt": vector.encrypted})
    clock = ManualClock(float(vector.timestamp))
    if vector.message.startswith(b"<xml>"):
        fields = make("safe", clock=clock, **keys).open(given, body).fields
        assert fields["Content"] == "hello" and fields["MsgId"]
    else:  # opened, and then it is no XML
        refusal = refused(make("safe", clock=clock, **keys).open, given, body)
        assert refusal.status == 400 and refusal.reason.startswith("the body is no message")
    clock.advance(601)
    later = refused(make("safe", clock=clock, **keys).open, given, body)
    assert later.status == (403 if vector.message.startswith(b"<xml>") else 400)
    envelope = make("safe", clock=clock, **keys).envelope
    assert envelope is not None
    assert envelope.encrypt(vector.message, salt=vector.salt) == vector.encrypted
