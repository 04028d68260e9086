"""A month in the life of two teams, through the product's services and real calls to the simulator."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from hyperclusters.access.access_requests import approve, ask, decline
from hyperclusters.access.access_reviews import complete, decide, open_review
from hyperclusters.access.models import Grant, Role, Team, User
from hyperclusters.access.permissions import NotPermitted
from hyperclusters.access.services import add_person, add_team, extend_grant, grant, set_rules
from hyperclusters.audit import clock
from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.clusters.connections import ask_test
from hyperclusters.clusters.creation_reviews import account_for, review
from hyperclusters.clusters.creations import CreateRequest, request_creation
from hyperclusters.clusters.deletions import request_deletion
from hyperclusters.clusters.errors import CreationRefused
from hyperclusters.clusters.follow_ups import answer, open_follow_up
from hyperclusters.clusters.inventory import ask_refresh
from hyperclusters.clusters.models import Cluster, Creation, Project
from hyperclusters.clusters.models.review import Judgement
from hyperclusters.clusters.ownership import hand_over, lock
from hyperclusters.clusters.projects import change_project, connect_project
from hyperclusters.clusters.worker import run_due
from hyperclusters.demo.accounts import PEOPLE
from hyperclusters.demo.simulated_cloud import SimulatedCloud

VISION_PROJECT_ID = "0f5181caba0024e72f89c0045e707b91"
SPEECH_PROJECT_ID = "5f2c9d84b7a34e10a6d3c58e1b90f742"
MINUTE = 1 / 24 / 60  # of a day


class History:
    """Writes it, from its first day to `end`. `set_clock` sets the clock that rows are judged by."""

    def __init__(self, cloud: SimulatedCloud, end: datetime, set_clock: Callable[[datetime], None]) -> None:
        self.simulated, self.end, self.set_clock = cloud, end, set_clock

    def write(self) -> None:
        """Everything, in the order in which it happened."""
        self._set_up()
        self._first_week()
        self._review_access()
        self._third_week()
        self._last_week()
        self._today()

    def _at(self, days_ago: float) -> None:
        """Go on to so many days before the end. The cloud's clock goes along, or it refused our signatures."""
        self.set_clock(self.end - timedelta(days=days_ago))
        self.simulated.switch(clock_offset=-days_ago * 86400)

    def _set_up(self) -> None:
        self._at(29.9)
        self.people = {name: add_person(username=name, email=f"{name}@example.com") for name in PEOPLE}
        root, tom, sam = (self.people[name] for name in ("root", "tom", "sam"))
        grant(person=root, role=Role.PLATFORM_ADMIN, team=None, reason="Runs the demo's platform")
        self._grant("olga", Role.AUDITOR, None, "Reviews every team", root)
        self.vision = add_team(slug="vision", name="Vision", by=root)
        self.speech = add_team(slug="speech", name="Speech", by=root)
        self._grant("tom", Role.ADMIN, self.vision, "Leads the team", root)
        self._grant("sam", Role.ADMIN, self.speech, "Leads the team", root)
        self.southwest = self._connect("vision-cn-southwest-2", self.vision, VISION_PROJECT_ID, quota=20)
        self.north = self._connect("speech-cn-north-9", self.speech, SPEECH_PROJECT_ID)
        self._at(29.8)
        self._sign_in("tom", "sam")
        self._grant("ada", Role.CREATOR, self.vision, "Training infrastructure", tom)
        self._grant("vera", Role.VIEWER, self.vision, "Follows the training runs", tom)
        self._grant("mallory", Role.CREATOR, self.speech, "Speech models", sam)
        set_rules(self.speech, by=root, quota=6, reason="Shared budget of the speech models")

    def _first_week(self) -> None:
        vera = self.people["vera"]
        self._at(29)
        self._sign_in("ada")
        self._create("ada", "train-a3-west", "Baseline runs of the spring model")
        self.simulated.add_inside("train-a3-west")
        self.simulated.add_capacity("train-a3-west")
        self.simulated.add_projects()
        self._at(28.2)
        self._create("tom", "train-a3-west-2", "Second supernode for the same runs")
        self._at(27)
        self._sign_in("mallory")
        subnet = Cluster.objects.get(name="train-a3-west").networks.values_list("subnet_id", flat=True)[0]
        self._create("ada", "infer.gateway_01", "Gateway beside the training network", "ECS", subnet)
        self._create("mallory", "speech-asr-9", "Speech recognition", project=self.north)
        self._at(25.3)
        self.simulated.fail_next("train-b4-east", fault="error", status=400, error_code="ModelArts.0104")
        self._create("ada", "train-b4-east", "Larger batches for the spring model")
        self._at(24.8)
        self._sign_in("ada", "vera")
        self._create("ada", "train-b4-east", "Larger batches, with a subnet of its own")
        guest = ask(person=vera, team=self.speech, role=Role.VIEWER, days=14, reason="Compare both models")
        self._at(24.5)
        approve(guest, by=self.people["sam"], days=14, note="Until the comparison is written")
        with suppress(NotPermitted):
            request_creation(
                person=vera, project=self.southwest, wish=CreateRequest("my-own", "HPS"), token=uuid.uuid4()
            )
        self._at(22.1)
        with suppress(CreationRefused):  # the name is taken
            self._create("tom", "train-a3-west", "Once more")
        self._create("ada", "scratch-1", "To try the network", "ECS")

    def _review_access(self) -> None:
        olga, tom = self.people["olga"], self.people["tom"]
        self._at(21.5)
        self._sign_in("olga", "tom")
        due_on = (self.end - timedelta(days=18)).date()
        access_review = open_review(self.vision, due_on=due_on, by=olga)
        self._at(20.8)
        marks = {each.grant_id: each.mark for each in access_review.items.select_related("grant")}
        decide(access_review, by=tom, marks=marks, keep_rest=True)
        complete(access_review, by=tom)

    def _third_week(self) -> None:
        ada, tom, sam, olga = (self.people[name] for name in ("ada", "tom", "sam", "olga"))
        self._at(19.6)
        self.simulated.fail_next("rl-sweep-6", fault="lost_answer")
        self._create("ada", "rl-sweep-6", "Sweep over reward models")  # nobody knows the outcome
        self._at(19.6 - MINUTE)
        run_due()  # found in the cloud's list
        self._at(17.4)
        self._create("mallory", "speech-tts-gateway", "Voices for the spring demo", "ECS", project=self.north)
        self._delete(ada, "scratch-1", "The network works")
        self._at(15.2)
        self._sign_in("tom", "ada")
        hand_over(by=tom, cluster=self._cluster("train-a3-west-2"), to="ada", reason="Ada runs both of them")
        self._at(13.9)
        lock(by=sam, cluster=self._cluster("speech-asr-9"), reason="In use until the release")
        self.simulated.add_cluster(self.southwest, "bench-burnin")
        self.simulated.add_cluster(self.southwest, "notebook-gateway", "ECS")
        run_due()
        self._at(12.5)
        reason = "Burn-in by the data centre's own people"
        account_for(by=olga, cluster=self._cluster("bench-burnin"), reason=reason)
        account_for(by=olga, cluster=self._cluster("notebook-gateway"), claimed_for=ada)
        outcomes = Creation.objects.filter(settled_at__isnull=False)
        early = outcomes.exclude(name="rl-sweep-6").values_list("pk", flat=True)
        review(by=olga, creations=early, judgement=Judgement.REVIEWED)
        self.follow_up = open_follow_up(
            by=olga,
            creation=outcomes.get(name="rl-sweep-6"),
            to="ada",
            due_on=(self.end + timedelta(days=2)).date(),
            text="Why was this created without a test run first?",
            token=uuid.uuid4(),
        )

    def _last_week(self) -> None:
        root, tom, vera = (self.people[name] for name in ("root", "tom", "vera"))
        self._at(9.7)
        standing_in = ask(
            person=vera, team=self.vision, role=Role.ADMIN, days=30, reason="To stand in for tom"
        )
        open_review(self.speech, due_on=(self.end - timedelta(days=2)).date(), by=self.people["olga"])
        self._at(9.1)
        decline(standing_in, by=tom, note="ada covers for me this time")
        self._at(8.6)
        text = "The sweep needs its own network, and its test run was in train-a3-west. Is that enough?"
        answer(by=self.people["ada"], follow_up=self.follow_up, text=text, token=uuid.uuid4())
        self._at(6.3)
        self._sign_in("root", "mallory")
        self.simulated.fail_next("speech-asr-10", fault="error", status=400, error_code="ModelArts.0104")
        self._create("mallory", "speech-asr-10", "A second model", project=self.north)
        change_project(
            by=root,
            project=self.southwest,
            name=self.southwest.name,
            team=self.vision,
            region=self.southwest.region,
            quota=self.southwest.quota,
            reads_traces=True,
        )
        ask_test(by=root, project=self.southwest)
        self._at(4.2)
        self.simulated.add_cluster(self.southwest, "lab-shared")
        ask_refresh(person=self.people["olga"])
        run_due()
        self.simulated.add_trace("lab-shared")
        self._at(3.1)
        self._sign_in("tom")
        temporary = Grant.objects.active().get(person=vera, team=self.vision)
        until = self.end + timedelta(days=5)
        extend_grant(temporary, until=until, reason="Review of the spring runs", by=tom)

    def _today(self) -> None:
        self._at(1.2)
        self._sign_in("olga", "vera", "mallory")
        open_review(self.vision, due_on=(self.end + timedelta(days=6)).date(), by=self.people["olga"])
        vera, mallory = self.people["vera"], self.people["mallory"]
        reason = "To repeat the evaluation run by myself"
        ask(person=vera, team=self.vision, role=Role.CREATOR, days=7, reason=reason)
        ask(person=mallory, team=self.speech, role=Role.ADMIN, days=14, reason="Sam is away next week")
        self._at(0.9)
        self._sign_in("ada")
        self.simulated.switch(quota=0)
        self._create("ada", "rl-sweep-7", "Sweep over reward models")
        self._create("mallory", "tts-eval", "Evaluation of the new voices", project=self.north)
        self.simulated.switch(quota=None)
        self._at(0.5)
        failure = Creation.objects.filter(name="rl-sweep-7", settled_at__isnull=False).latest("requested_at")
        open_follow_up(
            by=self.people["olga"],
            creation=failure,
            to="ada",
            due_on=(self.end + timedelta(days=3)).date(),
            text="The quota is used up. Which cluster can be released for this sweep?",
            token=uuid.uuid4(),
        )
        self._at(0.1)
        self._sign_in("sam")
        self.simulated.fail_next("eval-batch-3", fault="lost_answer")
        self._create("ada", "eval-batch-3", "Evaluation of the spring model")
        self.simulated.add_cluster(self.southwest, "eval-batch-3")  # which of the two is it?
        set_rules(
            self.speech,
            by=self.people["sam"],
            approval_types=["ECS"],
            reason="ECS pools cost more than planned",
        )
        self._create("mallory", "tts-pool", "Nodes for the voice tests", kind="ECS", project=self.north)
        self._at(0.1 - MINUTE)
        run_due()

    def _sign_in(self, *names: str) -> None:
        """What a sign-in with a password leaves: its event, and the time that access reviews note."""
        for name in names:
            person = self.people[name]
            person.last_login = clock.now()
            person.save(update_fields=["last_login"])
            record(EventType.SIGNED_IN, Outcome.DONE, by=person, after={"by": ["password"]})

    def _grant(self, name: str, role: Role, team: Team | None, reason: str, by: User) -> None:
        grant(person=self.people[name], role=role, team=team, reason=reason, by=by)

    def _connect(self, name: str, team: Team, project_id: str, quota: int | None = None) -> Project:
        return connect_project(
            by=self.people["root"],
            name=name,
            team=team,
            endpoint=self.simulated.endpoint,
            project_id=project_id,
            credentials=self.simulated.credentials,
            region=name.partition("-")[2],
            quota=quota,
        )

    def _create(
        self,
        person: str,
        name: str,
        reason: str,
        kind: str = "HPS",
        subnet: str = "",
        project: Project | None = None,
    ) -> None:
        wish = CreateRequest(name, kind, subnet, reason)
        request_creation(
            person=self.people[person], project=project or self.southwest, wish=wish, token=uuid.uuid4()
        )
        run_due()

    def _delete(self, person: User, name: str, reason: str) -> None:
        request_deletion(person=person, cluster=self._cluster(name), typed_name=name, reason=reason)
        run_due()

    def _cluster(self, name: str) -> Cluster:
        return Cluster.objects.select_related("project__team").get(name=name)
