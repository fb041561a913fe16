"""Everything that the web floor asks for something, in one place."""

from dataclasses import dataclass

from wx.service.api_keys import ApiKeys
from wx.service.binding import Bindings
from wx.service.callback import Callbacks
from wx.service.codes import Codes
from wx.service.credential import Credentials
from wx.service.health import Health
from wx.service.hub import Hub
from wx.service.inbox import Inbox
from wx.service.invites import Invites
from wx.service.outbox import Outbox
from wx.service.rate import Rate
from wx.service.reader import Readers
from wx.service.sessions import Sessions
from wx.service.templates import Templates


@dataclass(frozen=True, slots=True)
class Services:
    """One of each; made by ``wx.app``."""

    sessions: Sessions
    api_keys: ApiKeys
    invites: Invites
    bindings: Bindings
    callbacks: Callbacks
    codes: Codes
    inbox: Inbox
    outbox: Outbox
    readers: Readers
    test_rate: Rate  # of the test notices that an account may ask for
    templates: Templates
    access_token: Credentials
    hub: Hub
    health: Health
