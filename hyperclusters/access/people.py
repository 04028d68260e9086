"""Changes a person's data: corrected by a platform admin, or as the company's provider has verified it."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import EventType, Outcome

from .errors import Cause, ChangeRefused
from .identifiers import ascii_lower
from .models import OutgoingMail, User
from .permissions import Permission, require
from .rules import audited_change


def correct(person: User, *, by: User | None, email: str, full_name: str, reason: str) -> None:
    """Change a person's address and full name. `by` is None for a command on the server.

    Raises NotPermitted; ChangeRefused without a reason or for a service identity; ValidationError for a bad or used address or a bad name.
    """
    with audited_change(by=by, on=person, email=email, reason=reason):
        if by is not None:
            require(by, Permission.APPOINT)
        if not reason.strip():
            raise ChangeRefused(Cause.NO_REASON)
        if person.service_team_id:
            raise ChangeRefused(Cause.SERVICE)
        person.refresh_from_db()
        before = _facts(person)
        person.email, person.full_name = email, full_name
        person.full_clean()
        try:
            _save(person, before, by=by, reason=reason)
        except IntegrityError:  # another person got the address at the same moment
            person.full_clean()
            raise


def set_verified_address(person: User, email: str, *, reason: str) -> None:
    """Take over the address from the company's provider; a difference in case only is no change."""
    if ascii_lower(email) != ascii_lower(person.email):
        before = _facts(person)
        person.email = email
        _save(person, before, by=None, reason=reason)


def _facts(person: User) -> dict[str, str]:
    return {"email": person.email, "full_name": person.full_name}


def _save(person: User, before: dict[str, str], *, by: User | None, reason: str) -> None:
    after = _facts(person)
    if after == before:
        return
    with transaction.atomic():
        person.save(update_fields=list(after))
        _redirect_mail(person, former=before["email"])
        record(
            EventType.PERSON_CHANGED,
            Outcome.DONE,
            on=person,
            by=by,
            reason=reason,
            before=before,
            after=after,
        )


def _redirect_mail(person: User, *, former: str) -> None:
    """Send waiting mails to the new address; tell the former one of the change."""
    if not former or ascii_lower(former) == ascii_lower(person.email):
        return
    mails = OutgoingMail.objects.filter(address=former).exclude(
        kind="mailed_at"
    )  # an invitation belongs to the address
    if person.email:
        mails.update(address=person.email)
    else:
        mails.delete()
    news = OutgoingMail(kind=OutgoingMail.FORMER_ADDRESS, about=str(person.pk), address=former)
    OutgoingMail.objects.bulk_create([news], ignore_conflicts=True)
