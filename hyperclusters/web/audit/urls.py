"""The audit, its integrity, its export, and the review queue."""

from django.urls import path

from hyperclusters.web.access.views import messages
from hyperclusters.web.audit.views import alerts, archive, events, export, integrity, reports, review

audit_urls = [
    path("", events.listing, name="list"),
    path("summary/", events.summary, name="summary"),
    path("chain/", integrity.chain, name="chain"),
    path("chain/check/", integrity.check_now, name="check_now"),
    path("chain/acknowledge/", integrity.acknowledge_findings, name="acknowledge"),
    path("alerts/", alerts.alerts, name="alerts"),
    path("alerts/test/", alerts.send_test, name="test_alerts"),
    path("archive/", archive.listing, name="archive"),
    path("archive/<int:first>/verify/", archive.verify, name="verify"),
    path("archive/<int:first>/download/", archive.download, name="download"),
    path("review/", review.queue, name="review"),
    path("review/mark/", review.mark, name="mark"),
    path("review/elsewhere/", review.account_all, name="account_all"),
    path("review/<uuid:pk>/", review.account, name="account"),
    path("reports/", reports.listing, name="reports"),
    path("reports/<slug:month>/", reports.report, name="report"),
    path("reports/<slug:month>.json", reports.download, name="report-file"),
    path("export/", export.export, name="export"),
    path("messages/", messages.audit_messages, name="messages"),
    path("messages/new/", messages.add_audit_target, name="add_target"),
    path("messages/<uuid:pk>/", messages.audit_target, name="target"),
    path("messages/<uuid:pk>/act/", messages.act_on_audit_target, name="act_on_target"),
    path("<int:seq>/", events.event, name="event"),
]
