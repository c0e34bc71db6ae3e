"""Certificates as an operator makes them, with openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path


class Issued:
    """A certificate of the authority, and its key."""

    def __init__(self, folder: Path, name: str) -> None:
        self.certificate, self.key = str(folder / f"{name}.pem"), str(folder / f"{name}.key")


class Authority:
    """Makes certificates with openssl."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.file = str(folder / f"{name}.pem")
        self._openssl(
            f"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN={name} -keyout {name}.key -out {name}.pem"
        )

    def issue(self, name: str, days: int = 2) -> Issued:
        (self.folder / f"{name}.ext").write_text("subjectAltName = IP:127.0.0.1\n")
        self._openssl(
            f"req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"
        )
        self._openssl(
            f"x509 -req -in {name}.csr -CA {self.name}.pem -CAkey {self.name}.key -CAcreateserial -days {days} -extfile {name}.ext -out {name}.pem"
        )
        return Issued(self.folder, name)

    def _openssl(self, arguments: str) -> None:
        subprocess.run(["openssl", *arguments.split()], cwd=self.folder, check=True, capture_output=True)
