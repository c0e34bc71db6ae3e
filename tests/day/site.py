"""A day at a site: who is there, what goes wrong when, and how busy each hour is.

Proportions: FreePBX's defaults for expiry and qualify; calls per extension and their outcomes as small offices have them (a third is not
answered); the lawful peak of 2.7 REGISTER a minute of one address that others measured. Everything comes from one seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from sipsensor.model import NANOSECONDS, Packet
from tests.day.phone import KINDS, Phone
from tests.day.registrar import ASTERISK, CHAN_SIP, FREESWITCH, KAMAILIO, Registrar
from tests.day.trunk import Trunk
from tests.day.wire import MIDNIGHT, Clock, Process, Sent

HOUR = 3600.0
PROTECTED = "192.0.2.0/28"
BUSY = (1, 1, 1, 1, 1, 2, 6, 20, 60, 100, 100, 90, 60, 70, 95, 100, 90, 60, 30, 15, 8, 5, 3, 2)
"""How busy each hour is, in parts of a hundred."""
OUTCOMES = ((200, 62), (487, 12), (486, 6), (480, 6), (404, 5), (603, 3), (302, 2), (488, 1), (503, 1), (403, 2))
"""How calls end, in parts of a hundred."""


@dataclass
class Plan:
    """How large the day is."""

    phones: int = 1000
    hours: float = 24
    begins: float = 0
    """The hour of the day at which it begins."""
    calls: float = 8
    """Of each phone, in a whole day."""


@dataclass
class Site:
    """Everybody, and the clock."""

    plan: Plan
    seed: int = 1
    phones: list[Phone] = field(default_factory=list)
    offices: list[list[Phone]] = field(default_factory=list)
    wrong: list[Phone] = field(default_factory=list)
    """Phones whose password is wrong the whole day."""
    corrected: list[Phone] = field(default_factory=list)
    """Phones whose password changes that day."""

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.clock = Clock(MIDNIGHT + int(self.plan.begins * HOUR * NANOSECONDS))
        flavours = (ASTERISK, KAMAILIO, FREESWITCH, CHAN_SIP)
        self.registrars = [
            Registrar(self.clock, self.random, f"192.0.2.{10 + place}", flavour)
            for place, flavour in enumerate(flavours)
        ]
        self._people()
        self._trunks()
        self._events()

    def packets(self) -> Iterator[tuple[Sent, Packet]]:
        """Everything that passes, one after another."""
        return self.clock.run(self.plan.hours * HOUR)

    # --- who is there

    def _phone(self, outside: tuple[str, int], registrar: Registrar) -> Phone:
        random, number = self.random, len(self.phones)
        phone = Phone(
            self.clock,
            random,
            registrar,
            str(2000 + number),
            outside,
            KINDS[number % len(KINDS)],
            expires=random.choices((3600, 1800, 600, 300), (60, 20, 12, 8))[0],
            keeps_nonce=random.random() < 0.6,
        )
        if number % 11 == 3:
            phone.login = f"auth-{phone.account}x"
        if number % 97 == 5:
            phone.sender = f"boss{number}"
        self.phones.append(phone)
        return phone

    def _people(self) -> None:
        """Offices of 5 to 60 behind one address each; single phones; some devices with several lines on one port."""
        random, wanted = self.random, self.plan.phones
        sizes = [min(60, wanted // 3), *(random.choice((5, 8, 12, 20, 35)) for _ in range(wanted))]
        while len(self.phones) < wanted * 0.8:
            size = sizes[len(self.offices)]
            address = f"198.18.{1 + len(self.offices)}.7"
            registrar = self.registrars[len(self.offices) % len(self.registrars)]
            self.offices.append(
                [self._phone((address, 40000 + place - (place % 10 == 1)), registrar) for place in range(size)]
            )
            # Every tenant of a hosted PBX has an extension 100; in domains of their own they are different accounts.
            self.offices[-1][0].account, self.offices[-1][0].login = "100", ""
            for phone in self.offices[-1]:
                phone.tenant = f"tenant{len(self.offices)}"
        while len(self.phones) < wanted:
            number = len(self.phones)
            self._phone((f"198.19.{number % 250}.{1 + number // 250}", 5060), random.choice(self.registrars))
        for phone in self.phones:
            self.clock.spawn(self._morning(phone), 0)
            self.clock.spawn(self._habits(phone), random.uniform(60, 600))

    def _morning(self, phone: Phone) -> Process:
        """Half of them were switched on before, the sensor begins to see them within their hour."""
        yield from phone.lives(self.random.uniform(0, phone.expires * 0.9))

    def _habits(self, phone: Phone) -> Process:
        random = self.random
        number = self.phones.index(phone)
        if number % 12 == 0:
            self.clock.spawn(self._qualified(phone), 30)
        if number % 9 == 0:
            self.clock.spawn(self._watches(phone), 45)
        if number % 25 == 0:
            self.clock.spawn(self._pings(phone), 20)
        while True:
            hour = int(self.clock.seconds // HOUR) % 24
            rate = self.plan.calls / sum(BUSY) * BUSY[hour] / HOUR
            wait = random.expovariate(rate)
            if wait > HOUR:
                yield HOUR / 2
                continue
            yield wait
            if phone.powered and phone.right and phone.let_in:
                code = random.choices([code for code, _ in OUTCOMES], [share for _, share in OUTCOMES])[0]
                user = random.choice(("00441134960123", "2007", "2100", "*97", "112", "0301234567"))
                if random.random() < 0.4:
                    self.clock.spawn(phone.is_called("0301234567", random.choice((200, 486, 603, 480))))
                else:
                    self.clock.spawn(phone.calls(user, code, random.uniform(5, 240)))

    def _qualified(self, phone: Phone) -> Process:
        while True:
            if phone.powered:
                yield from phone.notified("qualify")
            yield 60

    def _watches(self, phone: Phone) -> Process:
        """Ten lamps for colleagues, a message lamp; a presence that the PBX does not know."""
        while True:
            if phone.powered and phone.right and phone.let_in:
                for lamp in range(6):
                    self.clock.spawn(phone.subscribes("dialog", str(2000 + lamp), 200 if lamp else 404), lamp * 0.05)
                self.clock.spawn(phone.subscribes("message-summary", phone.account), 0.5)
                self.clock.spawn(phone.sends("PUBLISH", 489, "Event: presence"), 1)
                self.clock.spawn(phone.sends("MESSAGE", 202, "Content-Type: text/plain", "2009"), 2)
            yield 3300

    def _pings(self, phone: Phone) -> Process:
        """Keeps the NAT's door open: OPTIONS, or the NOTIFY of a Cisco SPA that Asterisk does not know."""
        while True:
            if phone.powered:
                if phone.random.random() < 0.5:
                    yield from phone.keeps_alive("OPTIONS", 200)
                else:
                    yield from phone.keeps_alive("NOTIFY", 489, "Event: keep-alive")
            yield 90

    def _trunks(self) -> None:
        clock, random, registrars = self.clock, self.random, self.registrars
        registered = Trunk(clock, random, registrars[0], ("192.88.1.10",), "sip.carrier-a.example")
        static = Trunk(
            clock, random, registrars[1], tuple(f"192.88.2.{number}" for number in range(1, 5)), "carrier-b.example"
        )
        clock.spawn(registered.registered(1500), 1)
        clock.spawn(registered.is_asked(60), 2)
        clock.spawn(static.is_asked(60), 2)
        clock.spawn(registered.asks(30, 200), 3)
        clock.spawn(static.asks(60, 404), 3)
        for trunk in (registered, static):
            clock.spawn(self._rings(trunk), 10)

    def _rings(self, trunk: Trunk) -> Process:
        """Calls from outside: each from another number, some without any."""
        random = self.random
        while True:
            hour = int(self.clock.seconds // HOUR) % 24
            rate = self.plan.phones * self.plan.calls * 0.5 / sum(BUSY) * BUSY[hour] / HOUR
            yield min(random.expovariate(rate), HOUR / 4)
            caller = "anonymous" if random.random() < 0.08 else f"+49{random.randint(10**9, 10**10 - 1)}"
            code = random.choices([code for code, _ in OUTCOMES], [share for _, share in OUTCOMES])[0]
            self.clock.spawn(trunk.calls(caller, f"030555{random.randint(100, 999)}", code))

    # --- what goes wrong

    def _events(self) -> None:
        clock, hours, big = self.clock, self.plan.hours, self.offices[0]
        every = max(1, len(self.phones) // 3)
        for phone in self.phones[7::every]:
            phone.right = phone.let_in = False
            self.wrong.append(phone)
        for phone in self.phones[3::every]:
            if phone in self.wrong:
                continue
            self.clock.spawn(self._changed(phone, 1200 if not self.corrected else 240), hours * HOUR * 0.4)
            self.corrected.append(phone)
        clock.spawn(self._new_phones(), hours * HOUR * 0.45)
        clock.spawn(self._power_cut(big), hours * HOUR * 0.5)
        clock.spawn(self._new_address(self.offices[1]), hours * HOUR * 0.6)
        clock.spawn(self._new_address(big), hours * HOUR * 0.7)
        clock.spawn(self._pbx_restart(self.registrars[0]), hours * HOUR * 0.8)
        clock.spawn(self._slow(self.registrars[1]), hours * HOUR * 0.85)
        for phone in self.phones[-max(2, len(self.phones) // 50) :]:
            clock.spawn(self._moves(phone), 300)
        for phone in self.phones[::40]:
            if phone not in big:
                clock.spawn(phone.restarts(40, 1), self.random.uniform(0.1, 0.9) * hours * HOUR)

    def _changed(self, phone: Phone, seconds: float) -> Process:
        """The administrator changes the password; the phone has the old one for another while."""
        phone.right = phone.let_in = False
        yield seconds
        phone.right, phone.corrected = True, self.clock.seconds
        yield from self._until_in(phone)

    def _until_in(self, phone: Phone) -> Process:
        """Provisioned: it registers at once, and every few seconds until it is in, as phones do when they are told to."""
        while not phone.let_in:
            yield from phone.registers()
            yield 10

    def _new_phones(self) -> Process:
        """Five accounts that never were, beside the others of an office and from elsewhere."""
        for place in range(5):
            office = self.offices[place % len(self.offices)]
            phone = self._phone((office[0].outside[0], 50000 + place), office[0].registrar)
            self.clock.spawn(phone.lives(1))
            yield 120

    def _power_cut(self, office: list[Phone]) -> Process:
        """All of them come back within five seconds."""
        for phone in office:
            self.clock.spawn(phone.restarts(1800, self.random.uniform(0, 5)))
        yield 0

    def _new_address(self, office: list[Phone]) -> Process:
        """The provider gives the office a new address: everybody finds out within a minute."""
        old = office[0].outside[0]
        new = f"203.0.{old.split('.')[2]}.{len(self.offices)}"
        for phone in office:
            phone.outside = (new, phone.outside[1])
        for phone in office:
            if phone.right and phone.let_in:
                self.clock.spawn(self._once(phone), self.random.uniform(0, 60))
        yield 0

    @staticmethod
    def _once(phone: Phone) -> Process:
        yield from phone.registers()

    def _pbx_restart(self, registrar: Registrar) -> Process:
        """Thirty seconds of silence; it forgets its nonces."""
        registrar.down = True
        yield 30
        registrar.down = False
        registrar.epoch += 1

    def _slow(self, registrar: Registrar) -> Process:
        """Its disk is busy for five minutes."""
        registrar.slow = 1.2
        yield 300
        registrar.slow = 0

    def _moves(self, phone: Phone) -> Process:
        """On a mobile network: another address every few minutes."""
        while True:
            number = self.random.randint(1, 250 * 250)
            phone.outside = (
                f"100.{64 + number % 50}.{number // 250}.{1 + number % 250}",
                self.random.randint(1024, 65000),
            )
            if phone.powered and phone.right and phone.let_in:
                yield from phone.registers()
            yield self.random.uniform(200, 900)
