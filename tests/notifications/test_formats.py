"""What each service gets is what its documentation says, and nothing that people write becomes more than text."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from hyperclusters.access.models import Service
from hyperclusters.notifications.formats import (
    WECOM_LONGEST,
    Address,
    AddressRefused,
    MessageRejected,
    Text,
    check_answer,
    checked_address,
    inert,
    request,
)
from tests.web.pages import PAYLOADS

NOW = 1_790_000_000.25
TEXT = Text("Cluster a was created", "Reason: new model", "View creation", "https://hc.example/creations/1/")
HOSTS = {
    "feishu": ["open.feishu.cn"],
    "dingtalk": ["oapi.dingtalk.com"],
    "wecom": ["qyapi.weixin.qq.com"],
    "slack": ["hooks.slack.com", "127.0.0.1:8443"],
}
FEISHU = "https://open.feishu.cn/open-apis/bot/v2/hook/abc"
DINGTALK = "https://oapi.dingtalk.com/robot/send?access_token=abc"
HOSTILE = (
    "<!channel>",
    "<!here|x>",
    "<@U123456>",
    "@all",
    "@所有人",
    '<at user_id="all">all</at>',
    "<at id=all></at>",
    "[click](https://evil.example/x)",
    "<https://evil.example|Decide>",
    "https://evil.example",
    "www.evil.example",
    "evil.example/x",
    "mail@evil.example",
    "a\nDecide: https://evil.example",
    "\u202ehttps://evil.example",
    "evil\uff0eexample",
    "evil\u3002example",
    "evil\uff61example",
    "evil\u2024example",
    "http\uff1a\uff0f\uff0fevil\uff0eexample",
    "\uff20all",
    "\ufe6ball",
    *PAYLOADS,
)  # fmt: skip
# What a service or an app would act on.
LIVE = re.compile(
    r"<[!@a-z/]|[@\uff20\ufe6b]\w|\]\(|[:\uff1a][/\uff0f]|www\.\w|\w[.\uff0e\u3002\uff61\u2024]example|<http"
    r"|[\x00-\x09\x0b-\x1f\u202a-\u202e]"
)


def body_of(
    service: str, url: str = "https://x/", secret: str = "", text: Text = TEXT
) -> tuple[str, dict[str, Any]]:
    sent_to, body = request(service, Address(url, secret), text, now=NOW)
    return sent_to, json.loads(body)


def test_feishu_gets_a_rich_text_whose_only_link_is_ours() -> None:
    url, body = body_of("feishu", FEISHU)
    assert url == FEISHU
    content = [
        [{"tag": "text", "text": TEXT.body}],
        [{"tag": "a", "text": TEXT.action, "href": TEXT.url}],
    ]
    assert body == {
        "msg_type": "post",
        "content": {"post": {"en_us": {"title": TEXT.title, "content": content}}},
    }
    chinese = Text("标题", "x", "查看", TEXT.url, "zh-hans")
    assert list(body_of("feishu", FEISHU, text=chinese)[1]["content"]["post"]) == ["zh_cn"]


def test_feishu_is_signed_as_it_documents() -> None:
    """The key is the timestamp, a line break and the secret; the message is empty."""
    _, body = body_of("feishu", FEISHU, "s3cret")
    assert body["timestamp"] == "1790000000"
    expected = hmac.new(b"1790000000\ns3cret", b"", hashlib.sha256).digest()
    assert body["sign"] == base64.b64encode(expected).decode()


def test_dingtalk_gets_a_text_that_mentions_nobody_and_is_signed_as_it_documents() -> None:
    """Milliseconds; the key is the secret, the message the timestamp, a line break and the secret; in the query."""
    url, body = body_of("dingtalk", DINGTALK, "SECs3cret")
    assert body == {
        "msgtype": "text",
        "text": {"content": f"{TEXT.title}\n{TEXT.body}\n{TEXT.action}: {TEXT.url}"},
        "at": {"atMobiles": [], "isAtAll": False},
    }
    query = parse_qs(urlsplit(url).query)
    assert (query["access_token"], query["timestamp"]) == (["abc"], ["1790000000250"])
    expected = hmac.new(b"SECs3cret", b"1790000000250\nSECs3cret", hashlib.sha256).digest()
    assert query["sign"] == [base64.b64encode(expected).decode()]
    assert body_of("dingtalk", DINGTALK)[0] == DINGTALK


def test_wecom_gets_a_text_of_the_size_that_it_takes_with_the_link_whole() -> None:
    _, body = body_of("wecom")
    assert body == {
        "msgtype": "text",
        "text": {"content": f"{TEXT.title}\n{TEXT.body}\n{TEXT.action}: {TEXT.url}"},
    }
    long = Text("标" * 300, "题" * 900, TEXT.action, TEXT.url)
    content = body_of("wecom", text=long)[1]["text"]["content"]
    assert len(content.encode()) <= WECOM_LONGEST
    assert content.endswith(f"…\n{TEXT.action}: {TEXT.url}")


def test_slack_gets_plain_text_and_one_link() -> None:
    _, body = body_of("slack", text=Text("a & <b>", "c", "View", "https://hc.example/"))
    assert body["text"] == "a &amp; &lt;b&gt;"
    plain, link = body["blocks"]
    assert plain == {"type": "section", "text": {"type": "plain_text", "text": "a & <b>\nc", "emoji": False}}
    assert link == {"type": "section", "text": {"type": "mrkdwn", "text": "<https://hc.example/|View>"}}
    assert (body["unfurl_links"], body["unfurl_media"]) == (False, False)


@pytest.mark.parametrize("service", Service.values)
@pytest.mark.parametrize("hostile", HOSTILE)
def test_what_people_write_mentions_nobody_and_links_nowhere(service: str, hostile: str) -> None:
    value = inert(hostile)
    text = Text(f"Cluster {value} was created", f"Reason: {value}", "View", "https://hc.example/")
    _, body = request(service, Address("https://x/y?z=1"), text, now=NOW)
    sent = body.decode().replace("https://hc.example/", "").replace("<|View>", "")
    sent = json.dumps(json.loads(sent), ensure_ascii=False).replace("\\n", " ")
    assert not LIVE.search(sent), sent
    assert not re.search(
        r"&(?!amp;|lt;|gt;)\w", json.loads(body).get("text", "") if service == "slack" else ""
    )


def test_what_a_value_ends_with_joins_nothing_that_follows_it() -> None:
    for end in "@.:/<":
        assert not LIVE.search(f"{inert('evil' + end)}example//")


def test_ordinary_names_stay_as_they_are() -> None:
    for name in ("train-a3-west", "Vision", "张伟", "why not, it is needed"):
        assert inert(name) == name
    assert len(inert("x" * 5000)) == 200


@pytest.mark.parametrize(
    ("service", "url"),
    [
        ("feishu", FEISHU),
        ("dingtalk", DINGTALK),
        ("wecom", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=1"),
        ("slack", "https://hooks.slack.com/services/T/B/x"),
        ("slack", "https://hooks.slack.com:443/services/T/B/x"),
        ("slack", "https://127.0.0.1:8443/services/T/B/x"),
    ],
)
def test_an_address_of_the_service_at_an_allowed_host_is_taken(service: str, url: str) -> None:
    assert checked_address(service, url, HOSTS) == url


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("http://hooks.slack.com/services/T", "not_https"),
        ("hooks.slack.com/services/T", "not_https"),
        ("https://hooks.slack.com/services/T x", "not_https"),
        ("https://hooks.slack.com/services/T\n", "not_https"),
        ("https://hooks.slack.com/services/" + "x" * 500, "not_https"),
        ("https://hooks.slack.com:x/services/T", "not_https"),
        ("https://evil.example/services/T", "host_not_allowed"),
        ("https://hooks.slack.com.evil.example/services/T", "host_not_allowed"),
        ("https://hooks.slack.com:8443/services/T", "host_not_allowed"),
        ("https://hooks.slack.com@evil.example/services/T", "host_not_allowed"),
        ("https://evil@hooks.slack.com/services/T", "host_not_allowed"),
        ("https://evil.example\\@hooks.slack.com/services/T", "host_not_allowed"),
        ("https://127.0.0.1/services/T", "host_not_allowed"),
        ("https://[::1]/services/T", "host_not_allowed"),
        ("https://open.feishu.cn/open-apis/bot/v2/hook/abc", "host_not_allowed"),
        ("https://hooks.slack.com/api/chat.postMessage", "not_its_address"),
        ("https://hooks.slack.com/services/", "not_its_address"),
        ("https://hooks.slack.com/services/../api/x", "not_its_address"),
        ("https://hooks.slack.com/services/T#x", "not_its_address"),
    ],
)
def test_any_other_address_is_refused(url: str, cause: str) -> None:
    with pytest.raises(AddressRefused) as refused:
        checked_address("slack", url, HOSTS)
    assert refused.value.cause == cause
    assert url not in str(refused.value)


def test_an_address_without_its_token_is_refused() -> None:
    for service, url in (
        ("dingtalk", DINGTALK[:-3]),
        ("wecom", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send"),
    ):
        with pytest.raises(AddressRefused, match="not_its_address"):
            checked_address(service, url, HOSTS)


@pytest.mark.parametrize(
    ("service", "status", "body", "cause"),
    [
        (
            "feishu",
            200,
            b'{"code":19021,"msg":"sign match fail or timestamp is not within one hour"}',
            "bad_signature",
        ),
        ("feishu", 200, b'{"code":9499,"msg":"too many request","data":{}}', "too_many"),
        ("feishu", 200, b'{"code":19024,"msg":"Key Words Not Found"}', "no_keyword"),
        ("feishu", 400, b'{"code":9499,"msg":"Bad Request"}', "service_error"),
        ("dingtalk", 200, b'{"errcode":310000,"errmsg":"sign not match"}', "bad_signature"),
        ("dingtalk", 200, b'{"errcode":300001,"errmsg":"token is not exist"}', "revoked"),
        ("wecom", 200, b'{"errcode":93000,"errmsg":"invalid webhook url"}', "revoked"),
        ("wecom", 200, b'{"errcode":45009,"errmsg":"api freq out of limit"}', "too_many"),
        ("wecom", 200, b'{"errcode":40008,"errmsg":"invalid message type"}', "rejected"),
        ("wecom", 200, b'{"errcode":"0"}', "rejected"),
        ("wecom", 200, b'{"errcode":false}', "rejected"),
        ("wecom", 200, b"[]", "odd_answer"),
        ("wecom", 200, b"<html>", "odd_answer"),
        ("wecom", 200, b"[" * 5000, "odd_answer"),
        ("dingtalk", 200, b"{}", "odd_answer"),
        ("slack", 200, b"<html>sign in", "odd_answer"),
        ("slack", 404, b"no_service", "revoked"),
        ("slack", 410, b"channel_is_archived", "revoked"),
        ("slack", 429, b"", "too_many"),
        ("slack", 302, b"", "redirect"),
        ("slack", 500, b"ok", "service_error"),
    ],
)
def test_an_answer_that_is_not_a_plain_yes_is_a_failure(
    service: str, status: int, body: bytes, cause: str
) -> None:
    with pytest.raises(MessageRejected) as rejected:
        check_answer(service, status, body)
    assert rejected.value.cause == cause


def test_a_plain_yes_is_a_success() -> None:
    check_answer("feishu", 200, b'{"StatusCode":0,"StatusMessage":"success","Extra":null}')
    check_answer("feishu", 200, b'{"code":0,"data":{},"msg":"success"}')
    check_answer("dingtalk", 200, b'{"errcode":0,"errmsg":"ok"}')
    check_answer("wecom", 200, b'{"errcode":0,"errmsg":"ok"}')
    check_answer("slack", 200, b"ok")
