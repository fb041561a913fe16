"""Health: what the server needs, and whether it has it."""

from wx.errors import StorageUnavailable
from wx.service.courier import Courier
from wx.service.hub import Hub
from wx.store.database import Database
from wx.wechat.access_token import AccessTokenKeeper


class Health:
    """Answers the questions of an operator's watchdog."""

    def __init__(
        self, database: Database, access_token: AccessTokenKeeper, hub: Hub, courier: Courier
    ) -> None:
        self._database = database
        self._access_token = access_token
        self._hub = hub
        self._courier = courier

    async def database_answers(self) -> bool:
        """Whether the database can be read."""
        try:
            await self._database.read(lambda conn: conn.execute("SELECT 1").fetchone())
        except StorageUnavailable:
            return False
        return True

    def access_token_held(self) -> bool:
        """Whether there is an access token that has not ended."""
        return self._access_token.held

    def stolen(self) -> int:
        """How often another program has replaced the access token, since the start."""
        return self._access_token.stolen

    def stolen_today(self) -> int:
        """The same since midnight in China."""
        return self._access_token.stolen_today

    def pauses(self) -> dict[str, tuple[float, int | None]]:
        """The channels that the platform has closed for a while; see :meth:`Courier.pauses`."""
        return self._courier.pauses()

    def waiting(self) -> int:
        """How many live sockets are open."""
        return len(self._hub)
