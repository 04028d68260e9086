"""How creations ended in the chosen time, and how many events match: asked for after the list is shown, and bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta

from django.db.models import Count
from django.db.models.functions import TruncDay, TruncHour, TruncMinute
from django.http import QueryDict
from django.utils.formats import date_format
from django.utils.translation import gettext

from hyperclusters.audit import clock
from hyperclusters.audit.filters import EventFilter
from hyperclusters.audit.models import EventQuerySet
from hyperclusters.audit.paging import NEWEST_FIRST
from hyperclusters.audit.times import EARLIEST, LATEST, end_of_day, later
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.web.audit.periods import moment
from hyperclusters.web.shared.listing import address
from hyperclusters.web.texts.grants import day

DAYS = timedelta(days=30)  # that are drawn where no time is chosen
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
LEAST_BARS, DENSE = 24, 31  # bars; with more than `DENSE` they are too narrow to be clicked
MINUTES = (
    1,
    2,
    3,
    5,
    10,
    15,
    20,
    30,
    60,
    120,
    180,
    240,
    360,
    480,
    720,
)  # of a bar; longer ones are whole days
MOMENT = timedelta(microseconds=1)  # the end of a filter is not part of it
MOST = 10_000  # events that are counted
LABELS = 7  # words along the axis
HEIGHT, STEP, WIDTH = 52, 24, 16  # of the drawing: its bars' height, and each bar's step and width
CREATED, FAILED, UNKNOWN = "created", "failed", "unknown"
ENDS = (
    EventType.CREATE_SUCCEEDED,
    EventType.CREATE_FAILED,
    EventType.CREATE_ABSENT,
    EventType.CREATE_REFUSED,
    EventType.CREATE_DENIED,
    EventType.CREATE_UNKNOWN,
)
OUTCOMES: dict[str, list[str]] = {
    CREATED: [Outcome.DONE],
    FAILED: [Outcome.FAILED, Outcome.REFUSED, Outcome.DENIED],
    UNKNOWN: [Outcome.UNKNOWN],
}
KINDS = {outcome: kind for kind, outcomes in OUTCOMES.items() for outcome in outcomes}


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of the time: its numbers, the places and heights of its three parts, from the ground up, and where it
    leads."""

    word: str
    created: int
    failed: int
    unknown: int
    x: int
    slot: int
    parts: list[tuple[str, float, float]]
    url: str
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """The bars, oldest first, the words below some of them with their place in percent of the width, the sums of the
    bars, and the addresses of the events behind each sum."""

    bars: list[Bar]
    axis: list[tuple[float, str]]
    urls: dict[str, str]
    created: int
    failed: int
    unknown: int

    @property
    def width(self) -> int:
        """Of the drawing."""
        return STEP * len(self.bars)

    height = HEIGHT
    bar = WIDTH
    step = STEP

    @property
    def is_dense(self) -> bool:
        """Whether its bars are too narrow to be clicked on most screens."""
        return len(self.bars) > DENSE


@dataclass(frozen=True, slots=True)
class Scale:
    """The time that is drawn, and the length of a bar."""

    since: datetime
    until: datetime
    step: timedelta

    @property
    def starts(self) -> list[datetime]:
        """Where each bar begins."""
        starts, at = [], self.since
        while at < self.until:
            starts.append(at)
            if self.step > LATEST - at:
                break
            at += self.step
        return starts


def chart(event_filter: EventFilter, events: EventQuerySet, query: QueryDict) -> Chart | None:
    """The creations among the wanted events in the chosen time, by default the last 30 days; None without any."""
    scale = _scale(event_filter)
    # Each end names its requester, so `people_only` would leave out none. Without it the index on actions is enough.
    window = replace(
        event_filter,
        people_only=False,
        since=max(scale.since, event_filter.since or EARLIEST),
        until=min(scale.until, event_filter.until or LATEST),
    )
    rows = window.apply(events).filter(action__in=ENDS, outcome__in=KINDS).order_by()
    bar_start = (TruncMinute if scale.step < HOUR else TruncHour if scale.step < DAY else TruncDay)("at")
    counts = rows.annotate(start=bar_start).values("start", "outcome").annotate(n=Count("seq"))
    numbers: Counter[tuple[int, str]] = Counter()
    for start, outcome, n in counts.values_list("start", "outcome", "n"):
        numbers[max(0, (start - scale.since) // scale.step), KINDS[outcome]] += n
    return _chart(numbers, scale, event_filter, query) if numbers else None


def count(event_filter: EventFilter, events: EventQuerySet) -> tuple[int, bool]:
    """How many events match, counted up to a bound; and whether there are more."""
    count = event_filter.apply(events).order_by(*NEWEST_FIRST).values("seq")[: MOST + 1].count()
    return min(count, MOST), count > MOST


def _scale(event_filter: EventFilter) -> Scale:
    """Bars of a round length that cover the chosen time: 24 to 60 of them where it is longer than 24 minutes."""
    now = clock.now()
    until = event_filter.until or max(now, later(event_filter.since or now, MOMENT))
    if event_filter.since is None:
        last = (until - MOMENT).date() if until > EARLIEST else until.date()
        until = end_of_day(last)
        since = until - DAYS if until - EARLIEST > DAYS else EARLIEST
        return Scale(since, until, DAY)
    span = max(until - event_filter.since, MOMENT)
    steps = [timedelta(minutes=each) for each in MINUTES] + [DAY * max(1, span // DAY // LEAST_BARS)]
    step = max((each for each in steps if span / each >= LEAST_BARS), default=steps[0])
    midnight = datetime.combine(event_filter.since.date(), time(), UTC)
    since = midnight + (event_filter.since - midnight) // step * step if step < DAY else midnight
    return Scale(since, until, step)


def _chart(
    numbers: Counter[tuple[int, str]], scale: Scale, event_filter: EventFilter, query: QueryDict
) -> Chart:
    starts = scale.starts
    most = max(sum(numbers[place, how] for how in OUTCOMES) for place in range(len(starts)))
    bars = []
    for place, start in enumerate(starts):
        end = min(later(start, scale.step), event_filter.until or LATEST)
        url = _url(query, max(start, event_filter.since or EARLIEST), end)
        counts = {how: numbers[place, how] for how in OUTCOMES}
        bars.append(_bar(counts, _word(start, scale.step), place, (HEIGHT - 4) / (most or 1), url))
    since = query.getlist("since") if event_filter.since else scale.since.replace(tzinfo=None).isoformat()
    actions = _chosen_values(query, "action", ENDS)
    urls = {
        how: address(query, since=since, action=actions, outcome=_chosen_values(query, "outcome", outcomes))
        for how, outcomes in OUTCOMES.items()
    }
    stride = -(-len(bars) // LABELS)
    axis = [
        (round(100 * place / len(bars), 2), _axis_word(starts[place], scale.step))
        for place in range(0, len(bars), stride)
    ]
    sums = {how: sum(number for (_, kind), number in numbers.items() if kind == how) for how in OUTCOMES}
    return Chart(bars, axis, urls, **sums)


def _chosen_values(query: QueryDict, name: str, values: Iterable[str]) -> list[str]:
    """These values as far as the address has chosen them; all of them if it has chosen none."""
    selection = [str(value) for value in values if value in query.getlist(name)]
    return selection or [str(value) for value in values]


def _url(query: QueryDict, since: datetime, until: datetime) -> str:
    """The list of one bar: its time in the place of the chosen one."""
    first, last = (at.replace(tzinfo=None).isoformat() for at in (since, until))
    return address(query, range="", since=first, until="" if until == LATEST else last)


def _bar(counts: dict[str, int], word: str, place: int, scale: float, url: str) -> Bar:
    parts, top = [], float(HEIGHT)
    for how, number in counts.items():
        if number:
            height = max(number * scale, 3)  # a single one is still seen
            top -= height
            parts.append((how, round(top, 1), round(height, 1)))
    label = gettext("%(time)s: %(created)s succeeded, %(failed)s failed or refused, %(unknown)s unknown")
    x = place * STEP
    return Bar(
        word=word,
        x=x + (STEP - WIDTH) // 2,
        slot=x,
        parts=parts,
        url=url,
        label=label % (counts | {"time": word}),
        **counts,
    )


def _word(start: datetime, step: timedelta) -> str:
    return day(start) if step >= DAY else f"{moment(start)} UTC"


def _axis_word(start: datetime, step: timedelta) -> str:
    is_by_day = step >= 3 * HOUR
    return date_format(start, gettext("j M") if is_by_day else "H:i")
