"""The server: addresses, TLS, clients that stall, and an end."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from sipsensor.export.metrics import Endpoint, MetricsError, Series, Tls, one, parse_listen, registry
from sipsensor.export.metrics import endpoint as module
from tests.conftest import missing
from tests.support.certificates import Authority, Issued


def numbers() -> Iterator[Series]:
    yield one("gauge", "answer", "To everything", 42)


@pytest.fixture
def serve() -> Iterator[Callable[..., Endpoint]]:
    with ExitStack() as edges:

        def serve(listen: str = "127.0.0.1:0", tls: Tls | None = None) -> Endpoint:
            endpoint = Endpoint(listen, registry(numbers), tls)
            edges.callback(endpoint.close)
            return endpoint

        yield serve


def get(endpoint: Endpoint, context: ssl.SSLContext | None = None) -> str:
    scheme = "http" if context is None else "https"
    url = f"{scheme}://{endpoint.address}/metrics"
    with urllib.request.urlopen(url, timeout=5, context=context) as response:  # noqa: S310 - made above
        assert response.status == 200
        return str(response.read().decode())


def connect(endpoint: Endpoint) -> socket.socket:
    host, _, port = endpoint.address.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), timeout=5)


@pytest.mark.parametrize(("listen", "family"), [("127.0.0.1:0", socket.AF_INET), ("[::1]:0", socket.AF_INET6)])
def test_the_endpoint_serves_until_it_is_closed(listen: str, family: socket.AddressFamily) -> None:
    endpoint = Endpoint(listen, registry(numbers))
    host, _, port = endpoint.address.rpartition(":")
    assert (host, port != "0") == (listen.rpartition(":")[0], True)
    assert "sipsensor_answer 42.0" in get(endpoint)
    endpoint.close()
    with socket.socket(family) as client:
        assert client.connect_ex((host.strip("[]"), int(port))) != 0


def test_a_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(
            MetricsError, match=f'metrics.listen: {listen}: Address already in use; choose a free port, or "" for none'
        ):
            Endpoint(listen, registry(numbers))


@pytest.mark.parametrize(
    "listen", ["", "9437", ":9437", "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000", "127.0.0.1:-1", "localhost:²"]
)
def test_what_is_no_address_and_port_is_refused(listen: str) -> None:
    with pytest.raises(MetricsError, match=r"metrics\.listen: "):
        parse_listen(listen)


def test_addresses_and_ports_are_taken_apart() -> None:
    assert parse_listen("127.0.0.1:9437") == ("127.0.0.1", 9437)
    assert parse_listen("[2001:db8::1]:80") == ("2001:db8::1", 80)


def workers() -> int:
    return sum("process_request_thread" in thread.name for thread in threading.enumerate())


# --- clients that are not as they should be


def test_clients_that_say_nothing_hold_nobody_up(serve: Callable[..., Endpoint]) -> None:
    endpoint = serve()
    with ExitStack() as silent:
        for _ in range(3 * module.CONNECTIONS_MOST):
            silent.enter_context(closing(connect(endpoint)))
        began = time.monotonic()
        assert "sipsensor_answer" in get(endpoint)
        assert time.monotonic() - began < 2
        while workers() > module.CONNECTIONS_MOST:
            assert time.monotonic() - began < 5
            time.sleep(0.02)


def test_a_client_that_goes_on_byte_by_byte_is_hung_up_on(
    serve: Callable[..., Endpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REQUEST_SECONDS", 1.0)
    endpoint = serve()
    with closing(connect(endpoint)) as slow:
        slow.sendall(b"GET /metrics HTTP/1.1\r\n")
        with pytest.raises(ConnectionError):  # noqa: PT012 - one of many writes is refused
            for _ in range(60):
                slow.sendall(b"X")
                time.sleep(0.1)


@pytest.mark.parametrize(
    "rubbish", [b"\0\xff" * 40 + b"\r\n\r\n", b"BREW / HTCPCP/1.0\r\n\r\n", b"GET / HTTP/9\r\n\r\n"]
)
def test_rubbish_is_answered_or_left_without_a_word_in_the_log(
    serve: Callable[..., Endpoint], rubbish: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    endpoint = serve()
    with closing(connect(endpoint)) as client:
        client.sendall(rubbish)
        client.shutdown(socket.SHUT_WR)
        while client.recv(4096):
            pass
    assert "sipsensor_answer" in get(endpoint)
    assert capfd.readouterr() == ("", "")


def test_a_fault_in_the_numbers_is_told_and_no_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    def broken() -> Iterator[Series]:
        yield one("gauge", "first", "Comes before the fault", 1)
        raise RuntimeError("on purpose")

    told: list[BaseException] = []
    with closing(Endpoint("127.0.0.1:0", registry(broken), complain=told.append)) as endpoint:
        with pytest.raises(urllib.error.HTTPError) as caught:
            get(endpoint)
        with closing(caught.value):
            assert caught.value.code == 500
            assert b"see the sensor's log" in caught.value.read()
    assert [str(error) for error in told] == ["on purpose"]
    assert capfd.readouterr() == ("", "")


# --- TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if shutil.which("openssl") is None:
        missing("openssl", "apt-get install openssl")
    return Authority(tmp_path_factory.mktemp("tls"), "authority")


@pytest.fixture(scope="module")
def server(authority: Authority) -> Issued:
    return authority.issue("server")


def trusting(authority: Authority, client: Issued | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority.file)
    if client is not None:
        context.load_cert_chain(client.certificate, client.key)
    return context


def test_tls_is_served_with_the_certificate(
    serve: Callable[..., Endpoint], authority: Authority, server: Issued
) -> None:
    endpoint = serve(tls=Tls(server.certificate, server.key))
    assert "sipsensor_answer 42.0" in get(endpoint, trusting(authority))
    with pytest.raises(urllib.error.URLError, match="certificate verify failed"):
        get(endpoint, ssl.create_default_context())
    old = trusting(authority)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    assert "sipsensor_answer 42.0" in get(endpoint, old)


def test_a_client_needs_a_certificate_of_the_authority_where_one_is_named(
    serve: Callable[..., Endpoint],
    authority: Authority,
    server: Issued,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    endpoint = serve(tls=Tls(server.certificate, server.key, authority.file))
    assert "sipsensor_answer 42.0" in get(endpoint, trusting(authority, authority.issue("client")))
    stranger = Authority(tmp_path, "other").issue("stranger")
    for context in (trusting(authority), trusting(authority, stranger)):
        with pytest.raises((urllib.error.URLError, ssl.SSLError, ConnectionError)):
            get(endpoint, context)
    assert capfd.readouterr() == ("", "")


def test_a_client_that_stalls_in_the_handshake_holds_nobody_up(
    serve: Callable[..., Endpoint], authority: Authority, server: Issued
) -> None:
    endpoint = serve(tls=Tls(server.certificate, server.key))
    with ExitStack() as stalled:
        for number in range(10):
            client = stalled.enter_context(closing(connect(endpoint)))
            client.sendall(b"\x16\x03\x01\x02\x00"[: number % 6])
        began = time.monotonic()
        assert "sipsensor_answer" in get(endpoint, trusting(authority))
        assert time.monotonic() - began < 2


def test_plain_http_to_tls_is_no_news(
    serve: Callable[..., Endpoint], server: Issued, capfd: pytest.CaptureFixture[str]
) -> None:
    endpoint = serve(tls=Tls(server.certificate, server.key))
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        get(endpoint)
    assert capfd.readouterr() == ("", "")


def test_renewed_certificates_are_taken_without_a_new_start(
    serve: Callable[..., Endpoint], authority: Authority, tmp_path: Path
) -> None:
    first, second = authority.issue("first"), authority.issue("second")
    live = Tls(str(tmp_path / "live.pem"), str(tmp_path / "live.key"))

    def put(issued: Issued) -> None:
        shutil.copy(issued.certificate, live.certificate)
        shutil.copy(issued.key, live.key)

    def name() -> str:
        with trusting(authority).wrap_socket(connect(endpoint), server_hostname="127.0.0.1") as client:
            shown = client.getpeercert()
        assert shown is not None
        return str(shown["subject"])

    put(first)
    endpoint = serve(tls=live)
    assert "'first'" in name()
    put(second)
    assert "'first'" in name()
    endpoint.renew()
    assert "'second'" in name()
    Path(live.certificate).write_text("half a fi")
    with pytest.raises(MetricsError, match=r"metrics\.certificate"):
        endpoint.renew()
    assert "sipsensor_answer" in get(endpoint, trusting(authority))


def test_bad_files_are_one_line_that_names_key_and_remedy(authority: Authority, server: Issued, tmp_path: Path) -> None:
    other = authority.issue("other")
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("no PEM")
    locked = tmp_path / "locked.key"
    subprocess.run(
        ["openssl", "ec", "-in", server.key, "-aes128", "-passout", "pass:x", "-out", locked],
        check=True,
        capture_output=True,
    )
    good = Tls(server.certificate, server.key, authority.file)
    for bad, line in (
        (
            good._replace(certificate="/no/such.pem"),
            "metrics.certificate: /no/such.pem: No such file or directory; name a PEM",
        ),
        (good._replace(key=str(tmp_path)), f"metrics.key: {tmp_path}: Is a directory; name a PEM"),
        (good._replace(key="\0"), "metrics.key: \0: embedded null byte; name a PEM"),
        (good._replace(certificate=str(rubbish)), f"{rubbish} and metrics.key: {server.key}: no PEM in it; name a PEM"),
        (good._replace(key=other.key), "key values mismatch; name a PEM certificate chain and its own private key"),
        (good._replace(key=str(locked)), "the key has a passphrase; name a PEM"),
        (
            good._replace(client_ca=str(rubbish)),
            f"metrics.client_ca: {rubbish}: no certificate or crl found; name the PEM",
        ),
    ):
        with pytest.raises(MetricsError) as caught:
            Endpoint("127.0.0.1:0", registry(numbers), bad)
        assert line in str(caught.value)
        assert "\n" not in str(caught.value)
