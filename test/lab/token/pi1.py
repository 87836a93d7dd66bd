#!/usr/bin/env python3
"""Reads and judges `pi1` process tokens: lib/process/token.md in Python's standard library.

An example for other languages. The first half (`parse`, `judge` and the digests) is pure and the same on every
platform; the second half gathers the facts that it needs on Linux, from /proc and pidfds.

    python3 pi1.py verify <token>…       one line for each: state and reason; exit code 0 all same, 1 some gone,
                                         2 some unknown
    python3 pi1.py identify [<pid>]      the token of a process, default: the parent's
    python3 pi1.py judge                 vectors on standard input, one JSON object a line: a verdict a line

Python 3.8 or later; pidfds from 3.9 on.
"""

import errno
import hashlib
import json
import os
import re
import select
import signal
import socket
import sys
from typing import Callable, List, NamedTuple, Optional, Tuple

# --- Tokens ----------------------------------------------------------------------------------------------------------

MAX_LENGTH = 159  # UTF-16 code units; a good token is ASCII anyway
MAX_PID = 2**32 - 1
MAX_START_TIME = 2**53 - 1  # what JSON and JavaScript hold exactly
MAX_UINT64 = 2**64 - 1
INITIAL_PID_NAMESPACE = "4026531836"  # PROC_PID_INIT_INO, include/linux/proc_ns.h

PLATFORM = re.compile(r"[a-z][a-z0-9]{0,9}")
HOST = re.compile(r"[0-9a-f]{16}")
HOSTNAME = re.compile(r"[0-9a-f]{8}")
BOOT = re.compile(r"[0-9a-z]{1,40}")
DECIMAL = re.compile(r"0|[1-9][0-9]{0,19}")


class Token(NamedTuple):
    """A parsed token; None is "unknown", `-` in the text."""

    platform: str
    host: Optional[str]
    hostname: Optional[str]
    boot: Optional[str]
    pid_namespace: Optional[str]
    pid: int
    start_time: Optional[int]
    exact_id: Optional[str]


def parse(text: object) -> Optional[Token]:
    """The token, or None for anything else: strictly what a writer of `pi1` can write."""
    if not isinstance(text, str) or len(text) > MAX_LENGTH:
        return None
    fields = text.split(".")
    if len(fields) != 9 or fields[0] != "pi1":
        return None
    _, platform, host, hostname, boot, pid_namespace, pid, start_time, exact_id = fields
    good = (
        # fullmatch: `$` would accept a line end behind the text.
        PLATFORM.fullmatch(platform)
        and _number(pid, MAX_PID)
        and pid != "0"
        and (host == "-" or HOST.fullmatch(host))
        and (hostname == "-" or HOSTNAME.fullmatch(hostname))
        and (boot == "-" or BOOT.fullmatch(boot))
        and (pid_namespace == "-" or _number(pid_namespace, MAX_UINT64))
        and (start_time == "-" or _number(start_time, MAX_START_TIME))
        and (exact_id == "-" or _number(exact_id, MAX_UINT64))
    )
    if not good:
        return None
    return Token(
        platform,
        _known(host),
        _known(hostname),
        _known(boot),
        _known(pid_namespace),
        int(pid),
        None if start_time == "-" else int(start_time),
        _known(exact_id),
    )


def format_token(token: Token) -> str:
    """The text that `parse` reads back."""
    return ".".join(["pi1", *("-" if field is None else str(field) for field in token)])


def _number(text: str, largest: int) -> bool:
    return DECIMAL.fullmatch(text) is not None and int(text) <= largest


def _known(field: str) -> Optional[str]:
    return None if field == "-" else field


# --- Facts that a verdict needs --------------------------------------------------------------------------------------


class Reader(NamedTuple):
    """The process that judges, in the terms of a token."""

    platform: str
    host: Optional[str]
    boot: Optional[str]
    pid_namespace: Optional[str]
    initial_pid_namespace: bool  # true, too, where the OS has no pid namespaces
    host_id_pinned: bool  # PIDENTITY_HOST_ID is set


class Found(NamedTuple):
    """The process that has a pid now, or that there is none."""

    state: str  # alive, gone, unknown
    reason: str
    start_time: Optional[int]
    exact_id: Optional[str]


class Nested(NamedTuple):
    """A process that has the token's pid in a pid namespace nested in the reader's."""

    start_time: Optional[int]
    exact_id: Optional[str]
    pid_namespace: Optional[str]  # None: not its own number there, or not to be had


class Lookups(NamedTuple):
    """Asked only when the verdict needs it, one question at most but for `by_exact_id` before `nested`."""

    at_pid: Callable[[int], Found]
    by_exact_id: Callable[[str], Tuple[str, str]]  # state, reason
    nested: Callable[[int], Optional[Tuple[bool, List[Nested]]]]  # complete?, who; None: no look was made


# --- The verdict -----------------------------------------------------------------------------------------------------

Verdict = Tuple[str, str]

SAME: Verdict = ("same", "running")


def judge(token: Optional[Token], reader: Reader, lookups: Lookups) -> Verdict:
    """Does the token's process still run? `gone` only on proof; what is not proven is `unknown`."""
    if token is None:
        return "unknown", "malformed"
    is_same_platform = token.platform == reader.platform
    if not is_same_platform or token.boot is None or token.boot != reader.boot:
        return _judge_other_boot(token, reader, is_same_platform)
    if token.pid_namespace is None or token.pid_namespace != reader.pid_namespace:
        return _judge_other_namespace(token, reader, lookups)
    return _judge_by_pid(token, lookups.at_pid(token.pid))


def _judge_other_boot(token: Token, reader: Reader, is_same_platform: bool) -> Verdict:
    """An earlier boot of this very machine ended all of its processes."""
    is_other_boot = is_same_platform and token.boot is not None and reader.boot is not None
    is_same_host = token.host is not None and token.host == reader.host
    # A container's machine id is its image's: the same on many machines.
    initial = INITIAL_PID_NAMESPACE if _is_linux(token.platform) else "0"
    is_host_id_the_machines = reader.host_id_pinned or (
        reader.initial_pid_namespace and token.pid_namespace == initial
    )
    if is_other_boot and is_same_host and is_host_id_the_machines:
        return "gone", "rebooted"
    return "unknown", "other-host"


def _judge_other_namespace(token: Token, reader: Reader, lookups: Lookups) -> Verdict:
    """The pid means nothing here: the exact id does, and what the initial namespace sees of the others."""
    if token.exact_id is not None:
        state, reason = lookups.by_exact_id(token.exact_id)
        if state == "alive":
            return SAME
        if state == "gone":
            return "gone", _end(reason)
    look = lookups.nested(token.pid) if reader.initial_pid_namespace else None
    if look is None:
        return "unknown", "other-pid-namespace"
    is_complete, having = look
    answers = {_names_nested(token, found) for found in having}
    if True in answers:
        return SAME
    if token.pid_namespace is not None and is_complete and None not in answers:
        return "gone", "no-such-process"
    return "unknown", "other-pid-namespace"


def _names_nested(token: Token, found: Nested) -> Optional[bool]:
    """None: what is known does not tell."""
    if token.exact_id is not None and found.exact_id is not None:
        return token.exact_id == found.exact_id
    # A process stays in its pid namespace for life.
    namespaces = (token.pid_namespace, found.pid_namespace)
    if None not in namespaces and namespaces[0] != namespaces[1]:
        return False
    return _started_together(token, found.start_time)


def _judge_by_pid(token: Token, found: Found) -> Verdict:
    if token.exact_id is not None and found.exact_id is not None:
        is_it: Optional[bool] = token.exact_id == found.exact_id
    else:
        is_it = _started_together(token, found.start_time)
    if is_it is False:
        return "gone", "recycled"
    if found.state == "gone":
        return "gone", _end(found.reason)
    if found.state == "alive" and is_it:
        return SAME
    return "unknown", "access-denied" if found.reason == "access-denied" else "unsupported"


def _started_together(token: Token, start_time: Optional[int]) -> Optional[bool]:
    if token.start_time is None or start_time is None:
        return None
    tolerance = 1 if _is_linux(token.platform) else 1000  # a clock tick; microseconds
    return abs(token.start_time - start_time) <= tolerance


def _is_linux(platform: str) -> bool:
    return platform in ("linux", "android")


def _end(reason: str) -> str:
    return reason if reason in ("zombie", "exited") else "no-such-process"


# --- Digests ---------------------------------------------------------------------------------------------------------


def digest(text: Optional[str], hex_digits: int) -> Optional[str]:
    """The fields `host` (16 digits of the machine id) and `hostname` (8 of the host's name)."""
    if not text:
        return None
    return hashlib.sha256(f"pidentity:{text}".encode()).hexdigest()[:hex_digits]


def boot_field(boot_id: Optional[str]) -> Optional[str]:
    field = re.sub(r"[^0-9a-z]", "", (boot_id or "").lower())
    if field == "":
        return None
    return field if len(field) <= 40 else digest(boot_id, 32)


# --- Facts on Linux --------------------------------------------------------------------------------------------------

PID_MAX_LIMIT = 2**22  # include/linux/threads.h
WRAP_NS = 2**64
# What JavaScript's trim() takes away.
WHITE_SPACE = "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
NO_SUCH_PROCESS = Found("gone", "no-such-process", None, None)


class LinuxMachine:
    """This machine, as the process that runs this program sees it."""

    def __init__(self) -> None:
        pinned = os.environ.get("PIDENTITY_HOST_ID", "").strip(WHITE_SPACE)
        namespace = _inode("/proc/self/ns/pid")
        self.reader = Reader(
            platform="android" if hasattr(sys, "getandroidapilevel") else "linux",
            host=digest(pinned or _machine_id(), 16),
            boot=boot_field(_text("/proc/sys/kernel/random/boot_id")),
            pid_namespace=namespace,
            initial_pid_namespace=namespace == INITIAL_PID_NAMESPACE,
            host_id_pinned=pinned != "",
        )
        self._is_proc_ours = _is_proc_ours()
        self._offset_ns = _boot_time_offset_ns()
        self._ns_per_tick = 10**9 // os.sysconf("SC_CLK_TCK")
        self.lookups = Lookups(self.identity, lambda _: ("unknown", "unsupported"), self.nested)

    def identify(self, pid: int) -> Optional[str]:
        """The token of a process that runs; None when it cannot be named."""
        found = self.identity(pid)
        reader = self.reader
        if found.state == "gone" or (found.start_time is None and found.exact_id is None):
            return None
        if reader.boot is None:
            return None
        hostname = digest(socket.gethostname(), 8)
        return format_token(
            Token(
                reader.platform,
                reader.host,
                hostname,
                reader.boot,
                reader.pid_namespace,
                pid,
                found.start_time,
                found.exact_id,
            )
        )

    def verify(self, text: str) -> Verdict:
        return judge(parse(text), self.reader, self.lookups)

    def identity(self, pid: int) -> Found:
        """The process that has a pid now."""
        if not 0 < pid <= PID_MAX_LIMIT:
            return Found("gone", "invalid-pid", None, None)
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return NO_SUCH_PROCESS
        except (AttributeError, OSError):  # an old Python or kernel, a sandbox, a thread's id
            return self._identity_without_pidfd(pid)
        try:
            # The facts first, the question last: if the process has not exited then, its pid cannot have been
            # another one's in between.
            start_time = self._start_time(pid)
            exact_id = _exact_id(descriptor)
            if select.select([descriptor], [], [], 0)[0]:
                return Found("gone", "zombie" if _is_reachable(descriptor) else "no-such-process", None, None)
            return Found("alive", "running", start_time, exact_id)
        finally:
            os.close(descriptor)

    def _identity_without_pidfd(self, pid: int) -> Found:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return NO_SUCH_PROCESS
        except PermissionError:
            pass
        status = _text(f"/proc/{pid}/status") if self._is_proc_ours else None
        stat = self._stat(pid)
        if status is None or stat is None:
            # Hidden is not dead: hidepid hides processes, and kill reaches zombies, too.
            return Found("unknown", "access-denied", None, None)
        group = re.search(r"^Tgid:\s+(\d+)$", status, re.MULTILINE)
        if group is not None and int(group[1]) != pid:
            return Found("gone", "thread-id", None, None)
        # Of a process whose first thread has exited, others may run.
        if stat[0] in "ZX" and int(stat[17]) <= 1:
            return Found("gone", "zombie", None, None)
        return Found("alive", "running", self._host_start_time(int(stat[19])), None)

    def _stat(self, pid: int) -> Optional[List[str]]:
        """/proc/<pid>/stat from its third field on: the second may contain anything."""
        text = _text(f"/proc/{pid}/stat") if self._is_proc_ours else None
        return None if text is None else text[text.rindex(")") + 2 :].split(" ")

    def _start_time(self, pid: int) -> Optional[int]:
        stat = self._stat(pid)
        return None if stat is None else self._host_start_time(int(stat[19]))

    def _host_start_time(self, ticks: int) -> Optional[int]:
        """Field 22 without this process's time-namespace offset, rounded down."""
        if self._offset_ns is None:
            return None
        # A process from before the namespace's zero is shown near 2^64 ns.
        if ticks > WRAP_NS // self._ns_per_tick // 2:
            ticks -= WRAP_NS // self._ns_per_tick
        return max(0, (ticks * self._ns_per_tick - self._offset_ns) // self._ns_per_tick)

    def nested(self, wanted: int) -> Tuple[bool, List[Nested]]:
        """Who has this pid in a pid namespace nested in ours; every process has a number in each around its own."""
        # Under hidepid, and where /proc is another namespace's, not all can be seen.
        is_complete = self._is_proc_ours and _namespace_pids(1) is not None
        having = []
        for name in os.listdir("/proc") if self._is_proc_ours else []:
            if not name.isdecimal():
                continue
            pid = int(name)
            numbers = _namespace_pids(pid)
            if numbers is None:
                is_complete = is_complete and not os.path.exists(f"/proc/{pid}")
                continue
            if wanted not in numbers[1:]:
                continue
            found = self.identity(pid)
            if found.state != "gone":
                namespace = _inode(f"/proc/{pid}/ns/pid") if numbers[-1] == wanted else None
                having.append(Nested(found.start_time, found.exact_id, namespace))
        return is_complete, having


def _text(path: str) -> Optional[str]:
    try:
        with open(path, encoding="latin-1") as file:
            return file.read().strip()
    except OSError:
        return None


def _inode(path: str) -> Optional[str]:
    try:
        return str(os.stat(path).st_ino)
    except OSError:
        return None


def _machine_id() -> Optional[str]:
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        text = _text(path)
        if text is not None and re.fullmatch(r"[0-9a-fA-F]{32}", text):
            return text
    return None


def _namespace_pids(pid: object) -> Optional[List[int]]:
    """`NSpid:` of /proc/<pid>/status (Linux 4.1): the numbers from the namespace of this /proc down to its own."""
    status = _text(f"/proc/{pid}/status")
    line = None if status is None else re.search(r"^NSpid:((?:[ \t]+\d+)+)$", status, re.MULTILINE)
    return None if line is None else [int(number) for number in line[1].split()]


def _is_proc_ours() -> bool:
    """/proc numbers processes as our own pid namespace does: not so after `unshare --pid` without a mount."""
    try:
        return int(os.readlink("/proc/self")) == os.getpid() and _namespace_pids("self") == [os.getpid()]
    except (OSError, ValueError):
        return False


def _boot_time_offset_ns() -> Optional[int]:
    """What our time namespace (Linux 5.6) adds to field 22."""
    # The file is about the namespace of our children.
    if _inode("/proc/self/ns/time") != _inode("/proc/self/ns/time_for_children"):
        return None
    offsets = _text("/proc/self/timens_offsets")
    if offsets is None:
        is_absent = not os.path.exists("/proc/self/timens_offsets") and os.path.exists("/proc/self/stat")
        return 0 if is_absent else None
    line = re.search(r"^boottime[ \t]+(-?\d+)[ \t]+(\d+)$", offsets, re.MULTILINE)
    return None if line is None else int(line[1]) * 10**9 + int(line[2])


def _exact_id(descriptor: int) -> Optional[str]:
    """The pidfd's inode on pidfs (Linux 6.9, 64-bit); before, all pidfds shared one of the anonymous inodes."""
    status = os.fstat(descriptor)
    with select.epoll() as anonymous:
        is_on_pidfs = status.st_dev != os.fstat(anonymous.fileno()).st_dev
    return str(status.st_ino) if is_on_pidfs and sys.maxsize > 2**32 else None


def _is_reachable(descriptor: int) -> bool:
    """Signal 0 reaches a zombie, and no process that was reaped."""
    try:
        signal.pidfd_send_signal(descriptor, 0)
    except OSError as error:
        return error.errno != errno.ESRCH
    return True


# --- The command -----------------------------------------------------------------------------------------------------


def judge_vector(vector: dict) -> Verdict:
    """One of token-vectors.json, its reader's facts in it."""
    facts = vector["reader"]
    reader = Reader(
        facts["platform"],
        facts["hostDigest"],
        facts["boot"],
        facts["pidNamespace"],
        facts["initialPidNamespace"],
        facts["isHostIdPinned"],
    )
    at_pid, by_exact_id, nested = vector["atPid"], vector["byExactId"], vector["nested"]
    look = nested and (
        nested["isComplete"],
        [Nested(had["startTime"], had["exactId"], had["pidNamespace"]) for had in nested["having"]],
    )
    lookups = Lookups(
        lambda _: Found(at_pid["state"], at_pid["reason"], at_pid["startTime"], at_pid["exactId"]),
        lambda _: (by_exact_id["state"], by_exact_id["reason"]),
        lambda _: look,
    )
    return judge(parse(vector["token"]), reader, lookups)


def main(arguments: List[str]) -> int:
    command, rest = (arguments or [""])[0], arguments[1:]
    if command == "judge" and not rest:
        for line in sys.stdin:
            print(" ".join(judge_vector(json.loads(line))))
        return 0
    if command == "identify" and len(rest) <= 1:
        named = LinuxMachine().identify(int(rest[0]) if rest else os.getppid())
        print(named or "cannot be named")
        return 0 if named else 2
    if command == "verify" and rest:
        machine = LinuxMachine()
        verdicts = [machine.verify(text) for text in rest]
        for verdict in verdicts:
            print(" ".join(verdict))
        states = {state for state, _ in verdicts}
        return 2 if "unknown" in states else 1 if "gone" in states else 0
    print(__doc__, file=sys.stderr)
    return 64


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
