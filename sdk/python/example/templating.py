"""A small template language whose every error names its line and column. Knows nothing of plugins.

    {{ name }}  {{ server.port }}  {{ name | json }}       a value, or one that a filter made of it
    {% if tls %} … {% elif plain %} … {% else %} … {% end %}   also `not name` and `name == "text"`
    {% for host in hosts %} … {% end %}                    over a list
    {# a comment #}

A line that holds nothing but one `{% … %}` or `{# … #}` leaves no empty line behind.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_LENGTH = 4 << 20
MAX_DEPTH = 50

Scope = Mapping[str, Any]


class TemplateError(Exception):
    """What is wrong with a template, and where: line and column count from 1."""

    def __init__(self, message: str, at: Place) -> None:
        super().__init__(f"{at.line}:{at.column}: {message}")
        self.at = at


@dataclass(frozen=True)
class Place:
    """A place in a template."""

    line: int
    column: int


@dataclass(frozen=True)
class Token:
    """A piece of a template: `text`, `value` or `tag`, and what is in it."""

    kind: str
    text: str
    at: Place


@dataclass
class Text:
    text: str


@dataclass
class Value:
    expression: str
    filters: list[str]
    at: Place


@dataclass
class If:
    branches: list[tuple[str, list[Node], Place]] = field(default_factory=list)
    otherwise: list[Node] = field(default_factory=list)


@dataclass
class For:
    name: str
    expression: str
    body: list[Node]
    at: Place


Node = Text | Value | If | For

_MARKS = re.compile(r"\{\{(.*?)\}\}|\{%(.*?)%\}|\{#.*?#\}", re.DOTALL)
_OPENING = re.compile(r"\{[{%#]")
_ALONE = re.compile(r"[ \t]*")
_PATH = re.compile(r"[A-Za-z_][\w-]*(\.[\w-]+)*")
_EQUALS = re.compile(r"(?P<path>\S+)\s*(?P<word>==|!=)\s*(?P<literal>\".*\"|-?\d+|true|false)")


def fill(template: str, values: Scope) -> str:
    """Fills a template; raises `TemplateError`."""
    return "".join(_filled(_Parser(template).nodes(), values))


def names_of(template: str) -> set[str]:
    """Returns the names that a template asks for, without those that its own loops make."""
    return set(_names(_Parser(template).nodes(), frozenset()))


def _tokens(template: str) -> Iterator[Token]:
    position = 0
    while True:
        mark = _MARKS.search(template, position)
        end = mark.start() if mark else len(template)
        opening = _OPENING.search(template, position, end)
        if opening:
            raise TemplateError(f"{opening.group()} is never closed", _place(template, opening.start()))
        if mark is None:
            yield Token("text", template[position:], _place(template, position))
            return
        before, after = template[position : mark.start()], mark.end()
        if mark.group(1) is None and _is_alone(template, mark):
            before = before[: len(before) - len(_line_before(template, mark))]
            newline = template.find("\n", after)
            after = len(template) if newline < 0 else newline + 1
        yield Token("text", before, _place(template, position))
        if mark.group(1) is not None:
            yield Token("value", mark.group(1).strip(), _place(template, mark.start()))
        elif mark.group(2) is not None:
            yield Token("tag", mark.group(2).strip(), _place(template, mark.start()))
        position = after


def _line_before(template: str, mark: re.Match[str]) -> str:
    return template[template.rfind("\n", 0, mark.start()) + 1 : mark.start()]


def _is_alone(template: str, mark: re.Match[str]) -> bool:
    rest = template[mark.end() :].split("\n", 1)[0]
    return bool(_ALONE.fullmatch(_line_before(template, mark)) and _ALONE.fullmatch(rest))


def _place(template: str, position: int) -> Place:
    start = template.rfind("\n", 0, position) + 1
    return Place(template.count("\n", 0, position) + 1, position - start + 1)


class _Parser:
    """Makes nodes of tokens."""

    def __init__(self, template: str) -> None:
        self._tokens = list(_tokens(template))
        self._next = 0
        self._open: list[Token] = []

    def nodes(self) -> list[Node]:
        nodes, closing = self._until()
        if closing is not None:
            raise TemplateError(f"{{% {closing.text} %}} closes nothing", closing.at)
        return nodes

    def _until(self) -> tuple[list[Node], Token | None]:
        """Parses up to a tag that ends or divides a block, or to the end."""
        nodes: list[Node] = []
        while self._next < len(self._tokens):
            token = self._tokens[self._next]
            self._next += 1
            if token.kind == "text":
                nodes.append(Text(token.text))
            elif token.kind == "value":
                nodes.append(_value(token))
            elif token.text.split(" ", 1)[0] in ("end", "else", "elif"):
                return nodes, token
            else:
                nodes.append(self._block(token))
        if self._open:
            raise TemplateError(f"{{% {self._open[-1].text} %}} is never ended", self._open[-1].at)
        return nodes, None

    def _block(self, token: Token) -> Node:
        self._open.append(token)
        if len(self._open) > MAX_DEPTH:
            raise TemplateError(f"more than {MAX_DEPTH} blocks in one another", token.at)
        word, _, rest = token.text.partition(" ")
        if word == "for":
            node: Node = self._for(token, rest.strip())
        elif word == "if":
            node = self._if(token, rest.strip())
        else:
            raise TemplateError(f"{{% {token.text} %}} is no tag: there are if, elif, else, for and end", token.at)
        self._open.pop()
        return node

    def _for(self, token: Token, head: str) -> Node:
        parts = head.split()
        if len(parts) != 3 or parts[1] != "in" or not _PATH.fullmatch(parts[2]) or not parts[0].isidentifier():
            raise TemplateError("expected {% for NAME in NAME %}", token.at)
        body, closing = self._until()
        if closing is None or closing.text != "end":
            raise TemplateError(
                f"expected {{% end %}}, found {{% {closing.text if closing else ''} %}}", closing.at if closing else token.at
            )
        return For(parts[0], parts[2], body, token.at)

    def _if(self, token: Token, condition: str) -> Node:
        node = If()
        at: Token | None = token
        while at is not None:
            body, closing = self._until()
            if condition:
                _check_condition(condition, at.at)
                node.branches.append((condition, body, at.at))
            else:
                node.otherwise = body
            if closing is None or closing.text == "end":
                break
            word, _, rest = closing.text.partition(" ")
            if not condition or (word == "else") == bool(rest.strip()):
                raise TemplateError(f"{{% {closing.text} %}} does not fit here", closing.at)
            at, condition = closing, rest.strip()
        return node


def _value(token: Token) -> Node:
    expression, *filters = (part.strip() for part in token.text.split("|"))
    if not _PATH.fullmatch(expression):
        raise TemplateError(f"expected a name, found {expression!r}", token.at)
    for name in filters:
        if name not in _FILTERS:
            raise TemplateError(f"{name} is no filter: there are {', '.join(_FILTERS)}", token.at)
    return Value(expression, list(filters), token.at)


def _check_condition(condition: str, at: Place) -> None:
    plain = condition.removeprefix("not ").strip()
    if not _PATH.fullmatch(plain) and not _EQUALS.fullmatch(plain):
        raise TemplateError(f'expected a name, `not` a name, or name == "text", found {condition!r}', at)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _lines(value: Any) -> str:
    return "\n".join(_plain(one) for one in value) if isinstance(value, list) else _plain(value)


_FILTERS: dict[str, Callable[[Any], Any]] = {
    "json": _json,
    "upper": lambda value: _plain(value).upper(),
    "lower": lambda value: _plain(value).lower(),
    "lines": _lines,
    "length": len,
}


def _filled(nodes: list[Node], values: Scope) -> Iterator[str]:
    length = 0
    for node in nodes:
        for piece in _one(node, values):
            length += len(piece)
            if length > MAX_LENGTH:
                raise TemplateError("the filled template is longer than 4 MiB", Place(1, 1))
            yield piece


def _one(node: Node, values: Scope) -> Iterator[str]:
    if isinstance(node, Text):
        yield node.text
    elif isinstance(node, Value):
        yield _shown(node, values)
    elif isinstance(node, For):
        items = _found(node.expression, values, node.at)
        if not isinstance(items, list):
            raise TemplateError(f"{node.expression} is no list, it is {_json(items)}", node.at)
        for item in items:
            yield from _filled(node.body, {**values, node.name: item})
    else:
        yield from _filled(_branch(node, values), values)


def _branch(node: If, values: Scope) -> list[Node]:
    for condition, body, at in node.branches:
        if _holds(condition, values, at):
            return body
    return node.otherwise


def _shown(node: Value, values: Scope) -> str:
    value = _found(node.expression, values, node.at)
    try:
        for name in node.filters:
            value = _FILTERS[name](value)
    except TypeError:
        raise TemplateError(f"{node.expression} is {_json(value)}, which {' | '.join(node.filters)} cannot take", node.at) from None
    if isinstance(value, list | dict):
        raise TemplateError(f"{node.expression} is {_json(value)}: write `| json`, or a loop", node.at)
    return _plain(value)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else _json(value)


def _found(expression: str, values: Scope, at: Place) -> Any:
    here: Any = values
    for part in expression.split("."):
        if not isinstance(here, Mapping) or part not in here:
            known = ", ".join(sorted(here)) if isinstance(here, Mapping) else "no names at all"
            raise TemplateError(f"there is no value {expression}: there is {known or 'none'}", at)
        here = here[part]
    return here


def _holds(condition: str, values: Scope, at: Place) -> bool:
    negated = condition.startswith("not ")
    plain = condition.removeprefix("not ").strip()
    equals = _EQUALS.fullmatch(plain)
    if equals:
        same = bool(_found(equals["path"], values, at) == json.loads(equals["literal"]))
        holds = same == (equals["word"] == "==")
    else:
        holds = bool(_found(plain, values, at))
    return holds != negated


def _names(nodes: list[Node], known: frozenset[str]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, Value):
            yield from _name(node.expression, known)
        elif isinstance(node, For):
            yield from _name(node.expression, known)
            yield from _names(node.body, known | {node.name})
        elif isinstance(node, If):
            for condition, body, _ in node.branches:
                plain = condition.removeprefix("not ").strip()
                yield from _name(re.split(r"\s|==|!=", plain, maxsplit=1)[0], known)
                yield from _names(body, known)
            yield from _names(node.otherwise, known)


def _name(expression: str, known: frozenset[str]) -> Iterator[str]:
    first = expression.split(".", 1)[0]
    if first not in known:
        yield first
