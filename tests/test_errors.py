"""The errors, and what they tell programs and people."""

import pytest

from wx import errors
from wx.errors import ConfigError, PlatformError, Refused, Remedy, StartError


def test_a_refusal_keeps_everything_that_its_answer_needs():
    refusal = Refused(429, "too-fast", "Wait, %(name)s.", retry_after=3, name="ann")
    assert (refusal.status, refusal.code, refusal.retry_after) == (429, "too-fast", 3)
    assert refusal.message % refusal.details == "Wait, ann."
    assert str(refusal) == "429 too-fast", "what is logged holds no details"
    assert Refused(404, "gone", "Gone.").retry_after is None


def test_a_platform_error_names_the_path_and_the_number():
    error = PlatformError(Remedy.REFUSE, 40037, "invalid template_id", path="/cgi-bin/x")
    assert str(error) == "/cgi-bin/x: 40037: invalid template_id"
    assert (error.remedy, error.errcode, error.path) == (Remedy.REFUSE, 40037, "/cgi-bin/x")
    silent = PlatformError(Remedy.RETRY, None, "no answer in time", path="/x")
    assert str(silent) == "/x: no answer: no answer in time"
    assert str(PlatformError(Remedy.RETRY, 0, "ok", path="/x")) == "/x: 0: ok"


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("StartError", 1),
        ("ConfigError", 2),
        ("WrongUse", 2),
        ("AlreadyRunning", 3),
        ("DatabaseNewer", 4),
        ("DatabaseDamaged", 5),
    ],
)
def test_each_bad_start_has_the_exit_code_of_the_interface(kind, code):
    error = getattr(errors, kind)
    assert error.exit_code == code
    assert issubclass(error, StartError)


def test_a_wrong_configuration_names_every_problem():
    error = ConfigError(["port: wrong", "app_id: missing"])
    assert error.problems == ["port: wrong", "app_id: missing"]
    assert str(error) == "port: wrong\napp_id: missing"
