"""One rule says what a spreadsheet would calculate or rewrite; PostgreSQL and Python apply it alike."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from hyperclusters.audit.spreadsheets import FORMULA, NUMERIC, WORDS, cell, cell_in_sql, row
from hyperclusters.web.shared.csv_files import sheet

CHANGED = [
    "=1+1", "+1", "-2", "-rf", "@SUM(A1)", "|calc", "｜calc", "%x", "％x", "＝1+1", "＋1", "－1", "＠x", "\t=1", "\r=1", "\n=1", " =1",
    "\xa0=1", "\u3000=1", "\u2003x", "\ufeff=1", "\x0b=1", "1E5", "1e-5", "1.5e+10", "00123", "3-4-26", "3/4/26", "2026-11-25",
    "10:30", "10:30 pm", "9 AM", "50%", "1,000", "(123)", "$5", "￥5", "1/2", "1 1/2", "Mar-4", "4-Mar-26", "SEPT2", "DEC1", "May 2026",
    "March 4, 2026", "true", "FALSE", "１２３", "12345678901234567890", ".5", "5.", "1" * 32, "12e4567890123456",
]  # fmt: skip
KEPT = [
    "", "train-a3-west", "may", "March", "june", "e", "am", "a3", "3a", "1e5x", "v1.2", "10 nodes", "market-2", "decoder-7b",
    "0123456789abcdef", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "中文", "'quoted", "a=1", "a\n=1", "2026-11-25T10:00:00.000000Z",
    "Train 2026", "\u202e", "🚀", "truth", "2026-11-25 10:00 UTC",
]  # fmt: skip


def by_database(texts: list[str]) -> list[str]:
    """The cells as PostgreSQL writes them."""
    found = []
    with connection.cursor() as cursor:
        for text in texts:
            cursor.execute(f"SELECT {cell_in_sql('given')} FROM (SELECT %s::text AS given) one", [text])
            found.append(cursor.fetchone()[0])
    return found


def test_what_a_spreadsheet_would_change_begins_with_an_apostrophe_and_nothing_else_does() -> None:
    assert [text for text in CHANGED if cell(text) != f"'{text}"] == []
    assert [text for text in KEPT if cell(text) != text] == []
    assert cell(None) == ""
    assert (cell("10.0.0.1", is_address=True), cell("=1", is_address=True)) == ("10.0.0.1", "'=1")


@pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL writes cells by itself")
def test_postgresql_writes_the_same_cells(database: None) -> None:
    assert by_database(CHANGED + KEPT) == [cell(text) for text in CHANGED + KEPT]
    alphabet = "".join({*FORMULA, *NUMERIC, *"".join(WORDS), "x", "é", "'", "\\"})

    @hypothesis(max_examples=60, deadline=None, database=None)
    @given(
        st.lists(
            st.text(alphabet, max_size=8)
            | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
        )
    )
    def compared(texts: list[str]) -> None:
        assert by_database(texts) == [cell(text) for text in texts]

    compared()


def test_a_sheet_is_read_back_as_it_was_written() -> None:
    answer: Any = sheet("name", ["text", "number"], [(text, 5) for text in CHANGED + KEPT])
    text = answer.content.decode()
    assert text.startswith("\ufeff")
    found = list(csv.reader(io.StringIO(text[1:], newline="")))
    assert found == [["text", "number"], *([cell(text), "5"] for text in CHANGED + KEPT)]
    assert list(csv.reader(io.StringIO(row(KEPT), newline=""))) == [KEPT]
