"""Classic pcap through libpcap (pcapy-ng).

libpcap's plain ``open_offline``, the only one pcapy-ng offers, scales nanosecond files down to microseconds. So such
a file goes through a pipe in which its magic number reads as that of a microsecond file: libpcap then passes the
fractions on as they are. The same pipe takes gzip files, so nothing is ever unpacked to disk and memory stays at one
pipe.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import threading
from collections.abc import Callable, Generator, Iterator
from typing import IO

import pcapy

from sipsensor.sources.pcap.base import RECORD, Batch, CaptureError, Stream

BATCH = 256
"""Packets of a batch. Few, so that what was read is still in the processor's cache when it is judged."""
MAGIC_MICRO = 0xA1B2C3D4
MAGIC_NANO = 0xA1B23C4D
_FILE_HEADER = 24
_PIPE = 1 << 20
_PUMPED = 1 << 18


class Opened:
    """One pass over a file: libpcap's reader, and the thread that feeds it when it reads from a pipe."""

    def __init__(self, open_stream: Callable[[], Stream], name: str, *, piped: bool) -> None:
        self._stream: Stream | None = None
        self._thread: threading.Thread | None = None
        self.nanoseconds = False
        self.feed_error = ""
        try:
            self.reader = self._open_pipe(open_stream()) if piped else pcapy.open_offline(name)
        except pcapy.PcapError as error:
            self.close()
            raise CaptureError(f"{name}: cannot be read as a capture: {error}; give a pcap or pcapng file") from None

    def _open_pipe(self, stream: Stream) -> pcapy.Reader:
        self._stream = stream
        head = self._head(stream)
        read_end, write_end = os.pipe()
        with contextlib.suppress(OSError):  # beyond what this user may have; the pipe works all the same
            fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, _PIPE)
        # pcapy reads the file header with the interpreter locked: a feeder thread could not bring it then. It fits into the pipe.
        os.write(write_end, head)
        if len(head) < _FILE_HEADER:
            os.close(write_end)
        try:
            reader = pcapy.open_offline(f"/dev/fd/{read_end}")
        except pcapy.PcapError:
            if len(head) == _FILE_HEADER:
                os.close(write_end)
            raise
        finally:
            os.close(read_end)
        # Daemon: an exit of the program must not wait for it. A reader that gives up closes its end, which ends the thread.
        self._thread = threading.Thread(target=self._feed, args=(stream, write_end), daemon=True)
        self._thread.start()
        return reader

    def _head(self, stream: Stream) -> bytes:
        """The file header as libpcap shall see it. Whether the file is in nanoseconds is noted."""
        head = b""
        try:
            while len(head) < _FILE_HEADER and (more := stream.read(_FILE_HEADER - len(head))):
                head += more
        except OSError as error:
            self.feed_error = str(error)
        for order in "<>":
            if head.startswith(struct.pack(f"{order}I", MAGIC_NANO)):
                self.nanoseconds = True
                return struct.pack(f"{order}I", MAGIC_MICRO) + head[4:]
        return head

    def _feed(self, stream: Stream, write_end: int) -> None:
        with contextlib.suppress(BrokenPipeError), os.fdopen(write_end, "wb", buffering=0) as pipe:
            try:
                while chunk := stream.read(_PUMPED):
                    _write_all(pipe, chunk)
            except BrokenPipeError:
                raise
            except OSError as error:
                self.feed_error = str(error)

    def close(self) -> None:
        """Free the reader, then wait for its feeder, which a closed pipe ends."""
        with contextlib.suppress(AttributeError, pcapy.PcapError):
            self.reader.close()
        if self._thread is not None:
            self._thread.join()
        if self._stream is not None:
            self._stream.close()


def _write_all(pipe: IO[bytes], chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[pipe.write(view) :]


class Classic:
    """The batches of one classic pcap file. ``notice`` says after the last batch why the file ended early, if it did."""

    def __init__(self, name: str, open_stream: Callable[[], Stream], *, piped: bool) -> None:
        self._name = name
        self._open_stream = open_stream
        self._piped = piped
        self.notice = ""

    def _open(self) -> Opened:
        return Opened(self._open_stream, self._name, piped=self._piped)

    def batches(self) -> Generator[Batch, None, None]:
        """All whole packets in order. Raises CaptureError before the first batch when libpcap does not know the file."""
        opened = self._open()
        link, number = opened.reader.datalink(), 1
        try:
            while True:
                data, index = opened.reader.next_batch(BATCH)
                if not index:
                    self.notice = opened.feed_error
                    return
                yield Batch(data, index, link, opened.nanoseconds, number)
                number += len(index) // RECORD.size
        except pcapy.PcapError as error:
            self.notice = opened.feed_error or str(error)
        finally:
            opened.close()
        yield from self._rescue(number)

    def _rescue(self, number: int) -> Iterator[Batch]:
        """The whole packets of the batch that libpcap threw away because of its error: read again, skip what is out,
        then one by one.
        """
        opened = self._open()
        link = opened.reader.datalink()
        data, index = bytearray(), bytearray()
        try:
            skip = number - 1
            while skip > 0:
                skip -= len(opened.reader.next_batch(min(skip, BATCH))[1]) // RECORD.size
            while True:
                piece, record = opened.reader.next_batch(1)
                if not record:
                    break
                seconds, fraction, _, length = RECORD.unpack(record)
                index += RECORD.pack(seconds, fraction, len(data), length)
                data += piece
        except pcapy.PcapError:
            pass
        finally:
            opened.close()
        if index:
            yield Batch(bytes(data), bytes(index), link, opened.nanoseconds, number)
