"""The ledger's tables."""

from .event import PAIRS, ChainHead, Event, EventQuerySet
from .proof import AnchorFile, Segment, SegmentCheck, SegmentCheckQuerySet, Verification
from .work import AlertSettings, DenialWindow, ScheduledTask, UndeliveredEvent

__all__ = [
    "PAIRS",
    "AlertSettings",
    "AnchorFile",
    "ChainHead",
    "DenialWindow",
    "Event",
    "EventQuerySet",
    "ScheduledTask",
    "Segment",
    "SegmentCheck",
    "SegmentCheckQuerySet",
    "UndeliveredEvent",
    "Verification",
]
