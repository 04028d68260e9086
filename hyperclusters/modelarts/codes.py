"""The documented or observed error codes of the cloud and their meanings. No other table names a code."""

import re
from enum import StrEnum
from typing import Final

VENDOR_CODE: Final = re.compile(r"(?:APIGW|ModelArts)\.\d{4,8}", re.ASCII)
_BARE_CODE: Final = re.compile(r"\d{4}|\d{8}", re.ASCII)


class CodeMeaning(StrEnum):
    """The meaning of an error code. Each has one sentence and one remedy."""

    NOT_FOUND = "not_found"
    INVALID = "invalid"
    EXISTS = "exists"
    QUOTA = "quota"
    DENIED = "denied"
    CREDENTIALS = "credentials"
    CLOCK = "clock"
    THROTTLED = "throttled"
    ENDPOINT = "endpoint"
    GATEWAY = "gateway"


_CODES: Final[dict[CodeMeaning, tuple[str, ...]]] = {
    CodeMeaning.NOT_FOUND: ("ModelArts.6404", "ModelArts.6309", "ModelArts.6357", "ModelArts.0102"),
    CodeMeaning.INVALID: ("ModelArts.0104", "ModelArts.6400", "ModelArts.50004000"),
    CodeMeaning.EXISTS: ("ModelArts.0103", "ModelArts.6301"),
    CodeMeaning.QUOTA: (
        "ModelArts.0106",
        "ModelArts.0113",
        "ModelArts.0116",
        "ModelArts.0118",
        "ModelArts.6302",
    ),
    CodeMeaning.DENIED: ("ModelArts.6407", "APIGW.0302", "APIGW.0304", "APIGW.0306"),
    CodeMeaning.CREDENTIALS: ("APIGW.0301",),
    CodeMeaning.CLOCK: ("APIGW.0303",),
    CodeMeaning.THROTTLED: ("APIGW.0308",),
    CodeMeaning.ENDPOINT: ("APIGW.0101", "APIGW.0103", "APIGW.0104", "APIGW.0105", "APIGW.0106"),
    CodeMeaning.GATEWAY: ("APIGW.0201",),
}
MEANINGS: Final = {code: meaning for meaning, codes in _CODES.items() for code in codes}


def full_code(code: str) -> str:
    """The code with its service's name. ModelArts also gives the bare number, such as `6404`."""
    return f"ModelArts.{code}" if _BARE_CODE.fullmatch(code) else code


def meaning_of(code: str) -> CodeMeaning | None:
    """The meaning of a code, in full or as a bare number; None for an unknown one."""
    return MEANINGS.get(full_code(code))
