"""A server that can't prove who it is gets nothing."""

import datetime as dt
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hyperclusters.modelarts import OutcomeUnknown, Proof, Transport, Unavailable
from tests.modelarts.cloud import CALLS, Script, Visit, client_of, healthy, open_sockets, playing
from tests.modelarts.faults import DEADLINE, ROOM

DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Server:
    """A server's TLS, and the file of the certificate that it presents."""

    tls: ssl.SSLContext
    certificate: Path


def server(folder: Path, *, host: str = "127.0.0.1", valid_from: dt.timedelta = -DAY) -> Server:
    """A server with a self-made certificate for `host`, valid for a day and a half from `valid_from`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"cloud of the tests at {host}")])
    start = dt.datetime.now(dt.UTC) + valid_from
    alternative: x509.GeneralName = (
        x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + DAY * 1.5)
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / f"{host}{start.day}.pem", folder / f"{host}{start.day}.key"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate_file, key_file)
    return Server(tls, certificate_file)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Server:
    return server(tmp_path_factory.mktemp("good"))


@pytest.fixture(scope="module")
def expired(tmp_path_factory: pytest.TempPathFactory) -> Server:
    return server(tmp_path_factory.mktemp("expired"), valid_from=-3 * DAY)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Server:
    return server(tmp_path_factory.mktemp("elsewhere"), host="elsewhere.example")


@pytest.fixture(autouse=True)
def no_socket_left() -> Iterator[None]:
    before = open_sockets()
    yield
    assert open_sockets() == before


@pytest.mark.parametrize("call", CALLS)
def test_a_trusted_server_is_spoken_to(good: Server, call: str) -> None:
    with (
        playing(healthy, good.tls) as cloud,
        Transport(verify=str(good.certificate)) as http,
        client_of(cloud.endpoint, http=http) as client,
    ):
        CALLS[call](client)
        assert cloud.connections == 1


PATIENT = 5.0  # seconds for what is refused, not waited for, however busy the machine


def check_nothing_sent(
    call: str, endpoint: str, http: Transport, cause: str, deadline: float = DEADLINE
) -> None:
    with client_of(endpoint, http=http, deadline=deadline) as client:
        started = time.monotonic()
        with pytest.raises(Unavailable) as caught:
            CALLS[call](client)
        assert time.monotonic() - started <= deadline + ROOM
    assert caught.value.proves is Proof.NOT_SENT
    assert caught.value.cause == cause


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("which", ["expired", "elsewhere"])
def test_a_certificate_that_does_not_hold_proves_that_nothing_was_sent(
    which: str, call: str, request: pytest.FixtureRequest
) -> None:
    bad: Server = request.getfixturevalue(which)
    with playing(healthy, bad.tls) as cloud, Transport(verify=str(bad.certificate)) as http:
        check_nothing_sent(call, cloud.endpoint, http, "tls_error", PATIENT)
        assert cloud.requests == []


@pytest.mark.parametrize("call", CALLS)
def test_an_unknown_issuer_proves_that_nothing_was_sent(good: Server, call: str) -> None:
    with playing(healthy, good.tls) as cloud, Transport() as http:
        check_nothing_sent(call, cloud.endpoint, http, "tls_error", PATIENT)
        assert cloud.requests == []


def test_the_bundled_public_issuers_are_trusted_unless_a_file_is_named(
    good: Server, elsewhere: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slim container has no certificates of its own; whoever names a file trusts nothing else."""
    monkeypatch.setattr("certifi.where", lambda: str(good.certificate))
    with playing(healthy, good.tls) as cloud:
        with Transport() as http, client_of(cloud.endpoint, http=http) as client:
            CALLS["list"](client)
        assert len(cloud.requests) == 1
        with Transport(verify=str(elsewhere.certificate)) as http:
            check_nothing_sent("list", cloud.endpoint, http, "tls_error", PATIENT)
        assert len(cloud.requests) == 1


def hang_up(visit: Visit) -> None:
    visit.sock.recv(1)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("script", "cause"),
    [
        pytest.param(Visit.stall, "tls_timeout", id="silent"),
        pytest.param(
            lambda visit: visit.drip(b"\x16\x03\x03\x40\x00" + b"\0" * 99), "tls_timeout", id="dripping"
        ),
        pytest.param(lambda visit: visit.send(b"HTTP/1.1 400 Bad\r\n\r\n"), "tls_error", id="plain HTTP"),
        pytest.param(hang_up, "tls_error", id="hanging up"),
    ],
)
def test_g15_a_handshake_that_fails_proves_that_nothing_was_sent(
    good: Server, script: Script, cause: str, call: str
) -> None:
    with playing(script) as cloud, Transport(verify=str(good.certificate)) as http:
        check_nothing_sent(call, cloud.endpoint.replace("http:", "https:"), http, cause)


def test_g15_a_handshake_ends_with_the_time_for_connecting_not_with_the_calls(good: Server) -> None:
    with (
        playing(Visit.stall) as cloud,
        Transport(verify=str(good.certificate)) as http,
        client_of(
            cloud.endpoint.replace("http:", "https:"),
            http=http,
            connect_timeout=DEADLINE,
            deadline=10 * (DEADLINE + ROOM),
        ) as client,
    ):
        started = time.monotonic()
        with pytest.raises(Unavailable) as caught:
            CALLS["create"](client)
        assert time.monotonic() - started <= DEADLINE + ROOM
    assert caught.value.cause == "tls_timeout"


def test_g15_a_silent_server_under_tls_ends_with_the_deadline(good: Server) -> None:
    def silent(visit: Visit) -> None:
        visit.read_request()
        visit.stall()

    with (
        playing(silent, good.tls) as cloud,
        Transport(verify=str(good.certificate)) as http,
        client_of(cloud.endpoint, http=http, deadline=DEADLINE) as client,
    ):
        with pytest.raises(OutcomeUnknown) as caught:
            CALLS["create"](client)
        assert caught.value.cause == "deadline"
