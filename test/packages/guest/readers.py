# SPDX-License-Identifier: BSD-2-Clause
"""Prints what each reader of sessions says: reader, user, line, with blanks between."""
import ctypes
import json
import subprocess

import psutil


class utmpx(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_short), ("pid", ctypes.c_int), ("line", ctypes.c_char * 32),
        ("id", ctypes.c_char * 4), ("user", ctypes.c_char * 32),
    ]


def getutxent():
    libc = ctypes.CDLL(None)
    libc.getutxent.restype = ctypes.POINTER(utmpx)
    libc.setutxent()
    while True:
        r = libc.getutxent()
        if not r:
            return
        if r.contents.type == 7:
            yield r.contents.user.decode(), r.contents.line.decode()


def output(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout.splitlines()


def lines(*command):
    for line in output(*command):
        words = line.split()
        if words and words[0] not in ("USER", "Login", "wtmp", "wtmpdb", "reboot"):
            yield line, words


def say(reader, found):
    for user, line in found:
        print(reader, user, line or "-")


def finger():
    column = 0
    for line in output("finger", "-s"):
        if line.startswith("Login"):
            column = line.index(" Tty")
        else:
            yield line.split()[0], line[column:].split()[0].lstrip("*")


say("getutxent", getutxent())
say("who-utmp", ((w[0], w[1]) for _, w in lines("who", "/run/utmp")))
say("busybox", ((w[0], w[1]) for _, w in lines("busybox", "who")))
say("psutil", ((u.name, u.terminal) for u in psutil.users()))
say("finger", finger())
say("utmpctl-who", ((s["user"], s["line"]) for s in map(json.loads, output("utmpctl", "who", "-json"))))
say("utmpctl-last", ((w[0], w[1]) for l, w in lines("utmpctl", "last") if "still on" in l))
# These ask logind, or a data base of their own.
say("who", ((w[0], w[2] if w[1] in ("sshd", "login") else w[1]) for _, w in lines("who")))
say("w", ((w[0], w[1]) for _, w in lines("w", "-h", "-s")))
try:
    say("wtmpdb", ((w[0], w[1]) for l, w in lines("wtmpdb", "last") if "still logged in" in l))
except FileNotFoundError:
    pass
