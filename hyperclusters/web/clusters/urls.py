"""Clusters, and the attempts to create them."""

from django.urls import path

from hyperclusters.web.clusters.views import (
    cluster,
    cluster_list,
    creation_approval,
    creation_list,
    creations,
    deletion,
    follow_ups,
    inquiries,
    new,
    owners,
    ownership,
)

clusters_urls = [
    path("", cluster_list.listing, name="list"),
    path("clusters.csv", cluster_list.as_csv, name="csv"),
    path("clusters.json", cluster_list.as_json, name="json"),
    path("owners/", owners.owners, name="owners"),
    path("refresh/", cluster_list.refresh, name="refresh"),
    path("new/", new.new, name="new"),
    path("<uuid:pk>/", cluster.cluster, name="cluster"),
    path("<uuid:pk>/delete/", deletion.delete, name="delete"),
    path("<uuid:pk>/check/", cluster.check, name="check"),
    path("<uuid:pk>/owner/", ownership.hand_over, name="owner"),
    path("<uuid:pk>/claim/", ownership.claim, name="claim"),
    path("<uuid:pk>/lock/", ownership.lock, name="lock"),
    path("<uuid:pk>/unlock/", ownership.unlock, name="unlock"),
    path("<uuid:pk>/capacity/", inquiries.capacity, name="capacity"),
    path("<uuid:pk>/traces/", inquiries.traces, name="traces"),
]
creations_urls = [
    path("", creation_list.listing, name="list"),
    path("creations.csv", creation_list.as_csv, name="csv"),
    path("creations.json", creation_list.as_json, name="json"),
    path("<uuid:pk>/", creations.creation, name="creation"),
    path("form/<uuid:token>/", creations.of_form, name="of_form"),
    path("<uuid:pk>/withdraw/", creations.withdraw, name="withdraw"),
    path("<uuid:pk>/look/", creations.look, name="look"),
    path("<uuid:pk>/decide/", creations.decide, name="decide"),
    path("<uuid:pk>/follow-up/", follow_ups.open_follow_up, name="open_follow_up"),
    path("follow-ups/<uuid:pk>/", follow_ups.follow_up, name="follow_up"),
    path("follow-ups/<uuid:pk>/answer/", follow_ups.answer, name="answer"),
    path("follow-ups/<uuid:pk>/reassign/", follow_ups.reassign, name="reassign"),
    path("follow-ups/<uuid:pk>/reschedule/", follow_ups.reschedule, name="reschedule"),
    path("follow-ups/<uuid:pk>/close/", follow_ups.close, name="close"),
    path("<uuid:pk>/approval/", creation_approval.approval, name="approval"),
]
