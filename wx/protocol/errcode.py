"""What WeChat's error numbers mean, whence they come, and what to do (platform document, 4, 11)."""

from dataclasses import dataclass

NOT_LATEST = 40001  # of an access token: another was fetched since


@dataclass(frozen=True, slots=True)
class Explanation:
    """English sentences, which are the keys of their translations.

    Args:
        sentence: what happened.
        cause: why, as a rule.
        cure: what whoever reads it can do.
    """

    sentence: str
    cause: str
    cure: str


def explain(errcode: int) -> Explanation:
    """What is known about ``errcode``; of an unknown one, where to look."""
    return EXPLANATIONS.get(errcode, UNKNOWN)


def clause(errcode: int | None) -> str:
    """What follows an error in a line of the log: the sentence and the cure of ``errcode``, or ""
    where nothing better is known than what WeChat says itself."""
    known = EXPLANATIONS.get(errcode) if errcode is not None else None
    return f"; {known.sentence} {known.cure}" if known else ""


UNKNOWN = Explanation(
    "WeChat refused it with a number that is not known here.",
    "WeChat adds numbers from time to time.",
    "Look the number up in WeChat's documentation; the text beside it may say enough.",
)

# By the numbers that mean the same to whoever reads it.
_TABLE: dict[tuple[int, ...], Explanation] = {
    (-1,): Explanation(
        "WeChat is busy.",
        "Its servers had too much to do, or a fault of their own.",
        "Nothing is wrong here: try again in a moment; notices are tried again by themselves.",
    ),
    # WeChat's consent page shows these to the person; no server of ours hears of them.
    (10003,): Explanation(
        "WeChat's consent page does not lead back to this site.",
        "The host name of public_url is not the one that the account allows.",
        "Enter the host name of public_url, exactly, as the web authorization domain in WeChat's "
        "console.",
    ),
    (10004, 50007): Explanation(
        "The account is frozen or banned in WeChat.",
        "It broke a rule of WeChat's, or its owner froze it.",
        "See the notices in WeChat's console, and settle there what they name.",
    ),
    (10005,): Explanation(
        "The account may not show WeChat's consent page.",
        "Only verified service accounts and test accounts may.",
        "Have the account verified in WeChat's console, or use a sandbox test account.",
    ),
    (10006,): Explanation(
        "The person has to follow this test account first.",
        "A sandbox test account lets in its followers only.",
        "Follow the test account with the code in its console, then scan again.",
    ),
    (10009,): Explanation(
        "WeChat's consent page was asked for too often.",
        "Many people, or a program, opened it within a short time.",
        "Wait a minute, then scan the code again.",
    ),
    (10010, 10011, 10012, 10013): Explanation(
        "WeChat's consent page could not read its address.",
        "A part of the address was lost on its way, or open_base is not WeChat's.",
        "Check open_base, then scan the code on the bind page again.",
    ),
    (10015, 10016): Explanation(
        "WeChat's consent page does not take this app id.",
        "It is the id of an app on WeChat's Open Platform, or of one that speaks for other "
        "accounts.",
        "Set app_id and app_secret to those of the service account itself.",
    ),
    (10700, 43004, 50005): Explanation(
        "The person does not follow the account.",
        "They have left it, or never followed it.",
        "Ask them to follow the account; the bind page shows its code.",
    ),
    (10703, 48002): Explanation(
        "The person has switched the account's messages off.",
        "They blocked the account in WeChat, or took its messages away there.",
        "Ask them to allow the account's messages in WeChat again.",
    ),
    (10706, 45015): Explanation(
        "WeChat's window for customer-service messages is closed.",
        "It is open for 48 hours after the person wrote, and for a minute after they followed, "
        "scanned a code or tapped the menu.",
        "Set notice_template, which needs no window, or ask the person to write to the account.",
    ),
    (40001,): Explanation(
        "WeChat no longer takes the access token, or never took the app secret.",
        "Another program has fetched an access token for the same account; where none can be "
        "fetched at all, the app secret is wrong.",
        "Let every program use stable_token, or this server's GET /api/wechat/access_token "
        "(wechat_server = true); where none can be fetched, check app_secret.",
    ),
    (
        40002,
        40008,
        40031,
        40032,
        40035,
        41001,
        41002,
        41003,
        41004,
        41005,
        41006,
        41007,
        41009,
        43001,
        43002,
        43003,
        44001,
        44002,
        44003,
        47001,
        65400,
    ): Explanation(
        "WeChat found the request malformed.",
        "It is a fault of wxbind, or something between it and WeChat changes the requests.",
        "Check api_base and any proxy in between; if they are right, report the line of the log.",
    ),
    (40003,): Explanation(
        "WeChat does not know this person for this account.",
        "The openid belongs to another account, as it does after a change of app_id.",
        "Check app_id; if it is right, the person has to unbind and bind again.",
    ),
    (40004, 40005, 40006, 40009, 40010, 40011, 40012, 40137, 45001, 45006, 45007): Explanation(
        "WeChat refuses the media file.",
        "Its kind, its size or its length is not what this kind of message allows.",
        "Make the file smaller or change its kind, and upload it again.",
    ),
    (40007, 46001): Explanation(
        "WeChat does not know the media_id.",
        "The material was removed, or it was a temporary one, which lasts three days.",
        "Upload the material again, and use its new media_id.",
    ),
    (40013,): Explanation(
        "WeChat does not know the app id.",
        "It was copied wrongly: a letter's case, or a blank, is enough.",
        "Please check app_id: it is wx and 16 more characters, from WeChat's console.",
    ),
    (40014,): Explanation(
        "WeChat does not know the access token.",
        "It was garbled, or was fetched for another account.",
        "Another is fetched by itself; if this comes again, check app_id and api_base.",
    ),
    (*range(40015, 40029), 40132): Explanation(
        "WeChat refuses a button of the menu that looks right from here.",
        "A type, a name, a key or an address breaks a rule that WeChat has added or changed.",
        "See what WeChat's text names, change that button, and push the menu again.",
    ),
    (40029, 42003): Explanation(
        "The code from WeChat's consent page is over.",
        "It is older than five minutes, or was made for another account.",
        "Scan the code on the bind page again.",
    ),
    (40030, 42002, 42007, 50001): Explanation(
        "What the person once agreed to is over.",
        "It ended by itself after 30 days, or they took it back, or changed their WeChat password.",
        "The person has to agree on WeChat's consent page once more.",
    ),
    (40033,): Explanation(
        "WeChat refuses the text for its characters.",
        "It holds characters that WeChat does not take.",
        "Leave control characters and unusual signs out of the text.",
    ),
    (40036, 40037): Explanation(
        "WeChat does not know this template.",
        "It was removed in WeChat's console, or belongs to another account.",
        "Take the id of one of this account's templates from WeChat's console, for "
        "notice_template, subscribe_template or the notice.",
    ),
    (40039, 40048, 40155, 45005): Explanation(
        "WeChat refuses the link.",
        "It is too long or malformed, or WeChat has blocked its domain.",
        "Use a shorter https link to a domain of your own.",
    ),
    (40054, 40055): Explanation(
        "WeChat refuses the address of a button.",
        "Its domain is blocked in WeChat, or is not one that the account may lead to.",
        "Let the button lead to an https address of your own domain.",
    ),
    (40066,): Explanation(
        "WeChat has no such call.",
        "The address in api_base is not that of WeChat's interface, or a proxy changes it.",
        "Set api_base to https://api.weixin.qq.com, which it is by itself.",
    ),
    (40125,): Explanation(
        "WeChat refuses the app secret.",
        "It was copied wrongly, or has been reset in WeChat's console since.",
        "Please check app_secret; a reset one is shown once, in WeChat's console.",
    ),
    (40163,): Explanation(
        "The code from WeChat's consent page was used already.",
        "The phone came back twice, or the page was reloaded.",
        "Look at the bind page: if nothing is bound there, scan its code again.",
    ),
    (40164,): Explanation(
        "WeChat does not let this server's address fetch access tokens.",
        "The address, which WeChat's text names, is not on the account's IP allowlist.",
        "Add this server's address, named above, to the account's IP allowlist in WeChat's "
        "console.",
    ),
    (40201,): Explanation(
        "WeChat has no address to check: the webhook is not set up there.",
        "Nothing is entered in WeChat's console under server configuration, or it is not enabled.",
        "Enter the webhook's address, token and key in WeChat's console, and enable it.",
    ),
    (40202, 40203): Explanation(
        "WeChat refuses how its check of the webhook was asked for.",
        "The kind of check or the network's name is none that WeChat knows.",
        "Ask for the whole check, without naming a network.",
    ),
    (40226,): Explanation(
        "WeChat takes this person for a risk and refuses them.",
        "WeChat's security watches over accounts that behave oddly.",
        "The person can settle it in WeChat's security centre, or bind another WeChat.",
    ),
    (40243,): Explanation(
        "The app secret is frozen.",
        "Somebody froze it in WeChat's console.",
        "Unfreeze it in WeChat's console, or reset it there and set app_secret anew.",
    ),
    (41008,): Explanation(
        "The phone came back from WeChat without a code.",
        "The person did not agree on WeChat's consent page.",
        "Scan the code on the bind page again, and agree.",
    ),
    (41030,): Explanation(
        "WeChat refuses the page that a message leads to.",
        "The address is malformed, or its mini program is not published or not joined to the "
        "account.",
        "Let the notice lead to an https address, or leave its url away.",
    ),
    (42001,): Explanation(
        "The access token has ended.",
        "The machine slept or its clock jumped, or another program shortened its life.",
        "Another is fetched by itself; if this comes often, check the machine's clock.",
    ),
    (43005,): Explanation(
        "The person is no friend of the account.",
        "This kind of message goes to friends only.",
        "Ask them to follow the account, then send again.",
    ),
    (43019, 62751): Explanation(
        "The person is on the account's blacklist.",
        "Somebody put them there in WeChat's console.",
        "Take them off the blacklist in WeChat's console.",
    ),
    (43101,): Explanation(
        "The person has not accepted this notice, or what they accepted is used up.",
        "Each acceptance is good for one notice, and can be withdrawn in WeChat.",
        "Ask the person to accept the subscription again.",
    ),
    (44004,): Explanation(
        "WeChat refuses an empty text.",
        "Nothing of the text was left, or it was all blanks.",
        "Send a text with something in it.",
    ),
    (45002, 45003, 45004): Explanation(
        "The text is too long for WeChat.",
        "A customer-service message holds about 2,048 bytes, which is some 680 Chinese characters.",
        "Send less text, and link to the rest.",
    ),
    (45008,): Explanation(
        "The message has more articles than WeChat allows.",
        "A customer-service message takes one article.",
        "Send one article in each message.",
    ),
    (45009,): Explanation(
        "The account's calls of the day are used up.",
        "WeChat counts each kind of call for a day, and all programs with this account share the "
        "count.",
        "Try again tomorrow: WeChat counts anew at midnight in China, and queued notices leave "
        "then by themselves.",
    ),
    (45010,): Explanation(
        "The account has as many menus as it may.",
        "Each menu, conditional ones too, counts.",
        "Take a menu away first, then push the new one.",
    ),
    (45011, 45066): Explanation(
        "There were too many calls in this minute.",
        "WeChat bounds how fast one account may call.",
        "Try again in the next minute; queued notices slow down by themselves.",
    ),
    (45026,): Explanation(
        "The account has as many templates as it may.",
        "An account holds 25 message templates.",
        "Remove one in WeChat's console, then add the new one.",
    ),
    (45047,): Explanation(
        "WeChat allows no more customer-service messages just now.",
        "After each of the person's own messages it allows five, after following, a scan or a "
        "menu tap three.",
        "Wait for the person's next message, or set notice_template, which has no such count.",
    ),
    (45065,): Explanation(
        "WeChat has this message already.",
        "It was sent before with the same number of ours.",
        "Nothing is to be done: it is not sent twice.",
    ),
    (45067,): Explanation(
        "WeChat refuses the number that we gave the message.",
        "The number is longer than WeChat takes.",
        "Report it with the line of the log: it is a fault of wxbind.",
    ),
    (45072, 45080, 45081): Explanation(
        "WeChat does not show that somebody is typing.",
        "The person wrote nothing in the last 30 seconds, or it is shown already.",
        "Nothing has to be done: the message itself can still be sent.",
    ),
    (46002, 46003): Explanation(
        "The account has no menu that a program made.",
        "None was pushed yet, or it was made by hand in WeChat's console.",
        "Push one: wxbind menu push FILE.",
    ),
    (46004,): Explanation(
        "WeChat knows no such person.",
        "They closed their WeChat, or the openid was copied wrongly.",
        "The person has to unbind and bind again, with the WeChat they use now.",
    ),
    (47003,): Explanation(
        "A field of the template breaks a rule of its type.",
        "The field that WeChat's text names is empty, too long, or not of its kind: a thing has "
        "20 characters, a time is a time.",
        "Change what the field says; every field of the template must be there.",
    ),
    (48001,): Explanation(
        "The account may not make this call.",
        "It is not verified, or is of a kind that lacks this right, such as a subscription "
        "account.",
        "The account has to be verified in WeChat's console, which lists under its interfaces "
        "what it may do.",
    ),
    (48004,): Explanation(
        "WeChat has barred the account from this call.",
        "Something that was sent broke a rule of WeChat's, such as that against advertising.",
        "See the notices in WeChat's console: they say why and for how long.",
    ),
    (48006,): Explanation(
        "The day's counts cannot be cleared again.",
        "An account may clear them ten times in a month.",
        "Wait until midnight in China, when WeChat counts anew.",
    ),
    (48008,): Explanation(
        "The account may not send this kind of message.",
        "Its kind of account has other messages only.",
        "Send the notice as a template message or as a plain text.",
    ),
    (50002,): Explanation(
        "WeChat has restricted this person.",
        "They broke a rule of WeChat's, or closed their account there.",
        "Reach the person in another way.",
    ),
    (50004,): Explanation(
        "The account may not fetch access tokens.",
        "WeChat has forbidden it, mostly because the account is unverified or was reported.",
        "See the notices in WeChat's console, and have the account verified there.",
    ),
    (*range(61450, 61458), 61500, 61501): Explanation(
        "WeChat refuses the customer-service account.",
        "It does not exist, or its name is malformed.",
        "Check its name in WeChat's console, or leave it away.",
    ),
    (65301, 65302, 65303): Explanation(
        "WeChat refuses a conditional menu.",
        "It needs a plain menu beside it, and conditions that WeChat knows.",
        "Push a plain menu first; conditional ones are made in WeChat's console.",
    ),
    (76001, 76002, 76003, 76004, 76021, 76022): Explanation(
        "WeChat has nothing on record for this question.",
        "The request's number is malformed, older than seven days, or another account's.",
        "Ask with a newer number, taken whole from the log.",
    ),
    (89501, 89503): Explanation(
        "WeChat asks the account's administrator about this server's address.",
        "A new address fetches access tokens, and the administrator has not said yes yet.",
        "Let the account's administrator confirm this server's address in WeChat, or add it to "
        "the IP allowlist.",
    ),
    (89506, 89507): Explanation(
        "The account's administrator has refused this server's address.",
        "WeChat asked them whether it may fetch access tokens, and they said no.",
        "Let the administrator add the address to the IP allowlist, or say yes when WeChat asks "
        "again: after an hour, or after a day.",
    ),
    (200011, 200012, 200013, 200014, 200020, 200021): Explanation(
        "WeChat refuses to add the subscription template.",
        "The account has as many as it may, or the template is not of the account's category.",
        "Remove a template, or choose another, in WeChat's console.",
    ),
}

EXPLANATIONS: dict[int, Explanation] = {
    errcode: explanation for errcodes, explanation in _TABLE.items() for errcode in errcodes
}
