"""When an alert is raised, and who gets a mail about it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from hyperclusters.access import alert_mails
from hyperclusters.access.permissions import Permission
from hyperclusters.audit.alerts import ALERTS
from hyperclusters.audit.models import AlertSettings
from hyperclusters.web.access.form_pages import form_page
from hyperclusters.web.audit.alert_form import AlertForm
from hyperclusters.web.shared.decorators import access, anywhere
from hyperclusters.web.shared.drafts import keeps_draft
from hyperclusters.web.shared.http import PageRequest, posted_data

REVIEWERS = anywhere(Permission.REVIEW)


@access(get=REVIEWERS, post=REVIEWERS)
@keeps_draft()
def alerts(request: PageRequest) -> HttpResponse:
    """Thresholds and recipients, as they are now."""
    form = AlertForm(posted_data(request), alerts=AlertSettings.current())

    def act() -> str:
        values = {name: form.cleaned_data[name] for name in (*alert_mails.THRESHOLDS, "reason")}
        alert_mails.set_alerts(by=request.user, to=form.cleaned_data["recipients"], **values)
        messages.success(
            request, _("Alerts saved. They apply from the next check on, a few seconds from now.")
        )
        return request.path

    context = {"kinds": [kind.label for kind in ALERTS], "recipients": alert_mails.recipients()}
    return form_page(request, form, act, "audit/alerts.html", context)


@access(post=REVIEWERS, page="audit:alerts")
def send_test(request: PageRequest) -> HttpResponse:
    """A test mail to everybody who gets the alerts."""
    count = alert_mails.send_test(by=request.user)
    if count:
        text = ngettext("A test mail goes to %(n)d person.", "A test mail goes to %(n)d people.", count)
        messages.success(request, text % {"n": count})
    else:
        messages.error(request, _("Nobody gets these mails yet: choose somebody and save first."))
    return redirect("audit:alerts")
