# SPDX-License-Identifier: BSD-2-Clause
# The rows and columns of bench.md that README.md shows.
BEGIN { FS = "|" }
!/^\|/ { if (NF) print $0 "\n"; next }
/^\| sessions/ {
	for (i = 3; i < NF; i++)
		if ($i + 0 >= 1000 && $i + 0 <= 19000)
			shown[++n] = i
}
/^\| sessions|^\|-|one: to its record, ms|all: to the last|idle: processor in|idle: resident|churn: one pututxline slower/ {
	printf "|%s|", $2
	for (i = 1; i <= n; i++)
		printf "%s|", $shown[i]
	print ""
}
