"""The projects of a key: one request without parameters, read loosely, and never larger than its caps."""

from collections.abc import Iterator
from typing import Any

import pytest
from huaweicloudsdkcore.auth.credentials import GlobalCredentials
from huaweicloudsdkcore.region.region import Region
from huaweicloudsdkiam.v3 import IamClient, KeystoneListAuthProjectsRequest
from huaweicloudsdkiam.v3.region.iam_region import IamRegion

from hyperclusters.modelarts import (
    ENDPOINTS,
    CloudProject,
    Credentials,
    CredentialsRefused,
    Denied,
    Misconfigured,
    NotFound,
    ProjectClient,
    Throttled,
    Unavailable,
    iam_endpoint,
    region_of,
)
from tests.modelarts.cloud import KEY, PROJECT, Cloud, Received, Visit, answer, as_json, playing
from tests.modelarts.test_modelarts_signing import is_signed

ROW = {"id": PROJECT, "name": "cn-north-4", "enabled": True, "domain_id": "d", "links": {"self": "x"}}


class Script:
    """Answers every request with what it was last told."""

    data = b""

    def __call__(self, visit: Visit) -> None:
        while True:
            visit.read_request()
            visit.send(self.data)


script = Script()


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with playing(script) as cloud:
        yield cloud


def listed(
    cloud: Cloud, status: int, body: Any, key: Credentials = KEY, deadline: float = 30.0
) -> tuple[CloudProject, ...]:
    script.data = answer(status, body if isinstance(body, bytes) else as_json(body))
    with ProjectClient(endpoint=cloud.endpoint, credentials=key, deadline=deadline) as client:
        return client.list_projects().value


def test_projects_are_read_by_name_each_once(cloud: Cloud) -> None:
    rows = [ROW | {"id": "z", "name": "cn-north-4_vision", "enabled": False}, ROW, ROW]
    assert listed(cloud, 200, {"projects": rows, "links": {"next": None}}) == (
        CloudProject(PROJECT, "cn-north-4", is_enabled=True),
        CloudProject("z", "cn-north-4_vision", is_enabled=False),
    )


def sent(request: Received) -> tuple[str, str, bytes, dict[str, str]]:
    """What IAM acts on: beside that, each client has its own name, time, and way to encode."""
    signed = {"host", "content-type", "x-security-token", "x-project-id"}
    headers = {name: value for name, value in request.headers.items() if name in signed}
    return request.method, request.target, request.body, headers


def test_the_request_is_the_official_clients(cloud: Cloud) -> None:
    """As `keystone_list_auth_projects` of `huaweicloudsdkiam` 3.1.219 sends it. That client adds the account's ID, which
    its user gives or it asks for by another call; the vendor's page on this call has no such header."""
    listed(cloud, 200, {"projects": [ROW]})
    ours = cloud.requests[-1]
    credentials = GlobalCredentials(KEY.access_key, KEY.secret_key, "the-account")
    official = IamClient.new_builder().with_credentials(credentials).with_endpoint(cloud.endpoint).build()
    (project,) = official.keystone_list_auth_projects(KeystoneListAuthProjectsRequest()).projects
    theirs = cloud.requests[-1]
    assert (project.id, project.name, project.enabled) == (PROJECT, "cn-north-4", True)
    assert theirs is not ours
    assert sent(ours) == sent(theirs)
    assert sent(ours)[:3] == ("GET", "/v3/auth/projects", b"")
    added = {name for name in theirs.headers if name.startswith("x-")} - set(ours.headers)
    assert added == {"x-domain-id"}
    assert is_signed(ours, KEY)


def test_a_temporary_key_sends_its_token(cloud: Cloud) -> None:
    listed(cloud, 200, {"projects": []}, Credentials("AK", "SK", "a-token"))
    assert cloud.requests[-1].headers["x-security-token"] == "a-token"


@pytest.mark.parametrize("rows", [[], None], ids=str)
def test_no_projects_are_an_empty_answer(cloud: Cloud, rows: Any) -> None:
    assert listed(cloud, 200, {"projects": rows}) == ()


LOOSE: dict[str, tuple[dict[str, Any], CloudProject | None]] = {
    "no name": ({"id": "p"}, CloudProject("p", "", is_enabled=None)),
    "a name that is none": ({"id": "p", "name": 7, "enabled": "yes"}, CloudProject("p", "", is_enabled=None)),
    "hostile": ({"id": "p", "name": "a\u202e\x00"}, CloudProject("p", "a\\u202e\\x00", is_enabled=None)),
    "long": ({"id": "p", "name": "x" * 1000}, CloudProject("p", "x" * 255, is_enabled=None)),
    "no ID": ({"name": "cn-north-4"}, None),
    "a path for an ID": ({"id": "../v2"}, None),
    "a line for an ID": ({"id": "p\n"}, None),
    "a number for an ID": ({"id": 7}, None),
}


@pytest.mark.parametrize("case", LOOSE)
def test_a_row_is_read_loosely_and_left_out_without_a_usable_id(cloud: Cloud, case: str) -> None:
    row, project = LOOSE[case]
    assert listed(cloud, 200, {"projects": [row]}) == ((project,) if project else ())


def test_hundreds_of_projects_are_read_and_thousands_are_not(cloud: Cloud) -> None:
    rows = [ROW | {"id": f"p{number}"} for number in range(2001)]
    assert len(listed(cloud, 200, {"projects": rows[:2000]})) == 2000
    with pytest.raises(Unavailable) as refused:
        listed(cloud, 200, {"projects": rows})
    assert refused.value.cause == "too_large"


UNUSABLE: dict[str, tuple[int, Any]] = {
    "no list": (200, {}),
    "an object": (200, {"projects": {}}),
    "a row that is no object": (200, {"projects": [ROW, 7]}),
    "too many bytes": (200, b'{"projects": [' + b" " * 1024 * 1024 + b"]}"),
    "an unknown error in a 200": (200, {"projects": [], "error_code": "IAM.0011"}),
    "empty": (200, b""),
    "another status": (300, {"projects": []}),
    "out of order": (503, b""),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_an_unusable_answer_is_unavailable_and_never_none(cloud: Cloud, case: str) -> None:
    with pytest.raises(Unavailable):
        listed(cloud, *UNUSABLE[case])


REFUSALS: dict[str, tuple[int, Any, type[Exception]]] = {
    "a key": (401, {"error_code": "APIGW.0301", "error_msg": "ak not exist"}, CredentialsRefused),
    "a key, in IAM's own form": (401, {"error": {"code": 401, "message": "no", "title": "Unauthorized"}}, Denied),
    "a right": (403, {"error_code": "IAM.0003", "error_msg": "Policy doesn't allow"}, Denied),
    "too many": (429, {"error_code": "APIGW.0308"}, Throttled),
    "no such call": (404, {"error_code": "APIGW.0101"}, Misconfigured),
    "nothing there": (404, b"", NotFound),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_keeps_its_meaning(cloud: Cloud, case: str) -> None:
    status, body, kind = REFUSALS[case]
    with pytest.raises(kind) as refused:
        listed(cloud, status, body)
    assert type(refused.value) is kind


def test_g22_a_secret_that_comes_back_is_in_no_error(cloud: Cloud) -> None:
    key = Credentials("CANARYACCESS", "CANARYSECRET", "CANARYTOKEN")
    with pytest.raises(Denied) as refused:
        listed(cloud, 401, b"CANARYSECRET CANARYTOKEN CANARYACCESS", key)
    assert "CANARY" not in f"{refused.value!s} {refused.value.message} {refused.value.exchange!r}"


def test_a_slow_answer_ends_with_the_deadline(cloud: Cloud) -> None:
    def silent(visit: Visit) -> None:
        visit.read_request()
        visit.over.wait(10)

    with (
        playing(silent) as slow,
        ProjectClient(endpoint=slow.endpoint, credentials=KEY, deadline=0.3) as client,
        pytest.raises(Unavailable) as refused,
    ):
        client.list_projects()
    assert refused.value.cause == "deadline"


def test_iam_is_in_the_region_of_a_known_endpoint_alone() -> None:
    assert iam_endpoint(ENDPOINTS["cn-north-4"]) == "https://iam.cn-north-4.myhuaweicloud.com"
    assert iam_endpoint("http://127.0.0.1:9000") == "http://127.0.0.1:9000"
    for other in ("https://modelarts.example.com", "http://127.0.0.1.example.com:80", ""):
        assert iam_endpoint(other) == ""
    assert region_of(ENDPOINTS["ap-southeast-1"]) == "ap-southeast-1"
    assert region_of("http://127.0.0.1:9000") == ""


def test_where_the_vendors_client_knows_iam_in_a_region_so_do_we() -> None:
    theirs = {value.id: value.endpoints[0] for value in vars(IamRegion).values() if isinstance(value, Region)}
    shared = set(theirs) & set(ENDPOINTS)
    assert len(shared) > 10
    assert {region: iam_endpoint(ENDPOINTS[region]) for region in shared} == {
        region: theirs[region] for region in shared
    }
