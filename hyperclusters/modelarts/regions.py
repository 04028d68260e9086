"""The regions that have ModelArts and their endpoints, as in the vendor's SDK.

Source: `huaweicloudsdkmodelarts` 3.1.219; a test compares them.
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
