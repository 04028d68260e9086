"""The regions that have ModelArts, their endpoints, and those of CTS and IAM there, as in the vendor's SDK.

Source: `huaweicloudsdkmodelarts`, `huaweicloudsdkcts` and `huaweicloudsdkiam` 3.1.219; tests compare the first and the
last.
"""

ENDPOINTS: dict[str, str] = {
    region: f"https://modelarts.{region}.myhuaweicloud.com"
    for region in (
        "af-north-1",
        "af-south-1",
        "ap-southeast-1",
        "ap-southeast-2",
        "ap-southeast-3",
        "ap-southeast-4",
        "cn-east-3",
        "cn-east-4",
        "cn-north-1",
        "cn-north-11",
        "cn-north-12",
        "cn-north-2",
        "cn-north-4",
        "cn-north-9",
        "cn-south-1",
        "cn-southwest-2",
        "cn-southwest-3",
        "la-north-2",
        "la-south-2",
        "me-east-1",
        "sa-brazil-1",
        "tr-west-1",
    )
} | {"ap-southeast-1": "https://modelarts.ap-southeast-1.myhuaweicloud.cn"}


def region_of(endpoint: str) -> str:
    """The region of a ModelArts endpoint; empty if it is not one of ENDPOINTS."""
    return next((region for region, own in ENDPOINTS.items() if own == endpoint), "")


def cts_endpoint(endpoint: str) -> str:
    """The endpoint of CTS in the region of a ModelArts endpoint; empty if its region is not known."""
    return _endpoint_beside(endpoint, "cts")


def iam_endpoint(endpoint: str) -> str:
    """The endpoint of IAM in the region of a ModelArts endpoint; empty if its region is not known."""
    return _endpoint_beside(endpoint, "iam")


def _endpoint_beside(endpoint: str, service: str) -> str:
    """Of another service in the same region. A simulator on loopback answers for every service."""
    if endpoint.startswith("http://127.0.0.1:"):
        return endpoint
    region = region_of(endpoint)
    return f"https://{service}.{region}.myhuaweicloud.com" if region else ""
