#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# week.py PLAN has people log in and leave in the machine, as a file says; see week_test.go.
# Whoever should have come while the machine was off does not.
import contextlib, glob, json, os, select, signal, subprocess, sys, threading, time
import psutil

at_serial = threading.Lock()
stay = []  # whose standard input stays open


def until(moment):
    while (left := moment - time.time()) > 0:
        time.sleep(left)


@contextlib.contextmanager
def clock_held():
    """Keeps the processor busy: while all sleep, the clock goes on to the next timer, and
    what is on its way through the emulator comes late."""
    with subprocess.Popen(["chrt", "-i", "0", "sh", "-c", "while :; do :; done"]) as busy:
        try:
            yield
        finally:
            busy.kill()


def arrived(user, before):
    """Waits for the record of a new session."""
    for _ in range(1200):
        for u in psutil.users():
            if u.name == user and (u.terminal, u.pid) not in before:
                return u.pid
        time.sleep(1)
    raise TimeoutError("no record of " + user)


def there():
    return {(u.terminal, u.pid) for u in psutil.users()}


def kill(pid):
    leader = psutil.Process(pid)
    everything = [leader] + leader.children(recursive=True)
    for s in signal.SIGSTOP, signal.SIGKILL:
        for p in everything:
            p.send_signal(s)


def by_ssh(s):
    before = there()
    client = subprocess.Popen(["ssh", "-tt", "-b", s["From"], s["User"] + "@127.0.0.1"],
                              stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)
    pid = arrived(s["User"], before)
    if not s["For"]:
        stay.append(client)
        return
    until(s["At"] + s["For"])
    if s["Kill"]:
        kill(pid)
    else:
        client.stdin.write(b"exit\n")
        client.stdin.flush()
    client.wait()


def other_end():
    """Finds the port by the name that the emulator gave it."""
    for name in glob.glob("/sys/class/virtio-ports/*/name"):
        with open(name) as f:
            if f.read().strip() == "person":
                return "/dev/" + name.split("/")[-2]
    raise FileNotFoundError("no port named person")


def by_serial(s):
    """Types at the other end of the serial line."""
    with at_serial:
        fd = os.open(other_end(), os.O_RDWR | os.O_NONBLOCK)

        def hear(text):
            got = b""
            while text not in got:
                if not select.select([fd], [], [], 300)[0]:
                    raise TimeoutError(f"{text!r} not heard but {got!r}")
                got += os.read(fd, 4096)

        before = there()
        with clock_held():
            while select.select([fd], [], [], 5)[0]:  # what was shown to nobody
                os.read(fd, 4096)
            for line, answer in (b"", b"login: "), (s["User"].encode(), b"Password: "), (s["User"].encode(), b"$ "):
                os.write(fd, line + b"\n")
                hear(answer)
            pid = arrived(s["User"], before)
        if not s["For"]:
            return
        until(s["At"] + s["For"])
        if s["Kill"]:
            kill(pid)
        else:
            with clock_held():
                os.write(fd, b"exit\n")
                hear(b"login: ")
        os.close(fd)


def run(s):
    until(s["At"])
    print("comes:", s, flush=True)
    (by_serial if s["How"] == "serial" else by_ssh)(s)
    print("has left:", s, flush=True)


with open(sys.argv[1]) as f:
    plan = json.load(f)
for s in plan:
    if s["At"] > time.time():
        threading.Thread(target=run, args=(s,)).start()
threading.Event().wait()  # what this has started ends with it, also those who stay
