"""A message template of the category library, and what its fields may hold (4.1)."""

import re
from dataclasses import dataclass

_TYPED = re.compile(r"([a-z_]+?)\d+")
_MARK = re.compile(r"\{\{(\w+)\.DATA\}\}")
_CHINESE = r"\u4e00-\u9fff"
_CLOCK = r"([01]?\d|2[0-4]):[0-5]\d(:[0-5]\d)?"
_DATE = r"(\d{4}年\d{1,2}月\d{1,2}日|\d{4}[-/]\d{1,2}[-/]\d{1,2})"
_TIME = rf"({_DATE} ?)?{_CLOCK}"
_DAY = rf"{_DATE}( ?{_CLOCK})?"

# What the value of a keyword of each type must look like as a whole.
_TYPES = {
    "thing": r".{1,20}",
    "short_thing": r".{1,5}",
    "number": r"-?(?=[\d.]{1,32}$)\d+(\.\d+)?",
    "letter": r"[A-Za-z]{1,32}",
    "symbol": r"[^\w\s]{1,5}",
    "character_string": r"[!-~ ]{1,32}",
    "time": rf"{_TIME}(~{_TIME})?",
    "date": rf"{_DAY}(~{_DAY})?",
    "amount": r"\D?\d{1,10}(\.\d+)?元?",
    "phone_number": r"[\d+() -]{1,17}",
    "car_number": rf"[A-Za-z0-9{_CHINESE}][A-Za-z0-9]{{0,6}}[A-Za-z0-9{_CHINESE}]?",
    "name": rf"([{_CHINESE}·]|[^{_CHINESE}]){{1,10}}|[^{_CHINESE}]{{1,20}}",
    "phrase": rf"[{_CHINESE}]{{1,5}}",
    "const": r".{1,20}",
    "enum_string": r".{1,20}",
}


@dataclass(frozen=True)
class Template:
    """``content`` is the text with ``{{thing1.DATA}}`` marks, a line for each keyword."""

    id: str
    title: str
    content: str
    example: str

    @property
    def keywords(self) -> list[str]:
        """The names of the fields, in the order of the text."""
        return _MARK.findall(self.content)

    def problem(self, data: dict[str, object]) -> str | None:
        """What is wrong with the first bad field, in the platform's words, or None."""
        for keyword in self.keywords:
            entry = data.get(keyword)
            value = entry.get("value") if isinstance(entry, dict) else None
            if not isinstance(value, str) or not value.strip():
                return f"data.{keyword}.value is empty"
            typed = _TYPED.fullmatch(keyword)
            pattern = _TYPES.get(typed[1], ".*") if typed else ".*"
            if not re.fullmatch(pattern, value):  # `.` takes no line break, nor does WeChat
                return f"data.{keyword}.value invalid"
        return None

    def lines(self, data: dict[str, object]) -> list[tuple[str, str]]:
        """Each line of the text as its label and its value, for the card in the chat."""
        lines = []
        for line in self.content.splitlines():
            label, _, _ = line.partition("{{")
            for keyword in _MARK.findall(line):
                entry = data.get(keyword)
                value = entry.get("value", "") if isinstance(entry, dict) else ""
                lines.append((label.rstrip(" :："), str(value)))
        return lines


SAMPLE = Template(
    id="SimTemplate0001_noticeThing1Time2_aaaaaaaaa",
    title="系统通知",
    content="内容：{{thing1.DATA}}\n时间：{{time2.DATA}}",
    example="内容：备份已完成\n时间：2024-07-12 09:30",
)
