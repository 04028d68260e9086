"""The front page, what every page uses, and what machines ask for."""

from django.urls import path
from django.views.i18n import set_language

from hyperclusters.web.pages.views import browser, home, inbox, jump, monitoring, saved_views
from hyperclusters.web.shared.decorators import PUBLIC, access

pages_urls = [
    path("", home.home, name="home"),
    path("home/dismiss/<uuid:pk>/", home.dismiss, name="dismiss_failure"),
    path("inbox/", inbox.inbox, name="inbox"),
    path("inbox/read/", inbox.read, name="read_inbox"),
    path("inbox/news/", inbox.news, name="news"),
    path("theme/", browser.theme, name="theme"),
    path("jump/", jump.jump, name="jump"),
    path("draft/", browser.draft, name="draft"),
    path("views/", saved_views.save, name="save_view"),
    path("views/<int:pk>/delete/", saved_views.delete, name="delete_view"),
]
unnamespaced_urls = [
    path("language/", access(get=PUBLIC, post=PUBLIC)(set_language), name="set_language"),
    path("healthz", monitoring.healthz, name="healthz"),
    path("readyz", monitoring.readyz, name="readyz"),
    path("metrics", monitoring.metrics, name="metrics"),
]
