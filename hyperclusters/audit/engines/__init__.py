"""Django's database engines with one thing more: before each COMMIT they append what `record` was told to the chain.

Subclassing an engine is Django's own way to extend one. It is done here because the chain's end must be the last
lock that a transaction takes: taken at `record` it would be held while other rows are waited for, and the many
services that record in the middle of their work would end in deadlocks.
"""

from django.db.backends.base.base import BaseDatabaseWrapper

from hyperclusters.audit.chain import PendingEvent, append


class AuditedDatabase(BaseDatabaseWrapper):
    """What both engines share."""

    def commit(self) -> None:
        """Append, then COMMIT. If the events cannot be appended nothing is committed, and the error is raised."""
        # Django drops from `run_on_commit` whatever belongs to a savepoint that was rolled back.
        pending = [callback[1] for callback in self.run_on_commit if isinstance(callback[1], PendingEvent)]
        if pending:
            try:
                append(self, pending)
            except BaseException:
                self.rollback()
                raise
        super().commit()
