"""The composition root: the only module that knows all the edges.

``build_engine`` makes the one engine out of settings; ``Replay`` drives it with capture files.
"""

from __future__ import annotations

import gc
import ipaddress
import itertools
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from sipsensor.config.errors import ConfigError
from sipsensor.config.settings import Settings
from sipsensor.decide.ledger import Ladder, Ledger
from sipsensor.decide.policy import Policy
from sipsensor.decide.safety import Net, Safety
from sipsensor.decide.trust import Trust
from sipsensor.detect import DETECTORS
from sipsensor.detect.base import Detector, Services
from sipsensor.engine import Engine, ignore
from sipsensor.export.events import Summary
from sipsensor.fastpath import examine, ranges
from sipsensor.model import Action, Decision, Mode, Rule, Verdict
from sipsensor.reassembly.assembler import Assembler
from sipsensor.signatures import SignatureError, SignatureSet, compile_signatures, load
from sipsensor.sources.pcap import Batch, Capture, packets
from sipsensor.sources.pcap.base import RECORD
from sipsensor.track.direction import Directions
from sipsensor.track.ends import Ends
from sipsensor.track.standing import Standings
from sipsensor.track.tracker import Tracker

REPLAY_SEED = b"sipsensor-replay"
"""Keys the hashes of a replay, so that a file gives the same result each time. A live sensor takes a random one."""

OnDecision = Callable[[examine.Examined, Decision], None]


def load_signatures(settings: Settings) -> SignatureSet:
    """The signatures in use, compiled. Raises ConfigError with a line for everything that is wrong with them."""
    try:
        return compile_signatures(load(settings.signatures.directories))
    except SignatureError as error:
        raise ConfigError(str(error).splitlines()) from None


def build_engine(  # noqa: PLR0913 - what a source needs differs, by name
    settings: Settings,
    *,
    mode: Mode | None = None,
    protected: Sequence[str] | None = None,
    signatures: SignatureSet | None = None,
    seed: bytes | None = None,
    report_error: Callable[[examine.Examined, BaseException], None] | None = None,
    wrap: Callable[[Detector], Detector] | None = None,
) -> Engine:
    """The engine that ``settings`` describe.

    ``mode`` and ``protected`` replace those of the settings; ``seed`` (16 bytes) keys the hashes, random by default;
    ``report_error`` gets each packet on which the engine failed; ``wrap`` may put something around each detector.
    Raises ConfigError when signatures, networks or rules do not fit.
    """
    signatures = signatures or load_signatures(settings)
    detectors = build_detectors(settings, signatures)
    actions = actions_of(settings, rules_of(detectors))
    network, seed = settings.network, os.urandom(16) if seed is None else seed
    examiner = examine.Examiner(signatures.matcher, network.sip_ports, seed, iax2_ports=network.iax2_ports)
    directions = Directions(_networks("network.protected", network.public, protected or network.protected))
    on_stranger, on_trusted = settings.failure.on_error
    bans = settings.bans
    standings = Standings()
    ends = Ends(_networks("network.proxies", network.proxies))
    ladder = Ladder(
        bans.first, bans.factor, bans.longest, bans.memory, bans.probe, network=bans.network, grace=bans.grace
    )
    trunks = [text for text in settings.trust.trunks if is_network(text)]
    trust = Trust(_networks("trust.allowlist", settings.trust.allowlist), trunks, settings.trust.emergency)
    return Engine(
        examiner=examiner,
        assembler=Assembler(examiner),
        tracker=Tracker(directions, standings=standings, ends=ends),
        ledger=Ledger({rule.id: rule for rule in rules_of(detectors)}, ladder, bans.entries),
        safety=Safety(standings, Net(settings.safety.share, settings.safety.phones, settings.safety.window)),
        detectors=[wrap(detector) for detector in detectors] if wrap else detectors,
        policy=Policy(mode or settings.mode, trust, actions),
        on_error=(on_stranger.verdict, on_trusted.verdict),
        on_unseen=settings.failure.on_full[0].verdict,
        report_error=report_error or ignore,
    )


def is_network(text: str) -> bool:
    """An address or a network, and no name."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def build_detectors(settings: Settings, signatures: SignatureSet) -> list[Detector]:
    """Every detector with its settings, in the order in which they judge. Raises ConfigError for settings that a
    detector refuses.
    """
    services = Services(signatures)
    made: list[Detector] = []
    for kind in DETECTORS:
        try:
            made.append(cast("Detector", kind(settings.detectors[kind.name], services)))
        except ValueError as error:
            raise ConfigError([f"detectors.{kind.name}: {error}; see the configuration reference"]) from None
    return made


def rules_of(detectors: Iterable[Detector]) -> list[Rule]:
    """Every rule that can fire, once, by number."""
    return sorted(
        {rule.id: rule for detector in detectors for rule in detector.rules}.values(), key=lambda rule: rule.id
    )


def actions_of(settings: Settings, rules: Sequence[Rule]) -> dict[str, Action]:
    """What rules do where it differs from their own action: the rule's section, else the detector's. Raises
    ConfigError for unknown rules.
    """
    known = {rule.slug for rule in rules}
    unknown = [slug for slug in settings.rules if slug not in known]
    if unknown:
        raise ConfigError(
            [f'rules."{slug}": there is no such rule; see "sipsensor rules" for their names' for slug in unknown]
        )
    actions = {}
    for rule in rules:
        whole: Action | None = getattr(settings.detectors.get(rule.detector), "action", None)
        if whole is not None:
            actions[rule.slug] = whole
    actions.update({slug: rule.action for slug, rule in settings.rules.items()})
    return actions


def _networks(key: str, *lists: Sequence[str]) -> ranges.Networks:
    try:
        return ranges.Networks([text for texts in lists for text in texts])
    except ValueError as error:
        raise ConfigError([f'{key}: {error}; write "192.0.2.10" or "192.0.2.0/24"']) from None


def calm_collector() -> None:
    """Let the garbage collector leave alone what was built at start, and come by less often.

    Nothing of a packet is cyclic. Measured: its walks cost a quarter of a replay.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


# --- replay ----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Differences:
    """What ``--verify`` found: recorded verdicts against those of the replay."""

    compared: int = 0
    unrecorded: int = 0
    different: int = 0
    first: list[str] = field(default_factory=list)
    """The first of them in words."""


class Replay:
    """Judges capture files one after another, in the order given, as one stream of packets.

    A file that begins before the one in front of it ended is another recording: ``build`` makes a fresh engine for
    it, because state that comes from the future would be wrong. ``on_decision`` gets every packet that was dropped, on
    which a rule fired, or that changed who is trusted or cut. ``notices`` are lines that the user should see: files
    that end early, link types that cannot be read.
    """

    SEED = REPLAY_SEED
    SHOWN_DIFFERENCES = 20

    def __init__(
        self,
        build: Callable[[], Engine],
        on_decision: OnDecision | None = None,
        *,
        expression: str = "",
        verify: bool = False,
    ) -> None:
        self.summary = Summary()
        self.notices: list[str] = []
        self.differences = Differences() if verify else None
        self._build = build
        self._engine = build()
        self._ends: int | None = None
        self._unreadable = 0
        self._on_decision = on_decision
        self._expression = expression

    def run(self, files: Sequence[Path], progress: Callable[[int], None] = lambda _: None) -> None:
        """Judge all files. ``progress`` gets the bytes of all files read so far. Raises CaptureError for a file that
        cannot be read at all.
        """
        started = time.perf_counter()
        before = 0
        for path in files:
            capture = Capture(path, self._expression)
            batches = capture.batches()
            first = next(batches, None)
            if first is not None:
                self._continue_at(_ts(first, 0))
                for batch in itertools.chain((first,), batches):
                    self._batch(batch, path)
                    progress(before + capture.position)
            before += capture.size
            progress(before)
            self.notices += capture.notices
        self._take_counters()
        self.summary.elapsed = time.perf_counter() - started
        self._finish()

    def _continue_at(self, ts: int) -> None:
        if self._ends is not None and ts < self._ends:
            self._take_counters()
            self._engine = self._build()
        self._ends = ts

    def _batch(self, batch: Batch, path: Path) -> None:
        summary = self.summary
        if self.differences is not None:
            last = self._verify(batch, path, self.differences)
            summary.packets += batch.size
        else:
            walk = self._engine.examiner.walk(*batch)
            tell = summary.count if self._on_decision is None else self._tell
            self._engine.judge_each(walk, summary.sources_of_messages, tell)
            summary.packets += walk.packets
            summary.bound()
            last = walk.last
        summary.span(_ts(batch, 0), last)
        self._ends = last if self._ends is None else max(last, self._ends)
        self._engine.tick(last)

    def _tell(self, examined: examine.Examined, decision: Decision) -> None:
        self.summary.count(examined, decision)
        if self._on_decision is not None:
            self._on_decision(examined, decision)

    def _verify(self, batch: Batch, path: Path, found: Differences) -> int:
        """Judge every packet, and compare with the verdict that a recording of ours carries. Returns the time of the
        last.
        """
        last = 0
        for packet in packets(batch):
            examined = self._engine.examiner.examine(packet)
            decision = self._engine.judge(examined)
            last = packet.ts
            if decision.observation is not None:
                self.summary.sources_of_messages.add(examined.src)
            if decision.alerts or decision.verdict or decision.grants or decision.uncuts:
                self._tell(examined, decision)
            self._compare(examined, decision, path, found)
        self.summary.bound()
        return last

    def _compare(self, examined: examine.Examined, decision: Decision, path: Path, found: Differences) -> None:
        recorded = examined.recorded_verdict
        if recorded < 0:
            found.unrecorded += 1
            return
        found.compared += 1
        if recorded != decision.verdict:
            found.different += 1
            if len(found.first) < self.SHOWN_DIFFERENCES:
                was, now = Verdict(recorded).name.lower(), Verdict(decision.verdict).name.lower()
                found.first.append(f"{path}: packet {examined.number}: recorded {was}, now {now} {decision.reason}")

    def _take_counters(self) -> None:
        """Add what the engine counted, before it goes."""
        summary, counters = self.summary, self._engine.counters
        summary.sip_messages += counters.sip_messages
        summary.iax2_frames += counters.iax2_frames
        summary.malformed += counters.malformed
        summary.errors += counters.errors
        summary.dropped += counters.dropped
        self._unreadable += self._engine.examiner.skipped["unknown_link"]

    def _finish(self) -> None:
        summary = self.summary
        summary.accepted = summary.packets - summary.dropped
        if self._unreadable:
            self.notices.append(
                f"{self._unreadable} packets have a link type that cannot be read; they were counted and accepted"
            )
        if summary.errors:
            self.notices.append(
                f"the engine failed on {summary.errors} packets; they were answered as failure.on_error says"
            )


def _ts(batch: Batch, position: int) -> int:
    seconds, fraction, _, _ = RECORD.unpack_from(batch.records, position * RECORD.size)
    return int(seconds) * 1_000_000_000 + int(fraction) * (1 if batch.nanoseconds else 1000)
