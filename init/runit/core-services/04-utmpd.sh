# SPDX-License-Identifier: BSD-2-Clause
# Stage 1 sources this file after the file systems are mounted (03) and before the
# boot is recorded (05).
[ ! -x /usr/bin/utmpctl ] || /usr/bin/utmpctl boot
