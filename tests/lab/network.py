"""A small network in namespaces: somebody outside, a gateway, and a PBX behind it. IPv4 and IPv6; nothing leads out of it."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ATTACKER = {4: "10.71.1.2", 6: "fd71:1::2"}
PHONE = {4: "10.71.1.10", 6: "fd71:1::10"}
OUTER = {4: "10.71.1.1", 6: "fd71:1::1"}
INNER = {4: "10.71.2.1", 6: "fd71:2::1"}
PBX = {4: "10.71.2.2", 6: "fd71:2::2"}

HOSTS = Path("/etc/netns")
"""``ip netns exec`` puts ``NAME/hosts`` from here in place of ``/etc/hosts``."""

_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count()


@dataclass(frozen=True)
class Namespace:
    """A network namespace of this test run."""

    name: str

    def command(self, command: str) -> list[str]:
        """What runs ``command``, split like a shell would, in it."""
        return ["ip", "netns", "exec", self.name, *shlex.split(command)]

    def attempt(self, command: str, folder: Path | None = None, seconds: float = 60) -> tuple[int, str]:
        """Exit status of a command, and what it printed on both outputs."""
        done = subprocess.run(
            self.command(command),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
        return done.returncode, done.stdout

    def run(self, command: str, folder: Path | None = None) -> str:
        """What a command printed. Raises AssertionError when it failed."""
        status, printed = self.attempt(command, folder)
        assert status == 0, f"{command} in {self.name}: exit {status}: {printed}"
        return printed

    def start(self, command: str, log: Path, folder: Path | None = None) -> subprocess.Popen[str]:
        """A command that goes on; both outputs go to ``log``."""
        with log.open("w") as output:
            return subprocess.Popen(
                self.command(command),
                cwd=folder,
                text=True,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def processes(self) -> list[int]:
        listed = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True, check=False)
        return [int(word) for word in listed.stdout.split()]

    def empty(self) -> None:
        """End every process in it: all of them are of this run."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + 3
            for process in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, number)
            while self.processes() and time.monotonic() < deadline:
                time.sleep(0.02)


@contextlib.contextmanager
def inside(space: Namespace) -> Iterator[None]:
    """This thread is in that namespace meanwhile. Raises OSError where it may not."""
    with Path("/proc/thread-self/ns/net").open() as here, Path(f"/run/netns/{space.name}").open() as there:
        _enter(there.fileno())
        try:
            yield
        finally:
            _enter(here.fileno())


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, _NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@dataclass(frozen=True)
class Network:
    """``outside`` holds the attacker's and the phones' addresses, ``gateway`` forwards, ``pbx`` answers calls."""

    outside: Namespace
    gateway: Namespace
    pbx: Namespace

    def arrived(self, source: str) -> int:
        """Packets from an address of outside that reached the PBX host."""
        return self._counted("raw", "PREROUTING", source)

    def delivered(self, source: str) -> int:
        """Packets from an address of outside that the PBX host let through to its programs."""
        return self._counted("filter", "INPUT", source)

    def _counted(self, table: str, chain: str, source: str) -> int:
        tool = "ip6tables" if ":" in source else "iptables"
        for line in self.pbx.run(f"{tool} -w -t {table} -vnxL {chain}").splitlines():
            if f"/* from {source} */" in line:
                return int(line.split()[0])
        raise AssertionError("no counting rule for " + source)

    def replace_inner_link(self) -> None:
        """Pull the cable between gateway and PBX, and put in another: the interfaces get new numbers."""
        _call(f"-n {self.gateway.name} link del inner")
        _wire_inner(self.gateway.name, self.pbx.name)

    def forget_arrivals(self) -> None:
        for tool in ("iptables", "ip6tables"):
            for table in ("raw", "filter"):
                self.pbx.run(f"{tool} -w -t {table} -Z")


@contextlib.contextmanager
def network() -> Iterator[Network]:
    """The namespaces of one lab, gone afterwards with all that runs in them."""
    prefix = f"sslab-{os.getpid()}-{next(_numbers)}"
    spaces = [Namespace(f"{prefix}-{role}") for role in ("out", "gw", "pbx")]
    try:
        for space in spaces:
            _call(f"netns add {space.name}")
            _call(f"-n {space.name} link set lo up")
            # Else a link may not ask for its neighbours in its first second, and what waits meanwhile is cut short.
            space.run("sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0")
        lab = Network(*spaces)
        (HOSTS / lab.outside.name).mkdir(parents=True)
        (HOSTS / lab.outside.name / "hosts").write_text(f"127.0.0.1 localhost\n{PBX[4]} pbx4\n{PBX[6]} pbx6\n")
        _wire(lab)
        _count_arrivals(lab)
        yield lab
    finally:
        for space in spaces:
            space.empty()
            shutil.rmtree(HOSTS / space.name, ignore_errors=True)
            subprocess.run(["ip", "netns", "del", space.name], check=False, capture_output=True)


def _call(arguments: str) -> None:
    subprocess.run(["ip", *arguments.split()], check=True)


def _wire(lab: Network) -> None:
    out, gateway, pbx = lab.outside.name, lab.gateway.name, lab.pbx.name
    _call(f"link add lan0 netns {out} type veth peer name outer netns {gateway}")
    _address(out, "lan0", (ATTACKER, PHONE))
    # Deprecated: never chosen as a source address unless asked for.
    _call(f"-n {out} addr change {PHONE[6]}/64 dev lan0 preferred_lft 0 nodad")
    _address(gateway, "outer", (OUTER,))
    _routes(out, OUTER)
    _wire_inner(gateway, pbx)
    lab.gateway.run("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")


def _wire_inner(gateway: str, pbx: str) -> None:
    _call(f"link add lan0 netns {pbx} type veth peer name inner netns {gateway}")
    _address(gateway, "inner", (INNER,))
    _address(pbx, "lan0", (PBX,))
    _routes(pbx, INNER)


def _routes(space: str, router: dict[int, str]) -> None:
    for version in (4, 6):
        _call(f"-n {space} -{version} route add default via {router[version]}")


def _address(space: str, device: str, addresses: Sequence[dict[int, str]]) -> None:
    for pair in addresses:
        _call(f"-n {space} addr add {pair[4]}/24 dev {device}")
        _call(f"-n {space} addr add {pair[6]}/64 dev {device} nodad")
    _call(f"-n {space} link set {device} up")


def _count_arrivals(lab: Network) -> None:
    """Rules on the PBX host that only count: before anything there can drop, and behind everything that can.

    Complaints about answers that nobody waits for do not count.
    """
    for tool, version in (("iptables", 4), ("ip6tables", 6)):
        for source in (ATTACKER[version], PHONE[version]):
            rule = f"-s {source} ! -p {'icmp' if version == 4 else 'ipv6-icmp'} -m comment --comment 'from {source}'"
            lab.pbx.run(f"{tool} -w -t raw -A PREROUTING {rule}")
            lab.pbx.run(f"{tool} -w -t filter -A INPUT {rule}")


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Until ``condition()`` holds. Raises AssertionError after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


def wait_equal(read: Callable[[], object], wanted: object, what: str, seconds: float = 20) -> None:
    """Until ``read()`` is ``wanted``. Raises AssertionError with what it is instead after ``seconds``: packets take their time on a busy machine.

    What raises an AssertionError in it is no reading yet.
    """
    found: object = "nothing"

    def there() -> bool:
        nonlocal found
        with contextlib.suppress(AssertionError):
            found = read()
        return found == wanted

    try:
        wait_for(there, seconds, what)
    except AssertionError as error:
        raise AssertionError(f"{error}: {found} instead of {wanted}") from None
