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


# The first of the account's templates: a title, and when.
SAMPLE = Template(
    id="SimTemplate0001_noticeThing1Time2_aaaaaaaaa",
    title="系统通知",
    content="内容：{{thing1.DATA}}\n时间：{{time2.DATA}}",
    example="内容：备份已完成\n时间：2024-07-12 09:30",
)

# More of them, with other types of fields.
TEMPLATES = (
    Template(
        id="SimTemplate0002_alarmOfAMachine_bbbbbbbbbbb",
        title="设备告警通知",
        content=(
            "设备编号：{{character_string1.DATA}}\n告警内容：{{thing2.DATA}}\n"
            "告警时间：{{time3.DATA}}\n告警级别：{{phrase4.DATA}}"
        ),
        example=(
            "设备编号：srv-03\n告警内容：磁盘已用 91%\n"
            "告警时间：2024-07-12 09:30:00\n告警级别：严重"
        ),
    ),
    Template(
        id="SimTemplate0003_paymentOfAnOrder_cccccccccc",
        title="订单支付成功通知",
        content=(
            "订单编号：{{character_string1.DATA}}\n商品名称：{{thing2.DATA}}\n"
            "数量：{{number3.DATA}}\n支付金额：{{amount4.DATA}}\n支付时间：{{time5.DATA}}"
        ),
        example=(
            "订单编号：20240712001\n商品名称：云服务器续费\n"
            "数量：1\n支付金额：￥99.00\n支付时间：2024年7月12日 09:30"
        ),
    ),
    Template(
        id="SimTemplate0004_visitorAtTheDoor_dddddddddd",
        title="访客到访提醒",
        content=(
            "访客姓名：{{name1.DATA}}\n联系电话：{{phone_number2.DATA}}\n"
            "车牌号码：{{car_number3.DATA}}\n到访日期：{{date4.DATA}}\n状态：{{const5.DATA}}"
        ),
        example=(
            "访客姓名：王小明\n联系电话：0755-1234567\n"
            "车牌号码：粤B12345\n到访日期：2024年7月12日\n状态：已登记"
        ),
    ),
)

# What people can accept in a pop-up, one notice at a time (4.3).
SUBSCRIPTIONS = (
    Template(
        id="SimSubscribe001_aTaskIsDone_eeeeeeeeeeeeeee",
        title="任务完成提醒",
        content="任务名称：{{thing1.DATA}}\n完成时间：{{time2.DATA}}\n备注：{{thing3.DATA}}",
        example="任务名称：数据库备份\n完成时间：2024-07-12 09:30\n备注：用时 3 分钟",
    ),
)
