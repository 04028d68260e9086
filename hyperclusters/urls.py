"""Every URL of the dashboard."""

from django.urls import include, path

from hyperclusters.api import urls as api_urls
from hyperclusters.api import views as api_views
from hyperclusters.web.access.urls import access_urls, people_urls, teams_urls
from hyperclusters.web.accounts.urls import accounts_urls, allauth_urls
from hyperclusters.web.audit.urls import audit_urls
from hyperclusters.web.clusters.urls import clusters_urls, creations_urls
from hyperclusters.web.pages.urls import pages_urls, unnamespaced_urls
from hyperclusters.web.projects.urls import projects_urls

urlpatterns = [
    path("", include((pages_urls, "web"))),
    path("accounts/", include((accounts_urls, "accounts"))),
    path("accounts/", include(allauth_urls)),
    path("clusters/", include((clusters_urls, "clusters"))),
    path("creations/", include((creations_urls, "creations"))),
    path("audit/", include((audit_urls, "audit"))),
    path("teams/", include((teams_urls, "teams"))),
    path("access/", include((access_urls, "access"))),
    path("people/", include((people_urls, "people"))),
    path("projects/", include((projects_urls, "projects"))),
    path("api/", api_views.reference, name="api"),
    path("api/v1/", include((api_urls.urlpatterns, "api"))),
    path("", include(unnamespaced_urls)),
]

handler400 = "hyperclusters.web.shared.error_pages.bad_request"
handler403 = "hyperclusters.web.shared.error_pages.permission_denied"
handler404 = "hyperclusters.web.shared.error_pages.not_found"
handler429 = "hyperclusters.web.shared.error_pages.too_many"  # allauth looks for it here
handler500 = "hyperclusters.web.shared.error_pages.server_error"
