"""The HTTP server of the metrics. It never looks up a name, and no client can hold it up for others.

prometheus_client's own server shakes hands with TLS clients in the thread that accepts connections, so that one that stalls stops all;
this one takes the same parameters and shakes hands in the connection's thread.
"""

from __future__ import annotations

import contextlib
import io
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from socketserver import BaseRequestHandler, ThreadingMixIn
from typing import Any, NamedTuple
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app

REQUEST_SECONDS = 10.0
"""Seconds for one connection, the TLS handshake included."""
CONNECTIONS_MOST = 32
_PORT_MOST = 65535


class MetricsError(Exception):
    """The endpoint cannot be opened; the text is one line for the operator."""


class Tls(NamedTuple):
    """PEM files to serve TLS with. With ``client_ca``, a client needs a certificate of one of these authorities."""

    certificate: str
    key: str
    client_ca: str = ""


def parse_listen(listen: str) -> tuple[str, int]:
    """Address and port of "address:port". Raises MetricsError."""
    host, separator, port = listen.rpartition(":")
    if not separator or not host or not port.isascii() or not port.isdigit() or int(port) > _PORT_MOST:
        raise MetricsError(f'metrics.listen: {listen!r} is no address:port; write "127.0.0.1:9437" or "[::1]:9437"')
    return host.removeprefix("[").removesuffix("]"), int(port)


class Endpoint:
    """Serves ``/metrics`` on ``listen`` ("address:port", IPv6 in brackets) from a thread of its own until ``close``.

    ``complain`` gets what reading the numbers raises; the scrape is answered with an error then. Raises MetricsError when ``listen`` is
    no such text, the port cannot be had, or a file of ``tls`` cannot be used.
    """

    def __init__(
        self,
        listen: str,
        numbers: CollectorRegistry,
        tls: Tls | None = None,
        complain: Callable[[BaseException], object] = lambda _: None,
    ) -> None:
        host, port = parse_listen(listen)
        context = tls_context(tls) if tls is not None else None
        server = _ServerV6 if ":" in host else _Server
        try:
            self._server: _Server = server((host, port), _Handler)
        except OSError as error:
            raise MetricsError(
                f'metrics.listen: {listen}: {error.strerror}; choose a free port, or "" for none'
            ) from None
        self._tls, self._server.context = tls, context
        self._server.set_app(_app(numbers, complain))
        self.address = f"{listen.rpartition(':')[0]}:{self._server.server_port}"
        """Where it listens, with the port that was chosen for port 0."""
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    def renew(self) -> None:
        """Take the certificates from their files anew: they were renewed. Raises MetricsError, and goes on with the old ones."""
        if self._tls is not None:
            self._server.context = tls_context(self._tls)

    def close(self) -> None:
        """Stop serving and free the port."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _app(numbers: CollectorRegistry, complain: Callable[[BaseException], object]) -> Callable[..., Any]:
    # Compressing would cost more than it saves on the way to a Prometheus nearby.
    inner = make_wsgi_app(numbers, disable_compression=True)

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            answer: Iterable[bytes] = inner(environ, start_response)
            return answer
        except Exception as error:  # noqa: BLE001 - a fault in here must not become a traceback in the log at each scrape
            with contextlib.suppress(Exception):
                complain(error)
            start_response("500 Internal Server Error", [("Content-Type", "text/plain; charset=utf-8")])
            return [b"the numbers cannot be read; see the sensor's log\n"]

    return app


def tls_context(tls: Tls) -> ssl.SSLContext:
    """What the server speaks TLS with. Raises MetricsError, naming the key of the file that is to blame."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for key, file in zip(("certificate", "key", "client_ca"), tls, strict=True):
        if file:
            _readable(key, file)
    try:
        context.load_cert_chain(tls.certificate, tls.key, password=_no_password)
    except (OSError, ValueError) as error:
        raise MetricsError(
            f"metrics.certificate: {tls.certificate} and metrics.key: {tls.key}: {_why(error)}; "
            "name a PEM certificate chain and its own private key, without a passphrase"
        ) from None
    if tls.client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(tls.client_ca)
        except (OSError, ValueError) as error:
            raise MetricsError(
                f"metrics.client_ca: {tls.client_ca}: {_why(error)}; name the PEM certificates of the authorities"
            ) from None
    return context


def _readable(key: str, file: str) -> None:
    try:
        with open(file, "rb") as opened:  # noqa: PTH123 - a path may hold what Path refuses
            opened.read(1)
    except (OSError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) else error
        raise MetricsError(f"metrics.{key}: {file}: {what}; name a PEM file that the sensor's user may read") from None


def _no_password() -> str:
    """In place of asking on the terminal, which would hang a service."""
    raise ValueError("the key has a passphrase")


def _why(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    if isinstance(reason, str) and reason:
        return reason.lower().replace("_", " ")
    return "no PEM in it" if isinstance(error, ssl.SSLError) else str(error)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = CONNECTIONS_MOST
    context: ssl.SSLContext | None = None

    def __init__(self, address: tuple[str, int], handler: type[BaseRequestHandler]) -> None:
        self._open: dict[socket.socket, float] = {}
        self._guard = threading.Lock()
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Without the look-up of this host's name that the base class makes: it may block on a dead resolver."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name = str(self.server_address[0])
        self.server_port = int(self.server_address[1])
        self.setup_environ()

    def get_request(self) -> tuple[socket.socket, Any]:
        """The next connection; nothing is read from it yet, so that it cannot hold others up."""
        accepted, address = self.socket.accept()
        accepted.settimeout(REQUEST_SECONDS)
        if self.context is not None:
            try:
                accepted = self.context.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False)
            except BaseException:
                accepted.close()
                raise
        with self._guard:
            # Whoever asks is served within milliseconds: the oldest connection is the one that stalls.
            if len(self._open) >= CONNECTIONS_MOST:
                self._hang_up(min(self._open, key=lambda each: self._open[each]))
            self._open[accepted] = time.monotonic() + REQUEST_SECONDS
        return accepted, address

    def service_actions(self) -> None:
        """Hang up on those whose time is over, however slowly they go on."""
        now = time.monotonic()
        with self._guard:
            for each in [each for each, deadline in self._open.items() if deadline <= now]:
                self._hang_up(each)

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as the base class has it
        """In the connection's own thread."""
        if isinstance(request, ssl.SSLSocket):
            request.do_handshake()
        super().finish_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as the base class has it
        """Close a connection."""
        with self._guard:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def _hang_up(self, connection: socket.socket) -> None:
        """Wake the thread that waits for it; that one closes it. The plain method, because another thread is inside TLS."""
        del self._open[connection]
        with contextlib.suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as the base class has it
        """A client that went away, stalled or showed no certificate is no news."""


class _ServerV6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = REQUEST_SECONDS

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Scrapes are not logged."""

    def get_stderr(self) -> io.StringIO:
        """Where tracebacks of clients that went away in the middle go: nowhere."""
        return io.StringIO()

    def address_string(self) -> str:
        """The address alone: no look-up of names."""
        return str(self.client_address[0])
