# SPDX-License-Identifier: BSD-2-Clause
# Sourced by stage 3 after the services have stopped (10) and before the shutdown
# is recorded (50).
[ ! -x /usr/sbin/utmpctl ] || /usr/sbin/utmpctl shutdown
