"""The group of all commands, and the one place where an error becomes a line and an exit code."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from typing import NamedTuple, NoReturn

import click

NO = 1
USAGE = 2
_INTERRUPTED = 130


class Entry(NamedTuple):
    """A command that is not imported yet. Its module has the command as ``command``."""

    module: str
    help: str


COMMANDS = {
    "run": Entry("sipsensor.cli.run", "Judge live packets."),
    "replay": Entry("sipsensor.cli.replay", "Judge capture files and tell what was found."),
    "explain": Entry("sipsensor.cli.explain", "Tell what each step said of one packet, and why it got its verdict."),
    "check": Entry("sipsensor.cli.check", "Check a configuration and its signatures, and tell what they would do."),
    "status": Entry("sipsensor.cli.status", "Tell how the running sensor does."),
    "bans": Entry("sipsensor.cli.bans", "List what is cut, banned or trusted by order."),
    "ban": Entry("sipsensor.cli.ban", "Drop everything from an address or a network for a time."),
    "unban": Entry("sipsensor.cli.unban", "Lift every cut and ban of an address or a network."),
    "trust": Entry("sipsensor.cli.trust", "No limits and no cuts for an address or a network, for a time."),
    "untrust": Entry("sipsensor.cli.untrust", "Take that back."),
    "why": Entry("sipsensor.cli.why", "Tell what is known of an address or an account, and how to undo it."),
    "enforce": Entry("sipsensor.cli.enforce", "Act from now on; with --for it reverts unless confirmed."),
    "observe": Entry("sipsensor.cli.observe", "Only report from now on."),
    "rules": Entry("sipsensor.cli.rules", "List the rules that can fire; print, apply and remove the kernel's."),
    "signatures": Entry("sipsensor.cli.signatures", "List, show and test signatures."),
    "bench": Entry("sipsensor.cli.bench", "Measure what a packet costs on this machine."),
    "version": Entry("sipsensor.cli.version", "Print the version."),
}

# The errors that are the user's to mend: their text is one line, or lines, made for him. By name, so that nothing is imported for them.
_USER_ERRORS = frozenset(
    {
        "sipsensor.config.errors.ConfigError",
        "sipsensor.control.ControlError",
        "sipsensor.enforce.rules.tools.RulesError",
        "sipsensor.export.events.log.EventLogError",
        "sipsensor.export.metrics.endpoint.MetricsError",
        "sipsensor.signatures.schema.SignatureError",
        "sipsensor.sources.nfqueue.QueueError",
        "sipsensor.sources.pcap.base.CaptureError",
    }
)


class Commands(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names in the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command itself, or None for an unknown name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(COMMANDS[cmd_name].module).command
        if not isinstance(command, click.Command):
            raise TypeError(f"{COMMANDS[cmd_name].module} has no command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in the help, without importing a single one."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


def _print_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
    if value:
        ctx.invoke(Commands.get_command(group, ctx, "version"))  # type: ignore[arg-type]
        ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version and exit.",
)
def group() -> None:
    """Sipsensor judges VoIP signalling on the wire, and in capture files.

    Exit codes: 0 fine, 1 the answer is no, 2 usage or configuration error.
    """


def _open_standard_streams() -> None:
    """Whoever starts us with a closed output would have it in the next file that we open: lines for people in an event file, or a queue."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115 - None where it was closed
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def main() -> NoReturn:
    """Run the command line. An error of the user's is a line on standard error and exit code 2, never a traceback."""
    _open_standard_streams()
    try:
        code = group.main(prog_name="sipsensor", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        code = USAGE
    except click.ClickException as error:
        code = _fail([_usage(error)])
    except (click.Abort, KeyboardInterrupt):
        code = _INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has seen enough. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = NO
    except OSError as error:
        code = _fail([_system(error)])
    except ImportError as error:
        code = _fail([f"cannot be loaded: {error}; install sipsensor again, or make build in a checkout"])
    except Exception as error:
        if not is_user_error(error):
            raise
        code = _fail(str(error).splitlines())
    sys.exit(code if isinstance(code, int) else 0)


def report(error: BaseException) -> int:
    """Tell of what ended a process of ours that is not the command itself, and make an exit code of it."""
    if isinstance(error, OSError) and not is_user_error(error):
        return _fail([_system(error)])
    if isinstance(error, Exception) and is_user_error(error):
        return _fail(str(error).splitlines())
    traceback.print_exception(error)
    return NO


def is_user_error(error: Exception) -> bool:
    """Whether the text of this exception is made for the user."""
    return any(f"{kind.__module__}.{kind.__qualname__}" in _USER_ERRORS for kind in type(error).__mro__)


def _usage(error: click.ClickException) -> str:
    """The message of click in one line, with the way to help."""
    text = " ".join(error.format_message().split())
    context = getattr(error, "ctx", None)
    if not isinstance(error, click.UsageError):
        return text
    return f'{text} See "{context.command_path if context else "sipsensor"} --help".'


def _system(error: OSError) -> str:
    return f"{error.filename or 'output'}: {error.strerror or error}; check the path, its mode and the space left"


def _fail(lines: list[str]) -> int:
    for line in lines:
        click.echo(f"sipsensor: {line}", err=True)
    return USAGE
