# SPDX-License-Identifier: BSD-2-Clause
# Stage 3 sources this file after the services have stopped (10) and before the
# shutdown is recorded (50).
[ ! -x /usr/bin/utmpctl ] || /usr/bin/utmpctl shutdown
