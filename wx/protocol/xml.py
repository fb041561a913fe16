"""The platform's XML: read without trust, written so that any text is safe.

The only file that knows lxml (platform document, 3.2; its settings are the security document's).
"""

import re
import threading
from collections.abc import Mapping
from typing import Any, TypeAlias, Union

Value: TypeAlias = Union[str, "Fields", list["Value"]]
Fields: TypeAlias = dict[str, Value]

LIMIT = 131072  # bytes of a body
_DEPTH = 8
_ELEMENTS = 500
_TAGS = 2 * _ELEMENTS  # with comments and instructions, if there are any

# All that the platform calls its elements, and we ours (platform document, 3.2 to 3.8); those of
# every message come first, since they are tried in this order.
_NAMES = (
    rb"xml|ToUserName|FromUserName|CreateTime|MsgType|Content|MsgId|Event|EventKey|Encrypt|"
    rb"MsgDataId|Idx|bizmsgmenuid|PicUrl|MediaId|MediaId16K|Format|Recognition|"
    rb"ThumbMediaId|Location_X|Location_Y|Scale|Label|Title|Description|Url|FileKey|"
    rb"FileMd5|FileTotalLen|Ticket|Latitude|Longitude|Precision|MenuId|ScanCodeInfo|"
    rb"ScanType|ScanResult|SendPicsInfo|Count|PicList|item|PicMd5Sum|SendLocationInfo|"
    rb"Poiname|MsgID|Status|SubscribeMsgPopupEvent|SubscribeMsgChangeEvent|"
    rb"SubscribeMsgSentEvent|List|TemplateId|SubscribeStatusString|PopupScene|ErrorCode|"
    rb"ErrorStatus|TotalCount|FilterCount|SentCount|ErrorCount|CopyrightCheckResult|"
    rb"CheckState|ResultList|ArticleIdx|UserDeclareState|AuditState|OriginalArticleUrl|"
    rb"OriginalArticleType|CanReprint|NeedReplaceContent|NeedShowReprintSource|"
    rb"ArticleUrlResult|ArticleUrl|PublishEventInfo|publish_id|publish_status|article_id|"
    rb"article_detail|count|idx|article_url|fail_idx|ExpiredTime|FailTime|FailReason|"
    rb"OpenID|AppID|UnionID|RevokeInfo|openid|appid|unionid|SessionFrom|KfAccount|"
    rb"FromKfAccount|ToKfAccount|MsgSignature|TimeStamp|Nonce|Image|Voice|Video|Music|"
    rb"MusicUrl|HQMusicUrl|ArticleCount|Articles|TransInfo"
)

_PARSER = {
    "encoding": "utf-8",  # whatever the declaration or the first bytes say
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "dtd_validation": False,
    "attribute_defaults": False,
    "huge_tree": False,
    "recover": False,
    "remove_comments": True,
    "remove_pis": True,
}

# All patterns are possessive, so that no body makes them look twice at a byte.
#
# Before the root nothing but a declaration, blanks, comments and instructions: a DOCTYPE does not
# even reach the parser.
_BEGINNING = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:\s+|<\?.*?\?>|<!--.*?-->)*+<xml[\s/>]",
    re.DOTALL,
)
# An unfinished one reaches to the end.
_CDATA = re.compile(rb"<!\[CDATA\[[^\]]*+(?:\](?!\]>)[^\]]*+)*+(?:\]\]>|\Z)")
# What the platform writes: tags that are a known name and nothing else, and after each CDATA, or a
# text without references, or few blanks: sixteen and more are a name to the parser.
_PLAIN = re.compile(
    rb"(?=<xml>)(?:</?(?:%b)/?>(?:%b|[^<&\s][^<&]*+|\s{1,15}+(?=<|\Z))*+)*+"
    % (_NAMES, _CDATA.pattern)
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class BadXML(ValueError):
    """A body that is not the platform's XML; the reason holds nothing of the body."""


def read(body: bytes) -> Fields:
    """The elements in the root ``xml``, by name: a text, or for nested elements a dict; where a
    nested one is repeated, a list. Attributes, comments and instructions are dropped, texts are
    whole and :func:`clean`.

    Raises:
        BadXML: not well-formed in UTF-8, a DOCTYPE, an entity, another root, a namespace, an
            element of the root twice, text between them, or too long, deep or many; or there is no
            thread left to read it in.
    """
    if len(body) > LIMIT:
        raise BadXML("too long")
    plain = _PLAIN.fullmatch(body)
    if not plain and not _BEGINNING.match(body):
        raise BadXML("it does not begin with the element xml")
    if body.count(b"<") > _TAGS and _CDATA.sub(b"", body).count(b"<") > _TAGS:
        raise BadXML("too many elements")  # before the parser makes a tree of them
    return _parse(body) if plain else _parse_apart(body)


def write(fields: Mapping[str, object]) -> bytes:
    """The element ``xml`` around ``fields``, in one line of UTF-8 without a declaration: texts as
    CDATA and :func:`clean`, numbers bare, a mapping nested, a list as the element repeated.

    Raises:
        ValueError: a name is none.
        TypeError: a value is something else.
    """
    return f"<xml>{_elements(fields)}</xml>".encode()


def clean(text: str) -> str:
    """``text`` without what XML cannot carry or nobody can see: control characters except tab and
    line breaks, lone surrogates, U+FFFE and U+FFFF."""
    return text if text.isprintable() else _UNPRINTABLE.sub("", text)


def _parse(body: bytes) -> Fields:
    # Imported here, because a server without a webhook never needs it.
    from lxml import etree  # type: ignore[import-untyped]

    try:
        # A parser of its own for each body: one that is used again remembers.
        root = etree.fromstring(body, etree.XMLParser(**_PARSER))
    except etree.LxmlError:
        raise BadXML("not well-formed") from None
    if root.getroottree().docinfo.doctype:
        raise BadXML("a document type")
    if root.tag != "xml":
        raise BadXML("the root is not xml")
    if (root.text or "").strip():
        raise BadXML("text between the elements")
    return _Reader().fields(root, depth=2)


def _parse_apart(body: bytes) -> Fields:
    """What :func:`_parse` does, for a body that the platform would not write.

    The parser keeps each name that it meets in a table, which belongs to the thread and lives as
    long as it: whoever posts made-up names, signed or not, would fill the memory for good. Here
    they go with the thread, for a tenth of a millisecond more.
    """
    found: list[Fields] = []
    reasons: list[str] = []  # not the errors: each would keep its thread's frames, and they it

    def parse() -> None:
        try:
            found.append(_parse(body))
        except BadXML as error:
            reasons.append(str(error))
        except Exception:  # would be printed with the body's content, and the caller told nothing
            reasons.append("it cannot be read")

    thread = threading.Thread(target=parse, name="xml")
    try:
        thread.start()
    except RuntimeError:  # the system gives no more threads
        raise BadXML("it cannot be read now") from None
    thread.join()  # not for long: no body within LIMIT takes the parser more than ten milliseconds
    if not found:
        raise BadXML(*reasons)
    return found[0]


class _Reader:
    """Turns one document into fields, and counts."""

    def __init__(self) -> None:
        self._left = _ELEMENTS - 1  # the root is one

    def fields(self, parent: Any, *, depth: int) -> Fields:
        """The children of ``parent``, who are ``depth`` deep."""
        if depth > _DEPTH and len(parent):
            raise BadXML("too deep")
        self._left -= len(parent)
        if self._left < 0:
            raise BadXML("too many elements")
        fields: Fields = {}
        for child in parent:
            name = child.tag
            if not isinstance(name, str):  # the parser has a node for an entity it left alone
                raise BadXML("an entity")
            if name[0] == "{":
                raise BadXML("a namespace")
            if depth == 2 and (child.tail or "").strip():
                raise BadXML("text between the elements")
            value = self.fields(child, depth=depth + 1) if len(child) else clean(child.text or "")
            if name not in fields:
                fields[name] = value
            elif depth == 2:
                raise BadXML("an element twice")
            elif isinstance(among := fields[name], list):
                among.append(value)
            else:
                fields[name] = [among, value]
        return fields


def _elements(fields: Mapping[str, object]) -> str:
    return "".join(_element(name, value) for name, value in fields.items())


def _element(name: str, value: object) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("not a name for an element")
    if isinstance(value, str):
        # After cleaning, which may bring the three together.
        return f"<{name}><![CDATA[{clean(value).replace(']]>', ']]]]><![CDATA[>')}]]></{name}>"
    if isinstance(value, Mapping):
        return f"<{name}>{_elements(value)}</{name}>"
    if isinstance(value, list | tuple):
        return "".join(_element(name, one) for one in value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"<{name}>{value}</{name}>"
    raise TypeError(f"{name} is neither a text, a number, a mapping nor a list")
