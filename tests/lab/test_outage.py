"""The sensor dies, hangs, falls behind or loses its rules while packets come: calls go on, and what nobody judged is counted to the packet."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.lab.network import Network, wait_for
from tests.lab.pbx import Phones
from tests.lab.sensor import COMMAND, GATEWAY, Running, sensor
from tests.lab.traffic.field import ALLOWLIST, STRANGERS, TRUSTED, Field, Load, field
from tests.lab.traffic.tools import Heard, Tool
from tests.lab.traffic.watch import Samples, child, family, publish, samples

QUEUE_PROCESS, RULES_PROCESS = "sipsensor-queue", "sipsensor-rules"
WHO = {"trusted": TRUSTED, "strangers": STRANGERS}
QUEUES = {"strangers": "5060", "trusted": "5061"}
SLOW_TOOLS = (
    "nft",
    "iptables",
    "ip6tables",
    "iptables-save",
    "ip6tables-save",
    "iptables-restore",
    "ip6tables-restore",
)


@pytest.fixture
def ground(folder: Path) -> Iterator[Field]:
    with field(folder) as made:
        made.count_arrivals()
        yield made


def both(ground: Field, load: Load, meanwhile: Callable[[], object]) -> dict[str, Heard]:
    """Trusted phones and strangers under the same load, and what is done to the sensor meanwhile."""
    started: dict[str, Tool] = {}
    try:
        for lane, first in WHO.items():
            started[lane] = ground.phones(first, load, name=lane)
        meanwhile()
        return {lane: Heard.of(tool.figures(load.seconds + load.patience + 10)) for lane, tool in started.items()}
    finally:
        for tool in started.values():
            tool.kill()


def kernel_queue(ground: Field, lane: str) -> tuple[int, int]:
    """Packets that wait in a lane's queue, and packets that ever entered it."""
    for line in ground.network.gateway.run("cat /proc/net/netfilter/nfnetlink_queue").splitlines():
        words = line.split()
        if words[0] == QUEUES[lane]:
            return int(words[2]), int(words[7])
    raise AssertionError(f"queue {QUEUES[lane]} is not bound")


def answered(ground: Field) -> dict[str, int]:
    """Packets of each lane that a sensor, stopped by now, has answered."""
    return {lane: entered - waiting for lane in QUEUES for waiting, entered in [kernel_queue(ground, lane)]}


def of_lane(seen: Samples, name: str, lane: str) -> int:
    """A counter's samples of one queue, whatever their other labels."""
    return int(
        sum(value for sample, value in seen.items() if sample.startswith(f"{name}{{") and f'queue="{lane}"' in sample)
    )


def add_up(ground: Field, running: Running, before: dict[str, int]) -> dict[str, dict[str, int]]:
    """Where the packets of each lane went. ``before``: answered by sensors that are gone. Waits until nothing is missing, or fails."""
    accounts: dict[str, dict[str, int]] = {}

    def complete() -> bool:
        with suppress(AssertionError):  # a sensor that is just starting serves no metrics yet
            seen = samples(running)
            for lane in WHO:
                accounts[lane] = {
                    "arrived": ground.arrived(lane),
                    "judged before": before[lane],
                    "judged since": of_lane(seen, "sipsensor_packets_total", lane),
                    "uninspected": of_lane(seen, "sipsensor_uninspected_packets_total", lane),
                    "dropped unjudged": int(seen[f'sipsensor_unjudged_packets_total{{answer="drop",queue="{lane}"}}']),
                    "lost": of_lane(seen, "sipsensor_queue_lost_packets_total", lane),
                }
        return bool(accounts) and all(2 * each["arrived"] == sum(each.values()) for each in accounts.values())

    try:
        wait_for(complete, 40, "every packet in a counter")
    except AssertionError as error:
        raise AssertionError(f"{error}: {accounts}, {running.said}") from None
    return accounts


def test_a_full_queue_of_the_trusted_opens_and_that_of_strangers_drops(ground: Field, folder: Path) -> None:
    short = GATEWAY + ALLOWLIST + "[queue]\nlength = 20\ntrusted_length = 20\n"
    with sensor(ground.network.gateway, folder, short) as running, ground.responder():
        sensing = child(running, QUEUE_PROCESS)

        def stop_for_a_second() -> None:
            time.sleep(1)
            os.kill(sensing, signal.SIGCONT)

        os.kill(sensing, signal.SIGSTOP)
        heard = both(ground, Load(rate=200, seconds=0.4), stop_for_a_second)
        accounts = add_up(ground, running, {"trusted": 0, "strangers": 0})
        publish("full-queues", {"heard": heard, "packets": accounts})
        assert samples(running).total("sipsensor_sensor_hangs_total") == 0
        # Twenty requests waited and were judged, as were their answers; sixty and their answers found the queue full.
        heard["trusted"].assert_nothing_lost()
        assert accounts["trusted"] == {
            "arrived": 160,
            "judged before": 0,
            "judged since": 40,
            "uninspected": 120,
            "dropped unjudged": 0,
            "lost": 0,
        }
        assert (heard["strangers"].answered, heard["strangers"].lost) == (20, 60)
        assert accounts["strangers"] == {
            "arrived": 100,
            "judged before": 0,
            "judged since": 40,
            "uninspected": 0,
            "dropped unjudged": 0,
            "lost": 60,
        }


def test_a_sensor_that_hangs_is_replaced_and_every_packet_is_accounted_for(ground: Field, folder: Path) -> None:
    load = Load(rate=25, seconds=10, patience=4)  # an OPTIONS and its answer: 50 packets a second in each lane
    before: dict[str, int] = {}
    with sensor(ground.network.gateway, folder, GATEWAY + ALLOWLIST) as running, ground.responder():

        def hang() -> None:
            time.sleep(2)
            os.kill(child(running, QUEUE_PROCESS), signal.SIGSTOP)
            time.sleep(0.5)
            before.update(answered(ground))

        heard = both(ground, load, hang)
        accounts = add_up(ground, running, before)
        publish("hang", {"heard": heard, "packets": accounts})
        seen = samples(running)
        assert seen.total("sipsensor_sensor_hangs_total") == 1
        assert seen["sipsensor_rules_in_place"] == 1
        # Answers to requests that waited came late; nobody trusted lost one.
        heard["trusted"].assert_nothing_lost()
        for lane, each in accounts.items():
            assert heard[lane].longest_gap_ms < 3000, (lane, heard[lane])
            assert each["judged since"] > 50, each
            assert each["lost"] == 0, each
        assert accounts["trusted"]["dropped unjudged"] == 0
        # What waited of strangers is dropped by the default settings: each dropped packet is a lost request or a lost answer.
        assert heard["strangers"].lost == accounts["strangers"]["dropped unjudged"] > 20
        assert "made no progress" in running.said


SHUTTING = """
import os, socket, time
from sipsensor.sources.nfqueue import AbandonedQueue, BoundQueue, state
end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end.bind(("127.0.0.1", 5099))
end.settimeout(20)
def until(seen):
    deadline = time.monotonic() + 20
    while not seen(state(5099)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return seen(state(5099))
queue = BoundQueue(5099, 100, fail_open={first})
taken = AbandonedQueue(5099, os.dup(queue.fd))
end.sendto(b"waits", ("127.0.0.1", 5099))
assert until(lambda seen: seen.waiting == 1)
taken.shut(accept={coming})
end.sendto(b"comes", ("127.0.0.1", 5099))
if {coming}:
    assert end.recv(100) == b"comes"
assert until(lambda seen: seen == (1, {dropped}, 0)), state(5099)
assert taken.answer(0, accept=True) == 1
assert end.recv(100) == b"waits"
assert until(lambda seen: seen == (0, {dropped}, 0)), state(5099)
taken.close()
assert state(5099) is None
"""


@pytest.mark.parametrize("coming", [True, False])
def test_nothing_enters_a_queue_that_is_taken_over(lab: Network, coming: bool) -> None:  # noqa: FBT001
    # What it does with a packet when full was the other thing before.
    code = SHUTTING.format(first=not coming, coming=coming, dropped=int(not coming))
    rule = "INPUT -i lo -p udp --dport 5099 -j NFQUEUE --queue-num 5099 --queue-bypass"
    lab.gateway.run(f"iptables -w -I {rule}")
    try:
        lab.gateway.run(f"{sys.executable} -c {shlex.quote(code)}")
    finally:
        lab.gateway.run(f"iptables -w -D {rule}")


def test_what_waits_for_a_sensor_that_is_killed_is_lost_and_counted(ground: Field, folder: Path) -> None:
    before: dict[str, int] = {}
    waiting: dict[str, int] = {}
    with sensor(ground.network.gateway, folder, GATEWAY + ALLOWLIST) as running, ground.responder():

        def stop_and_kill() -> None:
            time.sleep(1)
            sensing = child(running, QUEUE_PROCESS)
            os.kill(sensing, signal.SIGSTOP)
            time.sleep(0.2)
            before.update(answered(ground))
            time.sleep(0.3)
            waiting.update({lane: kernel_queue(ground, lane)[0] for lane in QUEUES})
            os.kill(sensing, signal.SIGKILL)

        heard = both(ground, Load(rate=50, seconds=5), stop_and_kill)
        accounts = add_up(ground, running, before)
        publish("killed-with-packets-waiting", {"heard": heard, "packets": accounts, "waiting": waiting})
        for lane, each in heard.items():
            # A request may have come between the look and the signal.
            assert waiting[lane] <= each.lost <= waiting[lane] + 3, (lane, waiting, heard)
            assert waiting[lane] > 10
            assert each.longest_gap_ms < 1600, heard  # half a second of it was ours
            assert accounts[lane]["uninspected"] >= each.lost, accounts


def slow_tools(folder: Path) -> tuple[str, Path]:
    """A sensor whose tools hang while a file is there: how to start it, and that file."""
    bin_folder, flag = folder / "bin", folder / "hang"
    bin_folder.mkdir()
    for tool in SLOW_TOOLS:
        script = bin_folder / tool
        script.write_text(
            f'#!/bin/sh\nPATH=${{PATH#*:}}\n[ -e {flag} ] && exec sleep 60\nexec {tool} "$@"\n',
        )
        script.chmod(0o755)
    return f"env PATH={bin_folder}:{os.environ['PATH']} {COMMAND}", flag


def hung_tool(running: Running) -> int:
    """The tool that the keeper waits for."""
    found = [process for process, name in family(running.process.pid).items() if name == "sleep"]
    return found[0] if found else 0


def doomed(running: Running, victims: str) -> list[int]:
    supervisor, sensing = running.process.pid, child(running, QUEUE_PROCESS)
    return {
        "supervisor": [supervisor],
        "sensor": [sensing],
        "keeper": [child(running, RULES_PROCESS)],
    }.get(victims, [sensing, supervisor])


@pytest.mark.parametrize(
    "victims",
    [
        pytest.param("supervisor", marks=pytest.mark.slow),
        "sensor",
        pytest.param("keeper", marks=pytest.mark.slow),
        pytest.param("both, a tool alive", marks=pytest.mark.slow),
    ],
)
def test_sudden_death_under_load_costs_no_trusted_packet_more_than_a_second(
    ground: Field, folder: Path, victims: str
) -> None:
    program, flag = slow_tools(folder)
    tool = 0
    with sensor(ground.network.gateway, folder, GATEWAY + ALLOWLIST, program=program) as running, ground.responder():

        def kill() -> None:
            nonlocal tool
            time.sleep(1)
            if victims == "both, a tool alive":
                flag.touch()
                # A change of the ruleset makes the keeper look with its tools.
                ground.network.gateway.run("nft add table inet another")
                wait_for(lambda: bool(hung_tool(running)), 30, "a tool that hangs")
                tool = hung_tool(running)
            for process in doomed(running, victims):
                os.kill(process, signal.SIGKILL)

        try:
            heard = both(ground, Load(rate=100, seconds=5), kill)
            publish(f"sudden-death-{victims.replace(', ', '-').replace(' ', '-')}", heard)
            if tool:
                assert Path(f"/proc/{tool}").exists()
            for each in heard.values():
                assert each.longest_gap_ms < 1000, heard
                # At most what the sensor had received and not yet answered, and what waited for it.
                assert each.lost <= 5, heard
                assert each.answered + each.lost == each.requests
            if victims == "keeper":
                for each in heard.values():
                    each.assert_nothing_lost()
                wait_for(lambda: "the keeper of the rules was killed" in running.said, 20, "the next keeper")
                wait_for(lambda: samples(running)["sipsensor_rules_in_place"] == 1, 30, "the rules")
            if victims == "sensor":
                wait_for(lambda: "it is started again" in running.said, 20, "the next sensor")
                wait_for(lambda: samples(running)["sipsensor_sensor_restarts_total"] == 1, 30, "its metrics")
        finally:
            if tool:
                with suppress(ProcessLookupError):
                    os.kill(tool, signal.SIGKILL)


@pytest.mark.slow
def test_a_sensor_killed_in_a_flood_comes_back_and_the_trusted_notice_nothing(ground: Field, folder: Path) -> None:
    with sensor(ground.network.gateway, folder, GATEWAY + ALLOWLIST) as running, ground.responder():
        flood = ground.flood(500_000, 8)
        phones = ground.phones(TRUSTED, Load(rate=50, seconds=9, patience=4))
        try:
            time.sleep(2)
            os.kill(child(running, QUEUE_PROCESS), signal.SIGKILL)
            heard = Heard.of(phones.figures(30))
            publish("sudden-death-in-a-flood", {"heard": heard, "flood": flood.flooded(20)})
        finally:
            flood.kill()
            phones.kill()
        assert heard.lost <= 5, heard
        assert heard.longest_gap_ms < 1000, heard
        wait_for(lambda: samples(running)["sipsensor_sensor_restarts_total"] == 1, 30, "the next sensor's metrics")
        assert of_lane(samples(running), "sipsensor_packets_total", "trusted") > 100


@pytest.mark.parametrize("victim", ["supervisor", "sensor"])
def test_a_call_goes_on_when_the_sensor_dies_in_it(lab: Network, folder: Path, victim: str) -> None:
    phones = Phones(lab.outside, 4, folder)
    with sensor(lab.gateway, folder, GATEWAY) as running:
        phones.register_both()
        failed: list[BaseException] = []

        def talk() -> None:
            try:
                phones.talk(12, rate=4)
            except BaseException as error:  # noqa: BLE001 - it is raised again in the test's own thread
                failed.append(error)

        calls = threading.Thread(target=talk)
        calls.start()
        time.sleep(1.5)
        os.kill(running.process.pid if victim == "supervisor" else child(running, QUEUE_PROCESS), signal.SIGKILL)
        calls.join(40)
        assert not calls.is_alive()
        if failed:
            raise failed[0]


def test_a_flushed_ruleset_is_back_within_five_seconds_and_the_gap_shows(ground: Field, folder: Path) -> None:
    gateway = ground.network.gateway
    with sensor(gateway, folder, GATEWAY + ALLOWLIST) as running, ground.responder():
        took = 0.0

        def flush() -> None:
            nonlocal took
            time.sleep(1)
            before = samples(running)
            assert before["sipsensor_rules_in_place"] == 1
            start = time.monotonic()
            gateway.run("nft flush ruleset")
            wait_for(lambda: samples(running)["sipsensor_rules_put_back_total"] == 1, 30, "the rules")
            took = time.monotonic() - start

        heard = both(ground, Load(rate=25, seconds=8), flush)
        for each in heard.values():
            each.assert_nothing_lost()
        seen = samples(running)
        publish(
            "flush",
            {"heard": heard, "rules back after, s": took, "missing, s": seen["sipsensor_rules_missing_seconds_total"]},
        )
        assert took < 5
        assert 0 < seen["sipsensor_rules_missing_seconds_total"] < 5
        assert seen["sipsensor_rules_in_place"] == 1
        # Fewer were judged than came: the gap. And more than came before it: the rules work again.
        for lane, each in heard.items():
            judged = of_lane(seen, "sipsensor_packets_total", lane)
            assert each.packets / 4 < judged < each.packets, (lane, judged, each)
