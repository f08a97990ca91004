"""Runs a command and says what it used: measure.py REPORT COMMAND ...

The report is one JSON object: exit code, seconds of processor time (user and system, children included), seconds on the
wall, and the peak of resident memory in MiB.
"""

import json
import os
import sys
import time

report, command = sys.argv[1], sys.argv[2:]
began = time.monotonic()
child = os.posix_spawnp(command[0], command, os.environ)
_, status, usage = os.wait4(child, 0)
figures = {
    "exit": os.waitstatus_to_exitcode(status),
    "cpu_s": usage.ru_utime + usage.ru_stime,
    "system_s": usage.ru_stime,
    "wall_s": time.monotonic() - began,
    "peak_mib": usage.ru_maxrss / 1024,
}
with open(report, "w", encoding="utf-8") as file:
    json.dump(figures, file)
