"""Bindings for programs: who can be reached, and how."""

from collections.abc import Mapping
from typing import Any

from wx.model import Binding
from wx.web.api import ApiHandler, rfc3339


class OneBinding(ApiHandler):
    """To which WeChat an account is bound, and what is known of it."""

    scopes: Mapping[str, str] = {"GET": "bindings:read"}

    async def get(self, name: str) -> None:
        self.query()
        account, binding = await self.services.bindings.of_name(name)
        if binding is None:
            self.answer(200, account=account.name, bound=False)
            return
        self.answer(200, account=account.name, bound=True, **self._shown(binding))

    def _shown(self, binding: Binding) -> dict[str, Any]:
        follower, profile = binding.follower, binding.follower.profile
        left, ends_at = self.services.bindings.window(follower)
        return {
            "openid": profile.openid,
            "unionid": profile.unionid,
            "nickname": profile.nickname,
            "avatar": profile.avatar,
            "language": follower.language,
            "following": follower.following,
            "blocked": follower.blocked_at is not None,
            "window_left": left,
            "window_ends_at": rfc3339(ends_at),
            "route": binding.route,
            "bound_at": rfc3339(binding.bound_at),
        }
