"""The ModelArts hyper-cluster API as Python: no Django, no settings, no database.

with Client(endpoint="https://…", project_id="…", credentials=Credentials("…", "…")) as client:
    answer = client.create(name="training-1", type=ClusterType.HPS)
    print(answer.value.id, answer.exchange.request_id)
"""

from hyperclusters.modelarts.classification import proves_absence
from hyperclusters.modelarts.client import Client
from hyperclusters.modelarts.codes import CodeMeaning, meaning_of
from hyperclusters.modelarts.errors import (
    ClockSkew,
    CredentialsRefused,
    Denied,
    Exists,
    Invalid,
    InvalidRequest,
    Misconfigured,
    ModelArtsError,
    NotFound,
    OutcomeUnknown,
    Proof,
    Quota,
    Throttled,
    Unavailable,
)
from hyperclusters.modelarts.grammar import (
    CLUSTER_ID_PATTERN,
    NAME_PATTERN,
    PROJECT_ID_PATTERN,
    SUBNET_ID_PATTERN,
    canonical_id,
    create_request,
    delete_request,
    is_endpoint,
    is_header_safe,
    is_name,
    is_project_id,
    is_safe_id,
    is_subnet_id,
    list_request,
    show_request,
)
from hyperclusters.modelarts.metadata import MetadataError, TemporaryKey, fetch_key
from hyperclusters.modelarts.projects import CloudProject, ProjectClient
from hyperclusters.modelarts.regions import ENDPOINTS, cts_endpoint, iam_endpoint, region_of
from hyperclusters.modelarts.traces import Trace, TraceClient
from hyperclusters.modelarts.transport import Transport
from hyperclusters.modelarts.types import (
    Answer,
    Capacity,
    ClusterType,
    Credentials,
    Exchange,
    HyperCluster,
    Network,
    Occupant,
    OccupantKind,
    Request,
)

__all__ = [
    "CLUSTER_ID_PATTERN",
    "ENDPOINTS",
    "NAME_PATTERN",
    "PROJECT_ID_PATTERN",
    "SUBNET_ID_PATTERN",
    "Answer",
    "Capacity",
    "Client",
    "ClockSkew",
    "CloudProject",
    "ClusterType",
    "CodeMeaning",
    "Credentials",
    "CredentialsRefused",
    "Denied",
    "Exchange",
    "Exists",
    "HyperCluster",
    "Invalid",
    "InvalidRequest",
    "MetadataError",
    "Misconfigured",
    "ModelArtsError",
    "Network",
    "NotFound",
    "Occupant",
    "OccupantKind",
    "OutcomeUnknown",
    "ProjectClient",
    "Proof",
    "Quota",
    "Request",
    "TemporaryKey",
    "Throttled",
    "Trace",
    "TraceClient",
    "Transport",
    "Unavailable",
    "canonical_id",
    "create_request",
    "cts_endpoint",
    "delete_request",
    "fetch_key",
    "iam_endpoint",
    "is_endpoint",
    "is_header_safe",
    "is_name",
    "is_project_id",
    "is_safe_id",
    "is_subnet_id",
    "list_request",
    "meaning_of",
    "proves_absence",
    "region_of",
    "show_request",
]
