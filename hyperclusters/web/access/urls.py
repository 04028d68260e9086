"""Teams and their grants, a person's own access, and people."""

from django.urls import path

from hyperclusters.web.access.views import (
    grants,
    member,
    messages,
    mine,
    owners,
    people,
    reviews,
    team_rules,
    teams,
    tokens,
)

teams_urls = [
    path("", teams.listing, name="list"),
    path("<slug:slug>/", teams.team, name="team"),
    path("<slug:slug>/who.csv", teams.who, name="who"),
    path("<slug:slug>/rules/", team_rules.rules, name="rules"),
    path("<slug:slug>/quota/", team_rules.quota, name="quota"),
    path("<slug:slug>/owners/", owners.hand_over, name="owners"),
    path("<slug:slug>/name/", team_rules.rename, name="rename"),
    path("<slug:slug>/give/", grants.give, name="give"),
    path("<slug:slug>/grants/<int:pk>/", member.grant, name="grant"),
    path("<slug:slug>/grants/<int:pk>/revoke/", member.revoke, name="revoke"),
    path("<slug:slug>/review/", reviews.review, name="review"),
    path("<slug:slug>/review/open/", reviews.open_review, name="open_review"),
    path("<slug:slug>/review/cancel/", reviews.cancel_review, name="cancel_review"),
    path("<slug:slug>/review/<int:pk>/", reviews.evidence, name="evidence"),
    path("<slug:slug>/review/<int:pk>/evidence.json", reviews.evidence_file, name="evidence_file"),
    path("<slug:slug>/services/new/", tokens.add_service, name="add_service"),
    path("<slug:slug>/services/<int:pk>/remove/", tokens.remove_service, name="remove_service"),
    path("<slug:slug>/messages/", messages.team_messages, name="messages"),
    path("<slug:slug>/messages/new/", messages.add_team_target, name="add_target"),
    path("<slug:slug>/messages/<uuid:pk>/", messages.team_target, name="target"),
    path("<slug:slug>/messages/<uuid:pk>/act/", messages.act_on_team_target, name="act_on_target"),
    path("<slug:slug>/requests/<int:pk>/", grants.decide, name="request"),
    path("<slug:slug>/invitations/<uuid:pk>/withdraw/", grants.uninvite, name="uninvite"),
]
access_urls = [
    path("", mine.mine, name="mine"),
    path("ask/", mine.ask, name="ask"),
    path("tokens/new/", tokens.new, name="new_token"),
    path("tokens/<str:pk>/revoke/", tokens.revoke, name="revoke_token"),
    path("requests/<int:pk>/withdraw/", mine.withdraw, name="withdraw"),
    path("invitations/<str:token>/", mine.invitation, name="invitation"),
]
people_urls = [
    path("", people.listing, name="list"),
    path("invite/", people.invite, name="invite"),
    path("appoint/", people.appoint, name="appoint"),
    path("roles/<int:pk>/end/", people.dismiss, name="dismiss"),
    path("<int:pk>/activity/", people.activity, name="activity"),
    path("<int:pk>/correct/", people.correct, name="correct"),
    path("teams/", people.add_team, name="add_team"),
]
