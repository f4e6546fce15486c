# SPDX-License-Identifier: BSD-2-Clause
"""line.py LINE USER: a terminal of the name LINE, on which agetty logs USER in.

It is a pseudo terminal that is mounted over /dev/LINE. What is written to the standard
input is typed there. It ends when agetty, or the login that it becomes, has ended and nobody has the
terminal open.
"""
import os
import pty
import select
import subprocess
import sys
import time

line, user = sys.argv[1:]
master, slave = pty.openpty()
open("/dev/" + line, "w").close()
subprocess.check_call(["mount", "--bind", os.ttyname(slave), "/dev/" + line])
getty = subprocess.Popen(["setsid", "agetty", "-a", user, line, "vt100"])
while True:
    try:
        for fd in select.select([0, master], [], [], 0.2)[0]:
            os.write(1 if fd == master else master, os.read(fd, 4096))
            if fd == master and slave is not None:  # agetty has opened it
                os.close(slave)
                slave = None
    except OSError:  # nobody has it open
        if getty.poll() is not None:
            break
        time.sleep(0.1)
subprocess.check_call(["umount", "/dev/" + line])
os.remove("/dev/" + line)
