"""The regions that have ModelArts, their endpoints, and those of CTS, as in the vendor's SDK.

Source: `huaweicloudsdkmodelarts` and `huaweicloudsdkcts` 3.1.219; a test compares the first.
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


def cts_endpoint(endpoint: str) -> str:
    """The endpoint of CTS in the region of a ModelArts endpoint. A simulator on loopback answers for both services.

    Empty if the endpoint is not one of ENDPOINTS: its region is not known then.
    """
    if endpoint.startswith("http://127.0.0.1:"):
        return endpoint
    regions = (region for region, own in ENDPOINTS.items() if own == endpoint)
    return next((f"https://cts.{region}.myhuaweicloud.com" for region in regions), "")
