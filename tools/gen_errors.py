"""Writes docs/errors.md: the kinds of include/varve/error.h, and the messages in the code; with --check, says whether the kinds are
up to date (a message that moved is no reason to stop a build)."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
# Who speaks to users, in the order of the page.
CODE = ["cli", "lake", "plan", "format", "codec", "transfer", "store", "http", "exec", "base"]
SILENT = ("_test.cc", "/memory/", "/fault/", "/conformance/", "planted")
NOT_FOR_USERS = {"internal", "cancelled"}
MANY = "…"
HEAD = """# Errors

Written from the code by `make docs`: one table for C++, Python, exit codes and HTTP, then every message.
"""
MESSAGES = """
## Every message

What follows the last semicolon is what to do; a message without one has only what its kind says. `…` stands for a name, a number or
another party's words. Not listed are defects (`internal`), which are to be reported with their message.
"""
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')
CODE_HERE = re.compile(r"ErrorCode::(k\w+)\s*,\s*")
HELPER = re.compile(r"\n\s*(?:static |inline )?Error (\w+)\(([^)]*)\)(?: const)? \{\s*return\s+(?:std::move\()?(?:Error\(|\{)ErrorCode::(k\w+),\s*")


def kinds() -> list[tuple[str, ...]]:
    return re.findall(
        r'X\((k\w+),\s*(\d+), "(\w+)",\s*(\d+), (\d+), (true|false),\s*"(\w+)",\s*"([^"]+)"\)',
        (ROOT / "include" / "varve" / "error.h").read_text(),
    )


def argument(text: str, at: int) -> str:
    """The expression that begins at `at`, up to the comma or the bracket that ends it."""
    depth, start = 0, at
    while at < len(text):
        if text[at] == '"':
            at = LITERAL.match(text, at).end()  # type: ignore[union-attr]
            continue
        if text[at] in "([{":
            depth += 1
        if text[at] in ")]}":
            depth -= 1
        if depth < 0 or (depth == 0 and text[at] in ",;"):
            break
        at += 1
    return text[start:at]


def arguments(text: str, at: int) -> list[str]:
    found = []
    while True:
        found.append(argument(text, at))
        at += len(found[-1])
        if at >= len(text) or text[at] != ",":
            return found
        at += 1


def said(expression: str, known: dict[str, str]) -> str:
    """What a C++ expression says, with MANY for what only a run knows."""
    expression = re.sub(r"std::string(?:_view)?\((\"(?:[^\"\\]|\\.)*\")\)", r"\1", expression.strip())
    choice = re.fullmatch(r"(?s)[^\"]*?\?\s*(\"(?:[^\"\\]|\\.)*\")\s*:\s*(\"(?:[^\"\\]|\\.)*\")", expression)
    if choice:
        return " or ".join(said(each, known) for each in choice.groups())
    pieces: list[str] = []
    at = 0
    while at < len(expression):
        literal = LITERAL.match(expression, at)
        if literal:
            pieces.append(literal[1].replace('\\"', '"').replace("\\n", " "))
            at = literal.end()
        elif expression[at] in " +\n":
            at += 1
        else:
            word = argument(expression.replace("+", ",") if "(" not in expression[at:] else expression, at)
            word = re.match(r"[\w:.>\-*]+", expression[at:])
            end = at + (word.end() if word else 1)
            while end < len(expression) and expression[end] in "([<":
                end += 2 + sum(len(each) + 1 for each in arguments(expression, end + 1)) - 1
            pieces.append(known.get(expression[at:end], MANY))
            at = max(end, at + 1)
    return re.sub(f"{MANY}(?:{MANY})+", MANY, "".join(pieces))


def of_cpp(text: str) -> list[tuple[str, str]]:
    """(kind, message) of each error that a file makes."""
    # What would confuse a reader of brackets and quotes.
    text = re.sub(r'R"\((?s:.*?)\)"', '""', text)
    text = re.sub(r"(\"(?:[^\"\\]|\\.)*\")|//[^\n]*|'(?:[^'\\\n]|\\.)'", lambda match: match[1] or "0", text)
    known = {name: said(value, {}) for name, value in re.findall(r"constexpr char (\w+)\[\] =\s*((?:\"(?:[^\"\\]|\\.)*\"\s*)+);", text)}
    templates = {}
    for helper in HELPER.finditer(text):
        parameters = re.findall(r"(\w+)(?:,|$)", helper[2])
        templates[helper[1]] = (helper[3], parameters, argument(text, helper.end()))
    spans = [helper.span() for helper in HELPER.finditer(text)]
    outside = [here for here in CODE_HERE.finditer(text) if not any(start <= here.start() < end for start, end in spans)]
    found = [(here[1], said(argument(text, here.end()), known)) for here in outside]
    for name, (kind, parameters, template) in templates.items():
        for call in re.finditer(rf"(?<!Error )\b{name}\(", text):
            given = [said(each, known) for each in arguments(text, call.end())]
            found.append((kind, said(template, known | dict(zip(parameters, given, strict=False)))))
    return found


def of_python(text: str, classes: dict[str, str]) -> list[tuple[str, str]]:
    tree = ast.parse(text)

    def words(node: ast.AST, known: dict[str, str]) -> str:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        if isinstance(node, ast.JoinedStr):
            return "".join(words(each, known) for each in node.values)
        if isinstance(node, ast.FormattedValue):
            return words(node.value, known)
        if isinstance(node, ast.BinOp):
            return words(node.left, known) + words(node.right, known)
        return known.get(node.id, MANY) if isinstance(node, ast.Name) else MANY

    found, helpers = [], {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and isinstance(node.body[-1], ast.Return):
            made = node.body[-1].value
            if isinstance(made, ast.Call) and isinstance(made.func, ast.Name) and made.func.id in classes and made.args:
                helpers[node.name] = (classes[made.func.id], [each.arg for each in node.args.args], made.args[0])
    for node in ast.walk(tree):
        if not isinstance(node, ast.Raise) or not isinstance(node.exc, ast.Call) or not isinstance(node.exc.func, ast.Name) or not node.exc.args:
            continue
        name, given = node.exc.func.id, node.exc.args
        if name in classes:
            found.append((classes[name], words(given[0], {})))
        elif name in helpers:
            kind, parameters, template = helpers[name]
            found.append((kind, words(template, {key: words(each, {}) for key, each in zip(parameters, given, strict=False)})))
    return found


def messages() -> dict[str, dict[str, set[str]]]:
    """Where: kind: the messages."""
    names = {enumerator: name for enumerator, _, name, *_ in kinds()}
    classes = {python: name for _, _, name, _, _, _, python, _ in kinds() if python != "StorageError"} | {"StorageError": "unavailable"}
    found: dict[str, dict[str, set[str]]] = {"python": {}}
    for area in CODE:
        found[area] = {}
        for path in sorted((ROOT / "src" / "varve" / area).rglob("*.[ch]*")):
            if not any(each in str(path.relative_to(ROOT)) for each in SILENT):
                for kind, message in of_cpp(path.read_text()):
                    found[area].setdefault(names.get(kind, kind), set()).add(message)
    for path in sorted((ROOT / "python" / "varve").glob("*.py")):
        for kind, message in of_python(path.read_text(), classes):
            found["python"].setdefault(kind, set()).add(message)
    return found


def page() -> str:
    lines = [HEAD, "| kind | exit status | HTTP | try again | Python class | what to do |", "| --- | --- | --- | --- | --- | --- |"]
    lines += [f"| {n} | {e} | {h} | {'yes' if r == 'true' else 'no'} | `varve.errors.{c}` | {a} |" for _, _, n, e, h, r, c, a in kinds()]
    lines.append(MESSAGES)
    for area, by_kind in messages().items():
        rows = [
            f"| {kind} | {message.replace('|', '&#124;').strip()} |"
            for kind in sorted(by_kind)
            for message in sorted(by_kind[kind])
            if kind not in NOT_FOR_USERS and len(re.sub(r"\W", "", message)) > 3
        ]
        if rows:
            lines += [f"### {area}", "", "| kind | message |", "| --- | --- |", *rows, ""]
    return "\n".join(lines)


def main() -> int:
    target = ROOT / "docs" / "errors.md"
    if "--check" in sys.argv:
        if target.exists() and target.read_text().split(MESSAGES)[0] == page().split(MESSAGES)[0]:
            return 0
        print("docs/errors.md is not what include/varve/error.h says; run make docs")
        return 1
    target.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
