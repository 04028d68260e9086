"""The tables that the pages of the yardsticks read."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models


class Person(AbstractBaseUser):
    username = models.CharField(max_length=64, unique=True)
    is_active = models.BooleanField()
    is_staff = is_superuser = True
    USERNAME_FIELD = "username"
    objects: ClassVar[BaseUserManager[Person]] = BaseUserManager()

    class Meta:
        managed = False
        db_table = "access_user"

    def has_perm(self, _permission: str, _obj: object = None) -> bool:
        return True

    def has_module_perms(self, _app: str) -> bool:
        return True


class Team(models.Model):
    name = models.CharField(max_length=64)

    class Meta:
        managed = False
        db_table = "access_team"


class Project(models.Model):
    name = models.CharField(max_length=64)
    team = models.ForeignKey(Team, on_delete=models.PROTECT)

    class Meta:
        managed = False
        db_table = "clusters_project"


class Creation(models.Model):
    id = models.UUIDField(primary_key=True)
    requested_by = models.ForeignKey(Person, on_delete=models.PROTECT)
    requested_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "clusters_creation"


class Cluster(models.Model):
    id = models.UUIDField(primary_key=True)
    project = models.ForeignKey(Project, on_delete=models.PROTECT)
    creation = models.OneToOneField(Creation, on_delete=models.PROTECT, null=True)
    owner = models.ForeignKey(Person, on_delete=models.PROTECT, null=True)
    cluster_id = models.CharField(max_length=64)
    name = models.CharField(max_length=255)
    type = models.CharField(max_length=8)
    found_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True)

    class Meta:
        managed = False
        db_table = "clusters_cluster"


class Network(models.Model):
    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="networks")
    subnet_id = models.CharField(max_length=36)
    is_default = models.BooleanField(null=True)

    class Meta:
        managed = False
        db_table = "clusters_network"


class Event(models.Model):
    seq = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    action = models.CharField(max_length=64)
    outcome = models.CharField(max_length=16)
    person_name = models.CharField(max_length=150)
    team_name = models.CharField(max_length=64)
    object_kind = models.CharField(max_length=16)
    object_id = models.CharField(max_length=64)
    object_name = models.CharField(max_length=255)
    evidence = models.CharField(max_length=64)
    source = models.CharField(max_length=16)
    request_id = models.CharField(max_length=64)
    upstream_request_id = models.CharField(max_length=128)

    class Meta:
        managed = False
        db_table = "audit_event"
