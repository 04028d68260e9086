"""Who a name and a password let in."""

from __future__ import annotations

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.hashers import identify_hasher
from pytest_django import Settings

from hyperclusters.access.models import User
from hyperclusters.access.services import add_person
from hyperclusters.accounts.backends import ActivePeople
from tests.conftest import PASSWORD, People

pytestmark = pytest.mark.any_database

DOOR = ActivePeople()


@pytest.mark.parametrize("name", ["ada", "Ada", "ADA"])
def test_the_right_password_lets_in_whatever_the_case_of_the_name(name: str, people: People) -> None:
    assert authenticate(username=name, password=PASSWORD) == people.ada


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("ada", "wrong"),
        ("ada", PASSWORD.upper()),
        ("ada", PASSWORD + " "),
        ("ada", ""),
        ("nobody", PASSWORD),
        ("", ""),
    ],
)
def test_anything_else_does_not(name: str, password: str, people: People) -> None:
    assert authenticate(username=name, password=password) is None


def test_a_deactivated_person_does_not_get_in_nor_stay_in(people: People) -> None:
    User.objects.filter(pk=people.ada.pk).update(is_active=False)
    assert authenticate(username="ada", password=PASSWORD) is None
    assert DOOR.get_user(people.ada.pk) is None


@pytest.mark.parametrize("password", ["", "!", "x", None])
def test_an_account_without_a_password_lets_nobody_in(password: str | None, database: None) -> None:
    person = add_person(username="robot")
    assert not person.has_usable_password()
    assert authenticate(username="robot", password=password) is None
    assert authenticate(username="robot", password=person.password) is None


@pytest.mark.parametrize(("name", "password"), [("ada", "wrong"), ("nobody", "wrong"), ("robot", "wrong")])
def test_g30_a_password_is_hashed_once_whether_the_name_is_known_or_not(
    name: str, password: str, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_person(username="robot")
    hasher = type(identify_hasher(people.ada.password))
    encode, hashed = hasher.encode, []

    def counted(self: object, *args: object, **kwargs: object) -> str:
        hashed.append(args)
        return encode(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(hasher, "encode", counted)
    assert authenticate(username=name, password=password) is None
    assert len(hashed) == 1


def test_outside_of_tests_passwords_are_kept_by_argon2(settings: Settings, database: None) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
    person = add_person(username="newcomer", password=PASSWORD)
    assert person.password.startswith("argon2$argon2id$")
    assert DOOR.authenticate(None, username="newcomer", password=PASSWORD) == person
