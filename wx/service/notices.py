"""Notices to a follower: as a template message where one is configured, else as plain text."""

import logging
import secrets

from wx.clock import Clock, when
from wx.config import Config
from wx.errors import PlatformError, Refused, Remedy
from wx.model import Binding
from wx.wechat.messages import Messages

log = logging.getLogger(__name__)

FIELD_CHARACTERS = 20  # of a template field of the type `thing` (platform document, 4.1)

_REASONS = {
    43004: (
        409,
        "not-following",
        "This WeChat does not follow the account. Follow it, then try again.",
    ),
    45015: (
        409,
        "window-closed",
        "WeChat only lets through a message within 48 hours of one of yours. Send the account"
        " any message, then try again.",
    ),
    45047: (
        409,
        "window-full",
        "WeChat lets through no more messages for now. Send the account any message, then try"
        " again.",
    ),
    43101: (409, "blocked", "This WeChat does not accept messages of this kind."),
    48002: (409, "blocked", "This WeChat does not accept messages of this kind."),
}


class Notices:
    """Sends one notice at once."""

    def __init__(self, messages: Messages, clock: Clock, config: Config) -> None:
        self._messages = messages
        self._clock = clock
        self._config = config

    async def send(self, openid: str, text: str, *, url: str = "") -> None:
        """Send a text, with a link where one is given.

        Raises:
            PlatformError: it was not accepted.
        """
        template = self._config.notice_template
        if template is None:
            await self._messages.send_text(openid, f"{text}\n{url}" if url else text)
            return
        # A field takes no line breaks; what is cut can be read on the linked page, if any.
        line = " ".join(text.split())
        if len(line) > FIELD_CHARACTERS:
            line = line[: FIELD_CHARACTERS - 1] + "…"
        fields = {template.field: line}
        if template.time_field:
            fields[template.time_field] = when(self._clock.now())
        await self._messages.send_template(
            openid,
            template.id,
            fields,
            url=url,
            client_msg_id=secrets.token_hex(16),
        )

    async def send_test(self, binding: Binding, text: str) -> None:
        """Send a test notice to the person of a binding.

        Raises:
            Refused: 409 they cannot be reached, and why; 502 or 503 platform trouble.
        """
        if binding.follower.following is False:
            raise _refusal(43004)  # the platform would say the same, and need not be asked
        try:
            await self.send(binding.follower.profile.openid, text)
        except PlatformError as error:
            log.warning("test notice of binding %d not sent: %s", binding.id, error)
            if error.errcode in _REASONS:
                raise _refusal(error.errcode) from error
            if error.remedy in (Remedy.RETRY, Remedy.PAUSE):
                raise Refused(
                    503,
                    "unavailable",
                    "WeChat cannot be reached just now. Please try again in a moment.",
                    retry_after=10,
                ) from error
            raise Refused(
                502,
                "platform-error",
                "WeChat did not accept the notice (error %(errcode)s). The operator finds more"
                " in the log.",
                errcode=error.errcode,
            ) from error


def _refusal(errcode: int) -> Refused:
    status, code, message = _REASONS[errcode]
    return Refused(status, code, message)
