"""Ada creates a hyper cluster through the pages, and Olga finds it in the audit."""

import re
from collections.abc import Callable
from typing import Any

from django.test import Client as Browser

from hyperclusters.clusters.models import Creation
from tests.conftest import Cloud, Projects, events, work

SignIn = Callable[[str], Browser]


def submit(browser: Browser, **values: str) -> Any:
    """Open the form, fill it in and post it, as a browser without JavaScript does."""
    page = browser.get("/clusters/new/").content.decode()
    token = re.search(r'name="token" value="([0-9a-f-]+)"', page)
    assert token
    return browser.post(
        "/clusters/new/",
        {
            "project": "vision-cn-southwest-2",
            "type": "HPS",
            "token": token[1],
            "reason": "",
            "hyper_cluster_subnet_id": "",
        }
        | values,
    )


def test_a_cluster_is_created_listed_and_found_in_the_audit(
    as_: SignIn, projects: Projects, cloud: Cloud
) -> None:
    ada = as_("ada")
    answer = submit(ada, name="test-hps--1107", reason="Baseline run")
    creation = Creation.objects.get()
    assert answer.status_code == 302
    assert answer["Location"] == f"/creations/{creation.pk}/"
    assert 'data-state="queued"' in ada.get(answer["Location"]).content.decode()

    work()

    page = ada.get(answer["Location"]).content.decode()
    assert 'data-state="created"' in page
    made = cloud.simulator.clusters()[0]
    assert made.id in page
    listed = ada.get("/clusters/").content.decode()
    assert "test-hps--1107" in listed
    assert made.networks[0].subnet_id in listed
    seen = as_("olga").get("/audit/?q=test-hps--1107&outcome=done").content.decode()
    assert "cluster:create:succeeded" in seen
    assert [event.action for event in events(object_id=str(creation.pk))] == [
        "cluster:create:requested",
        "cluster:create:sending",
        "cluster:create:succeeded",
    ]
