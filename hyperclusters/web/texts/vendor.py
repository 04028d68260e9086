"""The vendor's pages and console about hyper clusters, in the reader's language."""

from __future__ import annotations

from django.utils.translation import get_language

_ENGLISH = "https://support.huaweicloud.com/intl/en-us/api-modelarts"
_CHINESE = "https://support.huaweicloud.com/api-modelarts"
_EXPLORER = "huaweicloud.com/apiexplorer/#/openapi/ModelArts/doc?api=CreateHyperCluster"


def console(region: str) -> str:
    """The vendor's ModelArts console, in this region."""
    is_chinese = (get_language() or "").startswith("zh")
    page = f"https://console{'' if is_chinese else '-intl'}.huaweicloud.com/modelarts/"
    return f"{page}?region={region}" if region else page


def vendor_pages() -> dict[str, str]:
    """Addresses by subject: the call, permissions, error codes, authentication, API Explorer."""
    is_chinese = (get_language() or "").startswith("zh")
    pages = _CHINESE if is_chinese else _ENGLISH
    return {
        "create": f"{pages}/CreateHyperCluster.html",
        "permissions": f"{pages}/modelarts_03_{'0138' if is_chinese else '0146'}.html",
        "errors": f"{pages}/modelarts_03_0095.html",
        "authentication": f"{pages}/modelarts_03_0004.html",
        "explorer": f"https://console{'' if is_chinese else '-intl'}.{_EXPLORER}",
    }
