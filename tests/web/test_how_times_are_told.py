"""How long ago something was, in one unit, as the browser goes on telling it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone, translation

from hyperclusters.web.shared.humanize import ago, when

pytestmark = pytest.mark.any_database


@pytest.mark.parametrize(
    ("span", "english", "chinese"),
    [
        (timedelta(seconds=-4), "just now", "刚刚"),
        (timedelta(seconds=-40), "40 seconds ago", "40 秒钟前"),
        (timedelta(seconds=-65), "1 minute ago", "1 分钟前"),
        (timedelta(hours=-3, minutes=-50), "3 hours ago", "3 小时前"),
        (timedelta(days=-15, hours=-1), "2 weeks ago", "2 周前"),
        (timedelta(days=-70), "2 months ago", "2 个月前"),
        (timedelta(days=-800), "2 years ago", "2 年前"),
        (timedelta(seconds=50.5), "in 50 seconds", "50 秒后"),
        (timedelta(days=4, minutes=1), "in 4 days", "4 天后"),
        (timedelta(days=7, seconds=-2), "in 1 week", "1 周后"),
        (timedelta(days=5, hours=14), "in 6 days", "6 天后"),
        (timedelta(hours=23, minutes=59, seconds=50), "in 1 day", "1 天后"),
        (timedelta(minutes=59, seconds=50), "in 1 hour", "1 小时后"),
        (timedelta(days=31), "in 1 month", "1 个月后"),
        (timedelta(days=-7, seconds=2), "6 days ago", "6 天前"),
    ],
)
def test_a_moment_is_told_in_one_unit_and_in_both_languages(
    span: timedelta, english: str, chinese: str
) -> None:
    at = timezone.now() + span
    with translation.override("en"):
        assert when(at) == english
    with translation.override("zh-hans"):
        assert when(at) == chinese


def test_what_is_about_to_be_is_not_told_as_past() -> None:
    with translation.override("en"):
        assert when(timezone.now() + timedelta(seconds=4)) == "in a moment"


def test_what_is_drawn_once_is_told_to_the_minute() -> None:
    now = timezone.now()
    with translation.override("en"):  # whatever a page spoke last
        assert ago(now - timedelta(seconds=59), now) == "just now"
        assert ago(now - timedelta(seconds=61), now) == ago(now - timedelta(seconds=119), now)
