"""Writes CSV files for spreadsheets. One rule says which cells a spreadsheet would calculate or rewrite: those begin
with an apostrophe. The rule exists in Python and in SQL, because PostgreSQL writes the audit's files itself."""

from __future__ import annotations

import csv
import io
from calendar import month_name
from collections.abc import Iterable

BOM = "\ufeff"  # without it Excel reads UTF-8 in the code page of the machine
BLANK = "".join(character for character in map(chr, range(0x3001)) if character.isspace()) + BOM
# A cell that begins with one of these may be calculated, also after a blank and in full width.
FORMULA = "=+-@|%＝＋－＠｜％" + BLANK
# What numbers, dates and times consist of beside the words below: `1E5`, `00123`, `3-4-26`, `10:30 pm`, `SEPT2`.
NUMERIC = "0123456789０１２３４５６７８９.,:/%()$€£¥￥+- "
MONTHS = [month.lower() for month in month_name if month]
WORDS = {"", "d", "e", "am", "pm", "sept", *MONTHS, *(month[:3] for month in MONTHS)}
TRUTHS = {"true", "false"}


def cell(value: object, *, is_address: bool = False) -> str:
    """The value as a text that a spreadsheet shows unchanged; empty for None. A number stays a number. An IP address
    looks like a number to us, and not to a spreadsheet."""
    if isinstance(value, int):
        return str(value)
    text = "" if value is None else str(value)
    core = text.strip(NUMERIC)
    is_formula = bool(text) and text[0] in FORMULA
    is_rewritten = (core != text and core.lower() in WORDS) or text.lower() in TRUTHS
    return f"'{text}" if is_formula or (is_rewritten and not is_address) else text


def cell_in_sql(column: str, *, is_address: bool = False) -> str:
    """The same rule as a PostgreSQL expression over a text column, for a query with parameters.

    To trim and to fold letters costs the most, so cheap conditions that must hold as well come first: trimmed is what
    begins or ends with such a character, and only four or five bytes may be a truth.
    """
    is_formula = f"ascii({column}) IN ({_list_codes(FORMULA)})"
    if is_address:
        condition = is_formula
    else:
        numeric = _list_codes(NUMERIC)
        core = "btrim({}, '{}')".format(column, NUMERIC.replace("%", "%%"))
        condition = (
            f"{is_formula} OR (ascii({column}) IN ({numeric}) OR ascii(right({column}, 1)) IN ({numeric}))"
            f" AND lower({core}) IN ({_list_words(WORDS)})"
            f" OR octet_length({column}) IN (4, 5) AND lower({column}) IN ({_list_words(TRUTHS)})"
        )
    return f"CASE WHEN {condition} THEN '''' || {column} ELSE {column} END"


def row(cells: Iterable[object]) -> str:
    """One line of a file, every cell quoted."""
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _list_codes(characters: str) -> str:
    return ", ".join(str(ord(character)) for character in characters)


def _list_words(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in sorted(words))
