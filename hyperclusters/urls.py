"""Every URL of the dashboard."""

from django.contrib.auth.decorators import login_not_required
from django.urls import include, path
from django.views.i18n import set_language

from hyperclusters.web.views import (
    accounts,
    audit,
    cluster_list,
    clusters,
    creations,
    export,
    health,
    home,
    metrics,
    new,
    projects,
    review,
)

web = [
    path("", home.home, name="home"),
    path("theme/", home.theme, name="theme"),
]
accounts_urls = [
    path("login/", accounts.sign_in, name="login"),
    path("logout/", accounts.sign_out, name="logout"),
]
clusters_urls = [
    path("", cluster_list.listing, name="list"),
    path("clusters.csv", cluster_list.as_csv, name="csv"),
    path("clusters.json", cluster_list.as_json, name="json"),
    path("refresh/", cluster_list.refresh, name="refresh"),
    path("new/", new.new, name="new"),
    path("<uuid:pk>/", clusters.cluster, name="cluster"),
    path("<uuid:pk>/delete/", clusters.delete, name="delete"),
]
creations_urls = [
    path("", creations.listing, name="list"),
    path("<uuid:pk>/", creations.creation, name="creation"),
    path("<uuid:pk>/withdraw/", creations.withdraw, name="withdraw"),
    path("<uuid:pk>/look/", creations.look, name="look"),
    path("<uuid:pk>/decide/", creations.decide, name="decide"),
]
audit_urls = [
    path("", audit.listing, name="list"),
    path("summary/", audit.summary, name="summary"),
    path("chain/", audit.chain, name="chain"),
    path("review/", review.queue, name="review"),
    path("review/mark/", review.mark, name="mark"),
    path("review/<uuid:pk>/", review.account, name="account"),
    path("export/", export.export, name="export"),
    path("<int:seq>/", audit.event, name="event"),
]
projects_urls = [
    path("", projects.listing, name="list"),
    path("new/", projects.connect, name="connect"),
    path("<int:pk>/", projects.project, name="project"),
    path("<int:pk>/change/", projects.change, name="change"),
    path("<int:pk>/key/", projects.key, name="key"),
    path("<int:pk>/test/", projects.test, name="test"),
]

urlpatterns = [
    path("", include((web, "web"))),
    path("accounts/", include((accounts_urls, "accounts"))),
    path("clusters/", include((clusters_urls, "clusters"))),
    path("creations/", include((creations_urls, "creations"))),
    path("audit/", include((audit_urls, "audit"))),
    path("projects/", include((projects_urls, "projects"))),
    path("language/", login_not_required(set_language), name="set_language"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
]

handler400 = "hyperclusters.web.errors.bad_request"
handler403 = "hyperclusters.web.errors.denied"
handler404 = "hyperclusters.web.errors.not_found"
handler500 = "hyperclusters.web.errors.server_error"
