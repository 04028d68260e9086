"""Projects."""

from django.urls import path

from hyperclusters.web.projects import lookups, retirement, views

projects_urls = [
    path("", views.listing, name="list"),
    path("new/", views.connect, name="connect"),
    path("new/<uuid:pk>/", lookups.pick, name="pick"),
    path("<int:pk>/", views.project, name="project"),
    path("<int:pk>/change/", views.change, name="change"),
    path("<int:pk>/key/", views.key, name="key"),
    path("<int:pk>/retire/", retirement.retire, name="retire"),
    path("<int:pk>/restore/", retirement.restore, name="restore"),
    path("<int:pk>/test/", views.test, name="test"),
]
