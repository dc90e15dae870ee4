"""Reads what cargo and llvm-cov printed: which programs to ask, and line coverage of src/ per module.

Test code does not count: files named tests.rs, folders named tests, and `#[cfg(test)]` modules inside a file are left
out on both sides of the fraction.
"""

import collections
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SRC = ROOT / "src"


def objects(build_log):
    """Every executable cargo built, the server included."""
    found = []
    for line in pathlib.Path(build_log).read_text().splitlines():
        message = json.loads(line)
        if message.get("reason") == "compiler-artifact" and message.get("executable"):
            found.append(message["executable"])
    for path in dict.fromkeys(found):
        print(path)


def test_lines(path):
    """Line numbers of `#[cfg(test)] mod … { … }`; rustfmt puts the closing brace at the indent of the attribute."""
    lines = path.read_text().splitlines()
    inside, indent = set(), None
    for number, line in enumerate(lines, 1):
        if indent is None:
            match = re.match(r"^(\s*)#\[cfg\(test\)\]\s*$", line)
            following = " ".join(lines[number : number + 3])
            if match and re.search(r"\bmod \w+ \{", following):
                indent = match.group(1)
        if indent is not None:
            inside.add(number)
            if line == indent + "}":
                indent = None
    return inside


def is_test_file(path):
    parts = path.relative_to(SRC).parts
    return path.name == "tests.rs" or "tests" in parts[:-1]


def read_lcov(lcov):
    """File → line → count, for product code under src/."""
    files, current, skip = {}, None, set()
    for line in open(lcov):
        if line.startswith("SF:"):
            path = pathlib.Path(line[3:].strip())
            path = path if path.is_absolute() else ROOT / path
            current = None
            if path.is_relative_to(SRC) and path.exists() and not is_test_file(path):
                current, skip = files.setdefault(path, {}), test_lines(path)
        elif line.startswith("DA:") and current is not None:
            number, count = (int(part) for part in line[3:].split(",")[:2])
            if number not in skip:
                current[number] = max(current.get(number, 0), count)
    return files


def ranges(numbers):
    """[1, 2, 3, 7] → "1-3, 7"."""
    spans = []
    for number in sorted(numbers):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in spans)


def report(lcov, uncovered, floor):
    files = read_lcov(lcov)
    modules = collections.defaultdict(lambda: [0, 0])
    with open(uncovered, "w") as out:
        for path, lines in sorted(files.items()):
            name = path.relative_to(SRC).parts[0].removesuffix(".rs")
            covered = sum(1 for count in lines.values() if count)
            modules[name][0] += covered
            modules[name][1] += len(lines)
            missing = [number for number, count in lines.items() if not count]
            if missing:
                out.write(f"{path.relative_to(ROOT)}: {ranges(missing)}\n")
    covered, total = (sum(pair[index] for pair in modules.values()) for index in (0, 1))
    if total == 0:
        sys.exit("coverage: no line of src/ was instrumented")
    print(f"{'module':<16}{'lines':>8}{'covered':>9}{'share':>9}")
    for name, (hit, lines) in sorted(modules.items()):
        print(f"{name:<16}{lines:>8}{hit:>9}{100 * hit / max(lines, 1):>8.1f}%")
    share = 100 * covered / total
    print(f"{'src/':<16}{total:>8}{covered:>9}{share:>8.1f}%   (floor {floor} %)")
    print(f"line coverage of src/: {share:.1f} %; lines not covered: {pathlib.Path(uncovered)}")
    if share < float(floor):
        sys.exit(f"coverage: {share:.1f} % is under the floor of {floor} %")


if __name__ == "__main__":
    if sys.argv[1] == "objects":
        objects(sys.argv[2])
    elif sys.argv[1] == "report":
        report(*sys.argv[2:5])
    else:
        sys.exit(__doc__)
