"""Django's database engines, which also append recorded events to the chain before each COMMIT.

Subclassing an engine is Django's way to extend one. It is needed because the chain's end must be the last lock that a
transaction takes: taken at `record`, it would be held while the transaction waits for other rows, and the many
services that record in the middle of their work would deadlock.
"""

from django.db.backends.base.base import BaseDatabaseWrapper

from hyperclusters.audit.chain import PendingEvent, append


class AuditedDatabase(BaseDatabaseWrapper):
    """What both engines share."""

    def commit(self) -> None:
        """Append, then COMMIT. If the events cannot be appended nothing is committed, and the error is raised."""
        # Django drops the `run_on_commit` entries of a savepoint that was rolled back.
        events = [callback[1] for callback in self.run_on_commit if isinstance(callback[1], PendingEvent)]
        if events:
            try:
                append(self, events)
            except BaseException:
                self.rollback()
                raise
        super().commit()
