"""Rows of the list of clusters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from hyperclusters.audit import clock
from hyperclusters.clusters.models import ClusterListing, Deletion, DeletionState, Network
from hyperclusters.clusters.models.inventory import ClusterQuerySet, occupant_total
from hyperclusters.web.shared.humanize import ago, duration
from hyperclusters.web.texts.inside import count_text

AT_ONCE = 5000  # IDs in one query; a database takes only so many
OCCUPANT = ("kind", "id", "name", "status")
COLUMNS = (
    "pk",
    "project_id",
    "cluster_id",
    "name",
    "type",
    "project__team__name",
    "project__name",
    "creation__requested_by__username",
    "creation__requested_at",
    "found_at",
    "gone_at",
    "also_type",
    "review__claimed_for__username",
    "review__by__username",
    "review__at",
    "inside",
    "inside_count",
    "empty_since",
    "inside_listed_at",
    "owner__username",
    "locked_at",
    "locked_by__username",
    "lock_reason",
    "was_deleted",
)
WAS_DELETED = Exists(Deletion.objects.filter(cluster=OuterRef("pk"), state=DeletionState.DELETED))


@dataclass(frozen=True, slots=True)
class ClusterRow:
    """Everything that a row shows."""

    pk: UUID
    cluster_id: str
    name: str
    type: str
    team: str
    project: str
    networks: tuple[
        tuple[str, bool | None], ...
    ]  # subnet ID, whether it is the default one (None: not stated)
    maker: str  # empty: made outside
    since: datetime  # when it was asked for here, else when it was first seen
    since_words: str
    gone_at: datetime | None
    gone_words: str
    types: tuple[str, ...]  # both while the cloud lists it under both
    claimed_for: str  # by an auditor; empty: nobody, or made here
    claimed_by: str
    claimed_at: datetime | None
    # What is inside: kind, ID, name and status of each. None: not reported, not known, or gone.
    inside: tuple[tuple[str, str, str, str], ...] | None
    inside_total: int | None  # how many there are; `inside` has the first of many
    inside_words: str
    empty_since: datetime | None
    owner: str  # empty: nobody
    locked_at: datetime | None
    locked_by: str
    lock_reason: str
    inside_listed_at: datetime | None  # only files show it
    is_listed_again: bool  # after it was deleted here
    stale_words: str = ""  # how old all this is, while the list that it comes from fails

    @property
    def url(self) -> str:
        return reverse("clusters:cluster", args=[self.pk])

    @property
    def initials(self) -> str:
        """Two letters for the owner's avatar."""
        return self.owner[:2].upper()

    @property
    def other_subnets(self) -> str:
        """All networks but the first, in one text."""
        return ", ".join(self.subnet_ids[1:])

    @property
    def subnet_ids(self) -> list[str]:
        return [subnet_id for subnet_id, _ in self.networks]


def page_rows(
    clusters: ClusterQuerySet, failing_listings: Iterable[ClusterListing] = ()
) -> Iterator[ClusterRow]:
    """What the list says of these clusters, in their order."""
    rows = list(clusters.with_inside_listed_at().annotate(was_deleted=WAS_DELETED).values_list(*COLUMNS))
    networks = _networks([pk for pk, *_ in rows])
    now, language = clock.now(), get_language()
    stale_words = _stale_words(failing_listings, now, language)
    for pk, project_id, cluster_id, name, kind, team, project, maker, asked_at, found_at, *others in rows:
        gone_at, also_type, claimed_for, claimed_by, claimed_at, inside, inside_count, *rest = others
        empty_since, inside_listed_at, owner, locked_at, locked_by, lock_reason, was_deleted = rest
        inside_total = occupant_total(inside, inside_count)
        is_reported, is_claimed = inside is not None and not gone_at, claimed_for and not maker
        yield ClusterRow(
            *(pk, cluster_id, name, kind, team, project),
            networks=tuple(networks[pk]),
            maker=maker or "",
            since=asked_at or found_at,
            since_words=ago(asked_at or found_at, now, language),
            gone_at=gone_at,
            gone_words=ago(gone_at, now, language) if gone_at else "",
            types=tuple(filter(None, (kind, "" if maker else also_type))),
            claimed_for=claimed_for if is_claimed else "",
            claimed_by=claimed_by if is_claimed else "",
            claimed_at=claimed_at if is_claimed else None,
            inside=tuple(tuple(each[name] for name in OCCUPANT) for each in inside) if is_reported else None,
            inside_total=inside_total if is_reported else None,
            inside_words=_inside_words(inside_total, empty_since, now, language) if is_reported else "",
            empty_since=empty_since if is_reported else None,
            inside_listed_at=inside_listed_at if is_reported else None,
            is_listed_again=was_deleted and not gone_at,
            owner=owner or "",
            locked_at=locked_at,
            locked_by=locked_by or "",
            lock_reason=lock_reason,
            stale_words="" if gone_at else stale_words.get((project_id, kind), ""),
        )


def _stale_words(
    listings: Iterable[ClusterListing], now: datetime, language: str
) -> dict[tuple[int, str], str]:
    """How old each of these lists is, by project and type."""
    pairs = ((each, each.listed_at) for each in listings)
    return {(each.project_id, each.type): ago(at, now, language) for each, at in pairs if at}


def _inside_words(total: int, empty_since: datetime | None, now: datetime, language: str) -> str:
    """How much is inside, or for how long nothing has been."""
    time = "" if total or not empty_since else duration(empty_since, now, language)
    return _("Empty for %(time)s") % {"time": time} if time else count_text(total)


def _networks(clusters: list[UUID]) -> dict[UUID, list[tuple[str, bool | None]]]:
    networks: defaultdict[UUID, list[tuple[str, bool | None]]] = defaultdict(list)
    for start in range(0, len(clusters), AT_ONCE):
        rows = Network.objects.filter(cluster__in=clusters[start : start + AT_ONCE])
        for cluster, subnet_id, is_default in rows.values_list("cluster_id", "subnet_id", "is_default"):
            networks[cluster].append((subnet_id, is_default))
    return networks
