"""From what the user named to batches: find files, tell formats apart, apply the filter."""

from __future__ import annotations

import contextlib
import gzip
import stat
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import pcapy

from sipsensor.sources.pcap.base import RECORD, Batch, CaptureError, Stream
from sipsensor.sources.pcap.classic import Classic
from sipsensor.sources.pcap.pcapng import Pcapng

_GZIP = b"\x1f\x8b"
_PCAPNG = b"\x0a\x0d\x0d\x0a"
_NANO = (b"\xa1\xb2\x3c\x4d", b"\x4d\x3c\xb2\xa1")
_CLASSIC = (b"\xa1\xb2\xc3\xd4", b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xcd\x34", b"\x34\xcd\xb2\xa1", *_NANO)
_SNAP_LENGTH = 262144
_ETHERNET = 1


class GzipStream:
    """A gzip file as a stream; damage in it is an OSError like any other, so that readers know one kind."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._gzip = gzip.GzipFile(fileobj=raw, mode="rb")

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` unpacked bytes; what was readable before damage comes first, then OSError."""
        try:
            return self._gzip.read1(size)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise OSError(f"damaged gzip data: {error}") from None

    def close(self) -> None:
        """Close the file too."""
        self._gzip.close()
        self._raw.close()


def find(names: Sequence[str]) -> list[Path]:
    """The capture files behind names of files and directories: files as named, directories searched downwards and
    sorted by path.

    In a directory only what starts like a capture counts. Raises CaptureError for a name that does not exist and a
    directory without captures.
    """
    found: list[Path] = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            inside = [file for file in sorted(path.rglob("*")) if file.is_file() and _looks_like_capture(file)]
            if not inside:
                raise CaptureError(
                    f"{name}: no capture file in this directory; name a directory with pcap or pcapng files"
                )
            found.extend(inside)
        elif path.exists():
            found.append(path)
        else:
            raise CaptureError(f"{name}: no such file; name a capture file or a directory of them")
    return found


def _looks_like_capture(path: Path) -> bool:
    try:
        with path.open("rb") as raw:
            head = raw.read(4)
            if head.startswith(_GZIP):
                raw.seek(0)
                head = GzipStream(raw).read(4)
    except OSError:
        return False
    return head == _PCAPNG or head in _CLASSIC


class Capture:
    """One capture file. ``batches`` goes through it once; ``notices`` then says what the user should know about the
    reading.
    """

    def __init__(self, path: Path, expression: str = "") -> None:
        self.path = path
        self.notices: list[str] = []
        self._expression = expression
        self._programs: dict[int, pcapy.BPFProgram | None] = {}
        self._raw: IO[bytes] | None = None
        self._counted = 0
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode) and not path.is_dir():
                raise CaptureError(f"{path}: is no regular file, and a capture is read more than once; save it first")
            self.size = status.st_size
            with path.open("rb") as raw:
                self._compressed = raw.read(2) == _GZIP
            with contextlib.closing(self._open()) as stream:
                self._magic = stream.read(4)
        except OSError as error:
            raise CaptureError(
                f"{path}: cannot be read: {error.strerror or error}; check the file and its mode"
            ) from None

    def _open(self) -> Stream:
        """The file's content, unpacked."""
        raw = self._raw = self.path.open("rb")
        return GzipStream(raw) if self._compressed else raw

    @property
    def position(self) -> int:
        """How many bytes of the file were read, for progress."""
        if self._raw is not None and not self._raw.closed:
            return self._raw.tell()
        return min(self._counted, self.size)

    def batches(self) -> Iterator[Batch]:
        """The packets of the file that pass the filter. Raises CaptureError when it is no capture, or the filter
        cannot be compiled.
        """
        number = 0
        with contextlib.ExitStack() as stack:
            if self._magic == _PCAPNG:
                reader: Pcapng | Classic = Pcapng(stack.enter_context(contextlib.closing(self._open())))
            else:
                reader = self._classic()
            for batch in reader.batches():
                number = batch.first_number + batch.size - 1
                self._counted += 16 * batch.size + len(batch.data)
                yield from self._filtered(batch) if self._expression else (batch,)
        if reader.notice:
            self.notices.append(f"{self.path}: {reader.notice}; read up to its last whole packet, number {number}")

    def _classic(self) -> Classic:
        # pcapy takes names in UTF-8 alone; any other name can still be opened here.
        odd_name = any("\udc80" <= character <= "\udcff" for character in str(self.path))
        return Classic(str(self.path), self._open, piped=self._compressed or self._magic in _NANO or odd_name)

    def _filtered(self, batch: Batch) -> Iterator[Batch]:
        """Runs of consecutive packets that match, each as a batch, so that numbers stay those of the file."""
        program = self._program(batch.link)
        if program is None:
            return
        matches, data, size = program.filter, batch.data, RECORD.size
        start = -1
        for position, (_, _, offset, length) in enumerate(RECORD.iter_unpack(batch.records)):
            if matches(data[offset : offset + length]):
                if start < 0:
                    start = position
            elif start >= 0:
                yield batch._replace(
                    records=batch.records[start * size : position * size], first_number=batch.first_number + start
                )
                start = -1
        if start >= 0:
            yield batch._replace(records=batch.records[start * size :], first_number=batch.first_number + start)

    def _program(self, link: int) -> pcapy.BPFProgram | None:
        if link not in self._programs:
            self._programs[link] = self._compile(link)
        return self._programs[link]

    def _compile(self, link: int) -> pcapy.BPFProgram | None:
        try:
            return compile_filter(self._expression, link)
        except CaptureError:
            compile_filter(self._expression, _ETHERNET)
            self.notices.append(f"{self.path}: the filter cannot be used on link type {link}; its packets are left out")
            return None


def compile_filter(expression: str, link: int = _ETHERNET) -> pcapy.BPFProgram:
    """The program of libpcap for a BPF expression. Raises CaptureError, which names the option, when it cannot be
    compiled.
    """
    if "\0" in expression:
        raise CaptureError("--filter: contains a null character; see pcap-filter(7)")
    try:
        return pcapy.compile(link, _SNAP_LENGTH, expression, 1, 0xFFFFFFFF)
    except pcapy.PcapError as error:
        raise CaptureError(f"--filter: {error}; see pcap-filter(7) for the syntax") from None
