"""Tables as CSV files to download."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.http import HttpResponse

from hyperclusters.audit.spreadsheets import BOM, cell, row


def sheet(name: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> HttpResponse:
    """A CSV file (UTF-8 with its mark, every cell quoted) as a download. `name` must be safe in a header: a slug."""
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    response.write(BOM + row(head))
    response.writelines(row(map(cell, each)) for each in rows)
    return response
