"""What a refusal means, and what it carries: by the cloud's code first, then by status."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from hyperclusters import modelarts
from hyperclusters.modelarts import OutcomeUnknown, Proof, Unavailable
from tests.modelarts.cloud import CALLS, KEY, answer, as_json
from tests.modelarts.scripted_cloud import ScriptedCloud, check_no_answer, staged


@pytest.fixture(scope="module")
def stage() -> Iterator[ScriptedCloud]:
    with staged() as stage:
        yield stage


def said(code: str, message: str = "no") -> bytes:
    return as_json({"error_code": code, "error_msg": message})


REFUSED = {400, 404, 405, 409, 411, 413, 414, 415, 422, 429}
STATUSES = [
    *(201, 202, 203, 205, 206, 207, 208, 226, 299),
    *(300, 301, 302, 303, 304, 305, 307, 308),
    *range(400, 419),
    *(421, 422, 423, 424, 425, 426, 428, 429, 431, 444, 451, 460, 494, 495, 499),
    *(500, 501, 502, 503, 504, 505, 507, 508, 511, 520, 521, 522, 524, 529, 599, 600, 999),
]
BODIES = {"nothing": b"", "HTML": b"<html>", "an unlisted code": said("ModelArts.9999")}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("call", ["create", "delete"])
def test_a_status_proves_a_refusal_only_where_it_is_listed(
    stage: ScriptedCloud, call: str, status: int, body: str
) -> None:
    error = stage.failing(call, answer(status, BODIES[body]))
    assert error.cause == f"status_{status}"
    if status in REFUSED or (status in {401, 403} and body == "an unlisted code"):
        assert error.proves is Proof.NOT_EXECUTED
        assert not isinstance(error, OutcomeUnknown)
    else:
        check_no_answer(error, call)


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("status", STATUSES)
def test_a_list_with_an_error_status_is_never_an_empty_list(
    stage: ScriptedCloud, status: int, body: str
) -> None:
    error = stage.failing("list", answer(status, BODIES[body]))
    if status not in REFUSED | {401, 403} or status == 404:
        check_no_answer(error, "list")


@pytest.mark.parametrize("status", [status for status in STATUSES if status not in REFUSED | {401, 403}])
@pytest.mark.parametrize(
    "code", ["ModelArts.0104", "ModelArts.6301", "APIGW.0201", "APIGW.0301", "APIGW.0308"]
)
def test_no_code_makes_a_refusal_of_a_status_that_is_not_listed(
    stage: ScriptedCloud, status: int, code: str
) -> None:
    error = stage.failing("create", answer(status, said(code)))
    if (status, code) == (494, "APIGW.0201"):
        assert type(error) is modelarts.Invalid
    else:
        check_no_answer(error, "create")
        if status not in {204, 205, 304}:
            assert error.code == code


CODES: dict[str, tuple[str, ...]] = {
    "NotFound": ("ModelArts.6404", "ModelArts.6309", "ModelArts.6357", "ModelArts.0102", "6404", "6309"),
    "Invalid": ("ModelArts.0104", "ModelArts.6400", "ModelArts.50004000", "50004000", "6400", "APIGW.0201"),
    "Exists": ("ModelArts.0103", "ModelArts.6301", "6301"),
    "Quota": ("ModelArts.0106", "ModelArts.0113", "ModelArts.0116", "ModelArts.0118", "ModelArts.6302"),
    "Denied": ("ModelArts.6407", "APIGW.0302", "APIGW.0304", "APIGW.0306"),
    "Misconfigured": ("APIGW.0101", "APIGW.0103", "APIGW.0104", "APIGW.0105", "APIGW.0106"),
    "CredentialsRefused": ("APIGW.0301",),
    "ClockSkew": ("APIGW.0303",),
    "Throttled": ("APIGW.0308",),
}
LISTED = [400, 401, 403, 404, 405, 409, 411, 413, 414, 415, 422, 429]


@pytest.mark.parametrize(
    ("code", "meaning"), [(code, name) for name, codes in CODES.items() for code in codes]
)
@pytest.mark.parametrize("call", ["create", "show", "delete"])
def test_a_code_decides_over_the_status(stage: ScriptedCloud, code: str, meaning: str, call: str) -> None:
    for status in LISTED:
        error = stage.failing(call, answer(status, said(code)))
        assert type(error) is getattr(modelarts, meaning)
        assert error.proves is Proof.NOT_EXECUTED
        assert (error.code, error.message) == (code, "no")


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (400, "Invalid"),
        (404, "NotFound"),
        (405, "Invalid"),
        (409, "Exists"),
        (422, "Invalid"),
        (429, "Throttled"),
    ],
)
def test_without_a_code_the_status_decides(stage: ScriptedCloud, status: int, meaning: str) -> None:
    assert type(stage.failing("create", answer(status))) is getattr(modelarts, meaning)


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("code", ["APIGW.0305", "ModelArts.9999", "9999"])
def test_a_gateways_word_on_401_and_403_is_a_denial(stage: ScriptedCloud, status: int, code: str) -> None:
    for call in CALLS:
        assert type(stage.failing(call, answer(status, said(code)))) is modelarts.Denied


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(
    "body", [b"", b"<html>", said("WAF.1"), said("APIGW.x"), as_json({"error_msg": "no"})]
)
def test_a_wordless_401_or_403_says_nothing_about_a_create(
    stage: ScriptedCloud, status: int, body: bytes
) -> None:
    check_no_answer(stage.failing("create", answer(status, body)), "create")
    assert type(stage.failing("list", answer(status, body))) is modelarts.Denied


@pytest.mark.parametrize("status", [400, 404])
@pytest.mark.parametrize("code", CODES["NotFound"])
def test_the_vendors_not_found_is_an_empty_list(stage: ScriptedCloud, status: int, code: str) -> None:
    listed = stage.call("list", answer(status, said(code), "X-Request-Id: req-3"))
    assert (listed.value, listed.exchange.status, listed.exchange.request_id) == ((), status, "req-3")


@pytest.mark.parametrize("status", [200, 401, 403, 409, 410, 422, 429, 500, 502, 504])
def test_not_found_on_any_other_status_is_no_empty_list(stage: ScriptedCloud, status: int) -> None:
    error = stage.failing("list", answer(status, said("ModelArts.6404")))
    check_no_answer(error, "list")


def test_an_error_in_a_200_counts_by_its_code_for_a_read(stage: ScriptedCloud) -> None:
    assert type(stage.failing("show", answer(200, said("ModelArts.6404")))) is modelarts.NotFound
    assert type(stage.failing("list", answer(200, said("APIGW.0308")))) is modelarts.Throttled
    assert type(stage.failing("list", answer(200, said("ModelArts.9999")))) is Unavailable


def test_a_delete_is_done_with_204_and_nothing_else(stage: ScriptedCloud) -> None:
    assert stage.call("delete", answer("204 No Content")).value is None
    check_no_answer(stage.failing("delete", answer(200, b"{}")), "delete")
    assert type(stage.failing("delete", answer(404, said("ModelArts.6404")))) is modelarts.NotFound
    assert type(stage.failing("delete", answer(409))) is modelarts.Invalid


@dataclass
class Shape:
    """An error body and what must be read of it."""

    body: Any
    code: str = "ModelArts.0104"
    message: str = "bad name"
    request_id: str = ""


SHAPES = {
    "ModelArts": Shape({"error_code": "ModelArts.0104", "error_msg": "bad name"}),
    "gateway": Shape(
        {"error_code": "ModelArts.0104", "error_msg": "bad name", "request_id": "r"}, request_id="r"
    ),
    "camel case": Shape({"errorCode": "ModelArts.0104", "errorMsg": "bad name"}),
    "code and message": Shape({"code": "ModelArts.0104", "message": "bad name"}),
    "nested": Shape({"error": {"code": "ModelArts.0104", "message": "bad name"}}),
    "nested, other": Shape({"data": {"error_code": "ModelArts.0104", "error_msg": "bad name"}}),
    "legacy": Shape({"error_message": "bad name", "error_code": "ModelArts.0104", "is_success": False}),
    "a bare number": Shape({"code": 6400, "message": "bad name"}, code="6400"),
    "with an encoded message": Shape(
        {"error_code": "ModelArts.0104", "error_msg": "bad name", "encoded_authorization_message": "XyZ" * 99}
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_error_is_read(stage: ScriptedCloud, shape: str) -> None:
    expected = SHAPES[shape]
    error = stage.failing("create", answer(400, as_json(expected.body)))
    assert (error.code, error.message) == (expected.code, expected.message)
    assert error.request_id == expected.request_id
    assert error.exchange is not None
    assert "XyZ" not in error.exchange.body


QUOTA = "ModelArts.0106"
NO_QUOTA = "quota exceeded"
CHINESE = "资源配额不足，请联系管理员"


def error(code: str = QUOTA, message: str = NO_QUOTA) -> dict[str, Any]:
    return {"error_code": code, "error_msg": message}


def within(depth: int, value: Any) -> Any:
    """The value that many objects deep."""
    for number in range(depth):
        value = {f"level{number}": value}
    return value


@dataclass
class Words:
    """An error body of any shape, the code that must be read of it and a part of the words."""

    body: bytes
    code: str = QUOTA
    words: str = NO_QUOTA


def in_chinese(encoding: str) -> bytes:
    return json.dumps(error(message=CHINESE), ensure_ascii=False).encode(encoding)


WORDS: dict[str, Words] = {
    "GBK": Words(in_chinese("gbk"), words=CHINESE),
    "GB 18030": Words(in_chinese("gb18030"), words=CHINESE),
    "a byte order mark": Words(in_chinese("utf-8-sig"), words=CHINESE),
    "UTF-16": Words(in_chinese("utf-16"), words=CHINESE),
    "UTF-16 without a mark": Words(in_chinese("utf-16-le"), words=CHINESE),
    "UTF-32": Words(in_chinese("utf-32-be"), words=CHINESE),
    "a list of errors": Words(as_json({"errors": [error()]})),
    "an array": Words(as_json([error()])),
    "arrays in arrays": Words(as_json([[[[[[error()]]]]]])),
    "two errors of one code": Words(as_json({"errors": [error(), error(message="of clusters")]})),
    **{f"{depth} deep": Words(as_json(within(depth, error()))) for depth in range(5)},
    "too deep for a code": Words(as_json(within(5, error())), code=""),
    "code two levels deep": Words(as_json({"data": {"error": {"code": QUOTA, "message": NO_QUOTA}}})),
    "the status as a code outside": Words(as_json({"code": 400, "error": error()})),
    "a bare number": Words(as_json({"error_code": 6302, "error_msg": NO_QUOTA}), code="6302"),
    "a bare number inside": Words(as_json({"code": 400, "error": error("0106")}), code="0106"),
    "the outer code counts": Words(as_json(error() | {"cause": error("ModelArts.6404")})),
    "a key twice": Words(
        b'{"error_code":"ModelArts.0106","error_code":"ModelArts.0106","error_msg":"quota exceeded"}'
    ),
    "a key twice, two codes": Words(
        b'{"error_code":"ModelArts.0106","error_code":"ModelArts.6404","error_msg":"quota exceeded"}', code=""
    ),
    "two codes": Words(as_json({"errors": [error(), error("ModelArts.6404", "no such cluster")]}), code=""),
    "no message": Words(as_json({"error_code": QUOTA, "hint": NO_QUOTA})),
    "another key": Words(as_json({"msg": NO_QUOTA}), code=""),
    "error is a text": Words(as_json({"error": NO_QUOTA}), code=""),
    "errors are texts": Words(as_json({"errors": ["no", NO_QUOTA]}), code=""),
    "unknown keys": Words(as_json({"why": {"because": [NO_QUOTA]}}), code=""),
    "a JSON text": Words(as_json(NO_QUOTA), code=""),
    "NaN": Words(b'{"error_code":"ModelArts.0106","error_msg":"quota exceeded","n":NaN}'),
    "plain text": Words(b"Resource quota exceeded for hyper clusters", code=""),
    "plain GBK": Words(CHINESE.encode("gbk"), code="", words=CHINESE),
    "a code in plain text": Words(b"ModelArts.0106: quota exceeded", code=""),
    "HTML": Words(
        b"<!doctype html><head><title>quota exceeded</title><style>p{}</style></head><p>x", code=""
    ),
    "HTML with escapes": Words(b"<h1>quota&#32;exceeded</h1>", code=""),
    "XML": Words(b"<?xml version='1.0'?><Error><Message>quota exceeded</Message></Error>", code=""),
    "cut JSON": Words(as_json(error())[:-1], code=""),
    "JSON and junk": Words(as_json(error()) + b"}", code=""),
    "invalid bytes": Words(b"\xff\xfe\xfd quota exceeded"[2:], code=""),
}


@pytest.mark.parametrize("case", WORDS)
def test_g31_the_clouds_words_are_read_whatever_their_shape(stage: ScriptedCloud, case: str) -> None:
    expected = WORDS[case]
    failure = stage.failing("create", answer(400, expected.body))
    assert failure.code == expected.code
    assert expected.words in failure.message
    assert "script" not in failure.message
    assert failure.exchange is not None
    if expected.words == CHINESE:
        assert CHINESE in failure.exchange.body


@pytest.mark.parametrize("case", [case for case in WORDS if not WORDS[case].code])
@pytest.mark.parametrize("call", ["create", "delete", "list"])
def test_g31_words_without_a_code_prove_no_more_than_the_status(
    stage: ScriptedCloud, call: str, case: str
) -> None:
    for status in (201, 302, *LISTED, 408, 418, 494, 500, 502, 504):
        with_words = stage.failing(call, answer(status, WORDS[case].body))
        without_words = stage.failing(call, answer(status))
        assert type(with_words) is type(without_words)
        assert with_words.proves is without_words.proves
        assert not (isinstance(with_words, modelarts.NotFound) and modelarts.proves_absence(with_words))


def test_g22_a_secret_is_taken_out_of_words_of_any_shape(stage: ScriptedCloud) -> None:
    for secret in (KEY.secret_key, KEY.access_key):
        text = f"bad signature {secret} for you"
        for body in (
            text.encode(),
            text.encode("utf-16"),
            text.encode("utf-32"),
            f"<p>{text}</p>".encode(),
            f"<p>&#{ord(secret[0])};{secret[1:]} for you</p>".encode(),
            as_json({"why": [text]}),
            as_json({"errors": [text]}),
            as_json({"security_token": "t" * 40, "why": "bad signature"}),
            as_json(text)[:-1],
            (" " * 70_000 + text).encode(),
        ):
            failure = stage.failing("create", answer(400, body))
            assert failure.exchange is not None
            assert secret not in failure.message + failure.exchange.body
            assert "t" * 40 not in failure.message


@pytest.mark.parametrize("size", [5_000, 900_000])
@pytest.mark.parametrize("piece", ["<", "<script", '{"a":', "[", "&#", "\u4e2d", "<a "])
def test_g31_endless_words_take_no_time(stage: ScriptedCloud, piece: str, size: int) -> None:
    started = time.thread_time()  # of a processor: a busy machine takes none of it
    stage.failing("create", answer(400, (piece * (size // len(piece.encode()))).encode()))
    assert time.thread_time() - started < 3


def test_the_headers_request_id_comes_before_the_bodys(stage: ScriptedCloud) -> None:
    body = as_json({"error_code": "APIGW.0308", "error_msg": "slow", "request_id": "body"})
    assert stage.failing("create", answer(429, body, "X-Request-Id: head")).request_id == "head"
    assert stage.failing("create", answer(429, body)).request_id == "body"


@pytest.mark.parametrize(
    "hostile",
    ["a\0b", "\ud800", "\x1b[31m", "\u202egpj.exe", "a\r\nX: y", "\u2028", "x" * 100_000, "\U0010ffff"],
)
def test_g31_hostile_words_are_kept_as_safe_escapes(stage: ScriptedCloud, hostile: str) -> None:
    body = as_json({"error_code": hostile, "error_msg": hostile, "request_id": hostile})
    error = stage.failing("create", answer(400, body))
    assert error.message
    assert len(error.code) <= 64
    stage.failing("create", answer(400, hostile.encode(errors="surrogatepass")))


def test_g22_a_secret_that_the_cloud_repeats_is_not_kept(stage: ScriptedCloud) -> None:
    echo = f"canonicalRequest: {KEY.access_key} {KEY.secret_key}"
    error = stage.failing("create", answer(401, said("APIGW.0301", echo), f"X-Request-Id: {KEY.secret_key}"))
    assert error.exchange is not None
    value = error.message + error.exchange.body + error.request_id + repr(error.exchange)
    assert KEY.secret_key not in value
    assert KEY.access_key not in value
    assert "canonicalRequest" in error.message


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        ("120", 120.0),
        ("Mon, 23 Nov 2026 00:01:30 GMT", 90.0),
        ("Sun, 22 Nov 2026 00:00:00 GMT", 0.0),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("9" * 5000, None),
        ("٣", None),
        ("Mon, 99 Nov 2026 00:01:30 GMT", None),
        ("Mon, 23 Foo 2026 00:01:30 GMT", None),
        ("Mon, 23 Nov 0000 00:01:30 GMT", None),
    ],
)
def test_retry_after_is_read_or_left(stage: ScriptedCloud, value: str, seconds: float | None) -> None:
    headers = (f"Retry-After: {value.encode().decode('latin-1')}", "Date: Mon, 23 Nov 2026 00:00:00 GMT")
    error = stage.failing("create", answer(429, said("APIGW.0308"), *headers))
    assert isinstance(error, modelarts.Throttled)
    assert error.retry_after == seconds


def test_g18_clock_skew_carries_the_offset_of_the_clouds_clock(stage: ScriptedCloud) -> None:
    body = said("APIGW.0303", "Incorrect app authentication information: date expired")
    error = stage.failing("create", answer(401, body, "Date: Mon, 23 Nov 2099 00:00:00 GMT"))
    assert isinstance(error, modelarts.ClockSkew)
    assert error.exchange is not None
    assert error.exchange.server_date is not None
    assert error.offset is not None
    assert abs((error.exchange.server_date - error.exchange.signed_at) - error.offset).total_seconds() <= 2
    for date in ("yesterday", "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT"):
        dateless = stage.failing("create", answer(401, body, f"Date: {date}"))
        assert isinstance(dateless, modelarts.ClockSkew)
        assert dateless.offset is None
