"""Bytes and text of any kind: what comes out is safe to store and to show."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperclusters.modelarts import is_safe_id
from hyperclusters.modelarts.complaints import complaint, printable, redact
from hyperclusters.modelarts.parsing import MalformedError, read_clusters, read_created
from tests.modelarts.cloud import NAME, as_json


@settings(deadline=None)  # a busy machine is no failure
@given(st.binary(max_size=300))
def test_g31_no_bytes_whatever_raise_anything_but_malformed(body: bytes) -> None:
    for read in (read_clusters, lambda data: read_created(data, NAME)):
        with pytest.raises(MalformedError):
            read(body)
    complaint(body, ())


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["id", "name", "network_info", "hyper_cluster_subnet_id", "is_default", "error_code", "code"]
            )
            | st.text(max_size=4),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)  # a busy machine is no failure
@given(JSON)
def test_g31_no_json_whatever_gives_a_cluster_that_cannot_be_stored(value: Any) -> None:
    try:
        clusters = read_clusters(as_json({"hyper_clusters": [value]}))
    except MalformedError:
        return
    for cluster in clusters:
        assert is_safe_id(cluster.id)
        assert cluster.name.isprintable()


@settings(deadline=None)  # a busy machine is no failure
@given(st.text(), st.integers(1, 40))
def test_g31_printable_text_is_short_printable_and_encodable(text: str, limit: int) -> None:
    safe = printable(text, limit)
    assert len(safe) <= limit
    assert safe.isprintable()
    safe.encode()


def test_a_secret_is_found_as_json_escapes_it() -> None:
    assert redact(r"token=ab\/cd+ef", ["ab/cd+ef"]) == "token=***"
    assert redact("a b c", ["b"]) == "a b c"
