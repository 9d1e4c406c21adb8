#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads what `meson test` logged and says how it went.

report.py [--skipped=REASON]... TESTLOG.json...

Shows the output of each test that failed and the reason of each that was
skipped (its last line "SKIP: reason"), and ends with one line that counts.
Fails if a test failed, or if none ran at all.
"""
import json
import sys

PASSED = {"OK", "EXPECTEDFAIL"}
MAX_LINES = 200


def tests(path):
    """The tests of one log; a log that is missing is a test that failed."""
    try:
        with open(path, encoding="utf-8", errors="replace") as log:
            return [json.loads(line) for line in log if line.strip()]
    except (OSError, ValueError) as error:
        return [{"name": path, "result": "ERROR", "stdout": str(error)}]


def output(test):
    return (test.get("stdout") or "") + (test.get("stderr") or "")


def reason(test):
    for line in reversed(output(test).splitlines()):
        if line.strip().startswith("SKIP:"):
            return line.strip()[5:].strip()
    return "it gave no reason"


def main():
    passed, failed, skipped = [], [], []
    for arg in sys.argv[1:]:
        if arg.startswith("--skipped="):
            name, _, why = arg[len("--skipped="):].partition(": ")
            skipped.append((name, why))
            continue
        for test in tests(arg):
            if test["result"] in PASSED:
                passed.append(test)
            elif test["result"] == "SKIP":
                skipped.append((test["name"], reason(test)))
            else:
                failed.append(test)

    for test in failed:
        print(f"\n=== {test['name']}: {test['result']}")
        lines = output(test).splitlines()
        if len(lines) > MAX_LINES:
            print(f"... {len(lines) - MAX_LINES} lines left out")
        print("\n".join(lines[-MAX_LINES:]))
    if skipped:
        print("\nSkipped:")
        for name, why in skipped:
            print(f"  {name}: {why}")
    for test in failed:
        print(f"FAILED: {test['name']}: {test['result']}")
    if not passed and not failed:
        print("No test ran.")
    print(f"{len(passed)} passed, {len(failed)} failed, {len(skipped)} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
