"""Everything that the web floor asks for something, in one place."""

from dataclasses import dataclass

from wx.service.accounts import Accounts
from wx.service.api_keys import ApiKeys
from wx.service.authorization import Authorizations
from wx.service.binding import Bindings
from wx.service.callback import Callbacks
from wx.service.codes import Codes
from wx.service.credential import Credentials
from wx.service.entry import Entries
from wx.service.health import Health
from wx.service.hub import Hub
from wx.service.inbox import Inbox
from wx.service.invites import Invites
from wx.service.jssdk import JsSdk
from wx.service.outbox import Outbox
from wx.service.pictures import Pictures
from wx.service.rate import Rate
from wx.service.reader import Readers
from wx.service.scan_login import ScanLogins
from wx.service.sessions import Sessions
from wx.service.templates import Templates
from wx.service.views import Views


@dataclass(frozen=True, slots=True)
class Services:
    """One of each; made by ``wx.app``."""

    sessions: Sessions
    accounts: Accounts
    api_keys: ApiKeys
    authorizations: Authorizations
    invites: Invites
    views: Views
    bindings: Bindings
    callbacks: Callbacks
    codes: Codes
    inbox: Inbox
    outbox: Outbox
    readers: Readers
    entries: Entries
    jssdk: JsSdk
    pictures: Pictures
    scan_logins: ScanLogins
    test_rate: Rate  # of the test notices that an account may ask for
    templates: Templates
    access_token: Credentials
    hub: Hub
    health: Health
