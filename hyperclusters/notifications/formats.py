"""The services' wire formats: addresses, bodies, signatures and answers. Pure: no database, no network.

Names and reasons in a message come from people and from the cloud. They are data: `inert` breaks everything that a
service or its apps read as a mention, a link or markup, and no body carries a list of people to mention.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from hyperclusters.access.models import Service

LONGEST_VALUE = 200  # characters of a name or a reason
LONGEST_ADDRESS = 500
WECOM_LONGEST = 2048  # bytes of a text
ZERO_WIDTH_SPACE = "\u200b"
# Starts of mentions, links and markup, where something follows: `@all`, `<!channel>`, `[x](y)`, `a.example`, `://`.
# Forms of these that apps fold into them: fullwidth and small ones, and the dots that IDNA reads as a full stop.
LOOKALIKES = (
    "\u3002\uff61\u2024\ufe52\uff0e\ufe6b\uff20\ufe64\uff1c\ufe65\uff1e\ufe55\uff1a\uff0f\uff3c\ufe5f\uff03"
)
# At the end of a value too: what follows it in a sentence may be anything, and Chinese has no spaces.
ACTIVE = re.compile(rf"([@<>\[\]!.:/\\#*_`~|&{LOOKALIKES}](?=\S|\Z)|(?<=\S)[\]>](?=\())")
OK = 200
DENIAL_STATUSES = {401, 403, 404, 410}
TOO_MANY = 429


class AddressRefused(Exception):
    """An address that is none of this service's. `cause` is a slug for the sentence that people read."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class MessageRejected(Exception):
    """The service answered, and did not take the message. `cause` is a slug, `detail` the service's own words."""

    def __init__(self, cause: str, detail: str = "") -> None:
        super().__init__(f"{cause}: {detail}")
        self.cause = cause
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Address:
    """Where a chat's messages go. Both are secrets; the signing secret may be empty."""

    url: str
    secret: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """A message: a line, more of it, and where to act."""

    title: str
    body: str
    action: str
    url: str
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Format:
    """How one service is spoken to."""

    path: str  # that its addresses begin with
    key: str  # the query parameter that has the secret; empty if the path has it
    body: Callable[[Text], dict[str, Any]]
    code: Sequence[str] = ()  # where the answer has its own code; 0 is success
    is_signed: bool = False


def inert(value: object) -> str:
    """A name or a reason as plain words on one line: without control characters, and so that no service makes a
    mention, a link or markup of it."""
    words = "".join(
        character
        for character in str(value)
        if unicodedata.category(character)[0] != "C" or character in "\n\t"
    )
    text = " ".join(words.split())
    if len(text) > LONGEST_VALUE:
        text = f"{text[: LONGEST_VALUE - 1]}…"
    return ACTIVE.sub(rf"\1{ZERO_WIDTH_SPACE}", text)


def checked_address(service: str, url: str, hosts: Mapping[str, Sequence[str]]) -> str:
    """The address, if it is one of this service's at an allowed host. Raises AddressRefused."""
    if not re.fullmatch(r"https://[\x21-\x7e]+", url) or len(url) > LONGEST_ADDRESS:
        raise AddressRefused("not_https")
    try:
        parts = urlsplit(url)
        host = f"{parts.hostname}:{parts.port}" if parts.port not in {None, 443} else parts.hostname or ""
    except ValueError:
        raise AddressRefused("not_https") from None
    if "@" in parts.netloc or "\\" in url or host not in hosts.get(service, ()):
        raise AddressRefused("host_not_allowed")
    chat_format = FORMATS[service]
    rest = (
        dict(parse_qsl(parts.query)).get(chat_format.key, "")
        if chat_format.key
        else parts.path[len(chat_format.path) :]
    )
    if not parts.path.startswith(chat_format.path) or ".." in parts.path or parts.fragment or not rest:
        raise AddressRefused("not_its_address")
    return url


def request(service: str, address: Address, text: Text, *, now: float) -> tuple[str, bytes]:
    """The URL to post to and the body, signed if the chat has a secret. `now`: seconds since 1970."""
    body, url = FORMATS[service].body(text), address.url
    if address.secret and service == Service.FEISHU:
        timestamp = str(int(now))
        body = {"timestamp": timestamp, "sign": _sign(f"{timestamp}\n{address.secret}", "")} | body
    elif address.secret and service == Service.DINGTALK:
        milliseconds = str(int(now * 1000))
        sign = _sign(address.secret, f"{milliseconds}\n{address.secret}")
        url = f"{url}&{urlencode({'timestamp': milliseconds, 'sign': sign}, quote_via=quote)}"
    return url, json.dumps(body, ensure_ascii=False).encode(errors="replace")


def check_answer(service: str, status: int, body: bytes) -> None:
    """Raise MessageRejected unless the answer says that the message was taken."""
    if status == TOO_MANY:
        raise MessageRejected("too_many")
    if status in DENIAL_STATUSES:
        raise MessageRejected("revoked", f"HTTP {status}")
    if 300 <= status < 400:
        raise MessageRejected("redirect", f"HTTP {status}")
    if status != OK:
        raise MessageRejected("service_error", f"HTTP {status}")
    if not (names := FORMATS[service].code):
        if body.strip() != b"ok":
            raise MessageRejected("odd_answer")
        return
    try:
        answer = json.loads(body)
        code = next(answer[name] for name in names if name in answer)
    except (ValueError, TypeError, RecursionError, StopIteration):
        raise MessageRejected("odd_answer") from None
    if code != 0 or isinstance(code, bool):
        words = next((answer[name] for name in ("msg", "errmsg", "StatusMessage") if name in answer), "")
        raise MessageRejected(CODES.get((service, str(code)), "rejected"), f"{code} {words}".strip())


def _sign(key: str, message: str) -> str:
    return base64.b64encode(hmac.digest(key.encode(), message.encode(), hashlib.sha256)).decode()


def _plain(text: Text, limit: int = 0) -> str:
    """All of it as text, its middle cut so that the whole has at most `limit` bytes."""
    end, body = f"\n{text.action}: {text.url}", f"{text.title}\n{text.body}"
    if limit and len(body.encode()) > (room := limit - len(end.encode())):
        body = body.encode()[: room - 3].decode(errors="ignore") + "…"
    return body + end


def _feishu(text: Text) -> dict[str, Any]:
    """A rich text: its parts say what is a link, and nothing else becomes one or a mention."""
    link = {"tag": "a", "text": text.action, "href": text.url}
    post = {"title": text.title, "content": [[{"tag": "text", "text": text.body}], [link]]}
    return {"msg_type": "post", "content": {"post": {"zh_cn" if text.language != "en" else "en_us": post}}}


def _dingtalk(text: Text) -> dict[str, Any]:
    return {"msgtype": "text", "text": {"content": _plain(text)}, "at": {"atMobiles": [], "isAtAll": False}}


def _wecom(text: Text) -> dict[str, Any]:
    return {"msgtype": "text", "text": {"content": _plain(text, WECOM_LONGEST)}}


def _slack(text: Text) -> dict[str, Any]:
    """Plain text in a block, which Slack reads no markup in; `text` is for notifications, and read as markup."""
    title = text.title.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    plain = {"type": "plain_text", "text": f"{text.title}\n{text.body}"[:3000], "emoji": False}
    link = {"type": "mrkdwn", "text": f"<{text.url}|{text.action}>"}
    blocks = [{"type": "section", "text": plain}, {"type": "section", "text": link}]
    return {"text": title, "blocks": blocks, "unfurl_links": False, "unfurl_media": False}


FORMATS: dict[str, Format] = {
    Service.FEISHU: Format("/open-apis/bot/v2/hook/", "", _feishu, ("code", "StatusCode"), is_signed=True),
    Service.DINGTALK: Format("/robot/send", "access_token", _dingtalk, ("errcode",), is_signed=True),
    Service.WECOM: Format("/cgi-bin/webhook/send", "key", _wecom, ("errcode",)),
    Service.SLACK: Format("/services/", "", _slack),
}
# The services' codes that a person can do something about.
CODES: dict[tuple[str, str], str] = {
    (Service.FEISHU, "19021"): "bad_signature",
    (Service.FEISHU, "19022"): "address_blocked",
    (Service.FEISHU, "19024"): "no_keyword",
    (Service.FEISHU, "19001"): "revoked",
    (Service.FEISHU, "9499"): "too_many",
    (Service.FEISHU, "11232"): "too_many",
    (Service.DINGTALK, "300001"): "revoked",
    (Service.DINGTALK, "310000"): "bad_signature",
    (Service.DINGTALK, "130101"): "too_many",
    (Service.DINGTALK, "410100"): "too_many",
    (Service.WECOM, "93000"): "revoked",
    (Service.WECOM, "45009"): "too_many",
}
