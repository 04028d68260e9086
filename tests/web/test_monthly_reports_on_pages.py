"""Auditors read and download monthly reports; a report that was edited in the database says so."""

from __future__ import annotations

import json

import pytest

from hyperclusters.audit import clock
from hyperclusters.audit.vocabulary import EventType
from hyperclusters.clusters.models import MonthlyReport
from hyperclusters.clusters.monthly_reports import create_report
from tests.conftest import People, Projects, events, submit_creation
from tests.web.pages import SignIn, body

pytestmark = pytest.mark.any_database


@pytest.fixture
def report(people: People, projects: Projects) -> MonthlyReport:
    submit_creation(people.ada, projects.vision, "one")
    created = create_report(clock.now().date().replace(day=1))
    assert created
    return created


def test_an_auditor_reads_it_by_team_and_gets_the_sealed_file(as_: SignIn, report: MonthlyReport) -> None:
    olga = as_("olga")
    assert report.get_absolute_url() in body(olga.get("/audit/reports/"))
    page = body(olga.get(report.get_absolute_url()))
    assert "Sealed and unchanged" in page
    assert "Vision" in page
    file = olga.get(f"/audit/reports/{report}.json")
    assert file.content.decode() == report.text
    assert str(report) in file["Content-Disposition"]
    assert len(events(action=EventType.AUDIT_READ, object_name=f"report month={report}")) == 1


def test_an_edited_report_is_not_called_unchanged(as_: SignIn, report: MonthlyReport) -> None:
    facts = json.loads(report.text)
    facts["report"]["review"]["settled"] = 99
    MonthlyReport.objects.update(text=json.dumps(facts))
    page = body(as_("olga").get(report.get_absolute_url()))
    assert "The seal of this report is not valid" in page
    assert "Sealed and unchanged" not in page


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", '{"report": {}}', '{"report": {"events": 7}}', '{"manifest": {}}']
)
def test_a_text_that_is_no_report_is_no_error_of_the_page(
    text: str, as_: SignIn, report: MonthlyReport
) -> None:
    MonthlyReport.objects.update(text=text)
    answer = as_("olga").get(report.get_absolute_url())
    assert answer.status_code == 200
    assert "The seal of this report is not valid" in body(answer)


@pytest.mark.parametrize("month", ["2001-01", "2026-13", "x", "2026", "2026-1", "0000-00"])
def test_a_month_without_a_report_is_not_found(month: str, as_: SignIn, report: MonthlyReport) -> None:
    olga = as_("olga")
    assert olga.get(f"/audit/reports/{month}/").status_code == 404
    assert olga.get(f"/audit/reports/{month}.json").status_code == 404


def test_others_learn_nothing_of_it(as_: SignIn, report: MonthlyReport) -> None:
    for name in ("ada", "tom", "root"):
        browser = as_(name)
        for path in ("/audit/reports/", report.get_absolute_url(), f"/audit/reports/{report}.json"):
            assert browser.get(path).status_code == 403
