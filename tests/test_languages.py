"""Both languages: every sentence that people read has a Chinese one beside it."""

import ast
import csv
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LOCALE = ROOT / "templates" / "locale"
_TEMPLATE = re.compile(r"""_\(\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""")
_PLACE = re.compile(r"%\(\w+\)[sd]")


def translations() -> dict[str, str]:
    with (LOCALE / "zh.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file, skipinitialspace=True) if row]
    sentences = [row[0] for row in rows]
    twice = {one for one in sentences if sentences.count(one) > 1}
    assert not twice, f"translated twice: {twice}"
    return {row[0]: row[1] for row in rows}


def in_templates() -> set[str]:
    found = set()
    for path in (ROOT / "templates").rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        found |= {ast.literal_eval(one) for one in _TEMPLATE.findall(text)}
    return found


def in_code() -> set[str]:
    """Sentences of refusals, of the handlers' own words, and of what the follower is told."""
    found: set[str] = set()
    wx = ROOT / "wx"
    spoken = [wx / "protocol" / "errcode.py", wx / "protocol" / "notice.py"]
    for path in [*(wx / "service").glob("*.py"), *(wx / "web").glob("*.py"), *spoken]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            # Any literal with the shape of a sentence: capital letter, blanks, an end.
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if node in _docstrings(tree):
                    continue
                if re.fullmatch(r"[A-Z][^\n]* [^\n]*[.?!:]", node.value):
                    found.add(node.value)
            name = getattr(
                getattr(node, "func", None), "attr", getattr(getattr(node, "func", None), "id", "")
            )
            if isinstance(node, ast.Call) and name in ("Refused", "Explanation", "wrong"):
                # Their sentences may end in a command or a name.
                said = [*node.args, *(word.value for word in node.keywords)]
                found |= {
                    one.value
                    for one in said
                    if isinstance(one, ast.Constant) and " " in str(one.value)
                }
            if isinstance(node, ast.Call) and name == "say":
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    found.add(str(first.value))
    return found


def _docstrings(tree: ast.Module) -> list[ast.expr]:
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return [
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, holders) and node.body and isinstance(node.body[0], ast.Expr)
    ]


def test_every_sentence_of_a_template_is_translated() -> None:
    missing = in_templates() - set(translations())
    assert len(in_templates()) > 80
    assert not missing, sorted(missing)


def test_every_sentence_of_the_code_is_translated() -> None:
    missing = in_code() - set(translations())
    assert len(in_code()) > 30
    assert not missing, sorted(missing)


@pytest.mark.parametrize("english", sorted(translations()))
def test_a_translation_keeps_the_places_for_values(english: str) -> None:
    chinese = translations()[english]
    assert sorted(_PLACE.findall(english)) == sorted(_PLACE.findall(chinese))
    assert chinese.strip(), english


def test_nothing_is_translated_that_nobody_says() -> None:
    sources = [*(ROOT / "wx").rglob("*.py"), *(ROOT / "templates").rglob("*.html")]
    everything = "".join(path.read_text(encoding="utf-8") for path in sources)
    # Sentences are broken over lines in the code: compare without the seams.
    everything = re.sub(r'"\s+f?"', "", everything)
    unused = [one for one in translations() if one not in everything]
    assert not unused, unused
