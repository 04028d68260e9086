"""Every URL of the dashboard."""

from django.urls import include, path
from django.views.i18n import set_language

from hyperclusters.web.access.urls import access_urls, people_urls, teams_urls
from hyperclusters.web.accounts.urls import accounts_urls, allauth_urls
from hyperclusters.web.audit.urls import audit_urls
from hyperclusters.web.clusters.urls import clusters_urls, creations_urls
from hyperclusters.web.projects.urls import projects_urls
from hyperclusters.web.shared import decorators
from hyperclusters.web.views import (
    drafts,
    health,
    home,
    jump,
    metrics,
)

web = [
    path("", home.home, name="home"),
    path("theme/", home.theme, name="theme"),
    path("jump/", jump.jump, name="jump"),
    path("draft/", drafts.draft, name="draft"),
]

urlpatterns = [
    path("", include((web, "web"))),
    path("accounts/", include((accounts_urls, "accounts"))),
    path("accounts/", include(allauth_urls)),
    path("clusters/", include((clusters_urls, "clusters"))),
    path("creations/", include((creations_urls, "creations"))),
    path("audit/", include((audit_urls, "audit"))),
    path("teams/", include((teams_urls, "teams"))),
    path("access/", include((access_urls, "access"))),
    path("people/", include((people_urls, "people"))),
    path("projects/", include((projects_urls, "projects"))),
    path(
        "language/",
        decorators.access(get=decorators.PUBLIC, post=decorators.PUBLIC)(set_language),
        name="set_language",
    ),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
]

handler400 = "hyperclusters.web.shared.errors.bad_request"
handler403 = "hyperclusters.web.shared.errors.denied"
handler404 = "hyperclusters.web.shared.errors.not_found"
handler429 = "hyperclusters.web.shared.errors.too_many"  # allauth looks for it here
handler500 = "hyperclusters.web.shared.errors.server_error"
