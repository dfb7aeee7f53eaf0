"""What an SQL file cannot have: what only a client such as psql understands, and what ends the file's transaction.

A file is sent to the server as it is, so that these lines would fail at setup-db-users, after the target was replaced.
The scanner knows the engines' lexical rules as far as it needs them to leave out strings, quoted names and comments.
Sources: PostgreSQL, "Lexical Structure" and psql's psqlscan.l; MySQL Reference Manual, "Language Structure".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

MYSQL = "aurora-mysql"
WORDS_KEPT = 8
"""Of a statement: enough to tell COPY schema.table FROM STDIN."""

_POSTGRES = r"""
      (?P<comment>--[^\n]*)
    | (?P<block>/\*)
    | (?P<quoted>(?<![\w$])[eE]'[^'\\]*(?:(?:\\.|'')[^'\\]*)*' | '[^']*(?:''[^']*)*' | "[^"]*(?:""[^"]*)*")
    | (?P<dollar>(?<![\w$])\$(?:[^\W\d]\w*)?\$)
    | (?P<client>\\)
    | (?P<mark>[;()])
    | (?P<unclosed>['"])
    """
_MYSQL = r"""
      (?P<comment>--(?=\s|\Z)[^\n]*|\#[^\n]*)
    | (?P<block>/\*)
    | (?P<quoted>'[^'\\]*(?:(?:\\.|'')[^'\\]*)*' | "[^"\\]*(?:(?:\\.|"")[^"\\]*)*" | `[^`]*(?:``[^`]*)*`)
    | (?P<client>\\(?!N\b))
    | (?P<mark>[;()])
    | (?P<unclosed>['"`])
    """
_WORD = r"| (?P<word>[^\W\d][\w$]*)"


def _compile(*parts: str) -> re.Pattern[str]:
    return re.compile("".join(parts), re.VERBOSE | re.DOTALL)


_PATTERNS = {
    (is_mysql, with_words): _compile(marks, _WORD if with_words else "")
    for is_mysql, marks in ((False, _POSTGRES), (True, _MYSQL))
    for with_words in (False, True)
}
"""Without the words the scanner is several times faster, and past a statement's beginning they say nothing."""
DELIMITER = ["DELIMITER"]
ROUTINES = {"FUNCTION", "PROCEDURE", "TRIGGER", "EVENT"}
"""What CREATE may define with a body of several statements."""
_EXECUTED_COMMENT = re.compile(r"/\*M?!")
"""MySQL executes what is in such a comment. Source: MySQL Reference Manual, "Comments"."""
_BLOCK_MARK = re.compile(r"/\*|\*/")


@dataclass(frozen=True)
class Trap:
    """A place in a file that would fail at setup-db-users."""

    line: int
    what: str
    """In words; it quotes only keywords."""


@dataclass
class _Statement:
    """The statement that is being scanned."""

    line: int = 0
    words: list[str] = field(default_factory=list)
    """The first words outside of parentheses, in upper case."""
    parentheses: int = 0
    body: int = 0
    """How many BEGIN and CASE of a routine's body are open: its semicolons do not end the statement."""

    is_empty: bool = True
    """Whether nothing but comments has come yet."""
    after_end: bool = False
    """Whether the last word was END, which closes a BEGIN or a CASE, unless IF, LOOP, REPEAT or WHILE follows."""

    def add_word(self, word: str, line: int) -> None:
        """Take the next word."""
        self.line = self.line or line
        if self.after_end:
            self._close_block(by=word)
        elif self._defines_routine:
            if word == "BEGIN" or (word == "CASE" and self.body):
                self.body += 1
            self.after_end = word == "END" and self.body > 0
        if len(self.words) < WORDS_KEPT:
            self.words.append(word)

    def _close_block(self, by: str) -> None:
        self.after_end = False
        if by not in ("IF", "LOOP", "REPEAT", "WHILE"):
            self.body -= 1

    @property
    def wants_words(self) -> bool:
        """Whether the next word can matter."""
        return not self.parentheses and (len(self.words) < WORDS_KEPT or self._defines_routine)

    @property
    def _defines_routine(self) -> bool:
        return self.words[:1] == ["CREATE"] and not ROUTINES.isdisjoint(self.words)

    def add_mark(self, mark: str) -> bool:
        """Take a parenthesis or a semicolon; returns whether it ends the statement."""
        if self.after_end:
            self._close_block(by=mark)
        if mark == ";":
            return not (self.parentheses or self.body)
        self.is_empty = False
        self.parentheses = max(0, self.parentheses + (1 if mark == "(" else -1))
        return False


def find_traps(engine: str, text: str) -> Iterator[Trap]:
    """Every trap of a file, in the order of its lines.

    It stops after a line that changes what follows (DELIMITER, data of COPY), and at a quote that is never closed.
    """
    is_mysql = engine == MYSQL
    scanner = _Scanner(text, is_mysql=is_mysql)
    yield from _find_mysql_traps(scanner) if is_mysql else _find_postgres_traps(scanner)


def _find_mysql_traps(scanner: _Scanner) -> Iterator[Trap]:
    empty_at = 0
    for kind, token, line in scanner.tokens():
        if empty_at and (kind, token) != ("mark", ";"):
            yield Trap(empty_at, "an empty statement (;;), as DELIMITER of the mysql client leaves it")
            empty_at = 0
        if kind != "mark":
            yield from _client_traps(scanner.statement, kind, token, line)
            if scanner.statement.words == DELIMITER:
                return
        elif scanner.statement.add_mark(token):
            if scanner.statement.is_empty:
                empty_at = empty_at or line
            yield from _mysql_traps_of(scanner.statement)
            scanner.statement = _Statement()
    yield from _mysql_traps_of(scanner.statement)


def _find_postgres_traps(scanner: _Scanner) -> Iterator[Trap]:
    for kind, token, line in scanner.tokens():
        if kind != "mark":
            yield from _client_traps(scanner.statement, kind, token, line)
            if scanner.statement.words == DELIMITER:
                return
        elif scanner.statement.add_mark(token):
            trap = _trap_of(scanner.statement)
            if trap:
                yield trap
            if trap and scanner.statement.words[0] == "COPY":
                return
            scanner.statement = _Statement()
    if trap := _trap_of(scanner.statement):
        yield trap


def _client_traps(statement: _Statement, kind: str, token: str, line: int) -> Iterator[Trap]:
    """Take a token that is no mark, and yield what only a client understands."""
    statement.is_empty = False
    if kind == "client":
        yield Trap(line, "a command of a client such as \\set")
    elif kind == "word":
        statement.add_word(token.upper(), line)
        if statement.words == DELIMITER:
            yield Trap(line, "DELIMITER, a command of the mysql client")


def _mysql_traps_of(statement: _Statement) -> Iterator[Trap]:
    """What is wrong with a statement in MySQL. The step runs files that commit, because every DDL statement does."""
    match statement.words:
        case ["ROLLBACK", *rest] if "TO" not in rest[:2]:
            yield Trap(statement.line, "ROLLBACK, which undoes what the file did")


def _trap_of(statement: _Statement) -> Trap | None:
    """What is wrong with a statement in PostgreSQL."""
    words = statement.words
    match words:
        case ["COMMIT" | "END" | "ABORT" as word, *_]:
            return Trap(statement.line, f"{word}, which ends the transaction")
        case ["ROLLBACK", *rest] if "TO" not in rest[:2]:
            return Trap(statement.line, "ROLLBACK, which ends the transaction")
        case ["PREPARE", "TRANSACTION", *_]:
            return Trap(statement.line, "PREPARE TRANSACTION, which ends the transaction")
        case ["COPY", *rest] if {("FROM", "STDIN"), ("TO", "STDOUT")} & set(pairwise(rest)):
            return Trap(statement.line, "COPY with data that only a client sends or receives")
    return None


class _Scanner:
    """Reads a text once from its beginning to its end."""

    def __init__(self, text: str, *, is_mysql: bool) -> None:
        """The caller begins a new `statement` where one ends."""
        self.statement = _Statement()
        self._text = text
        self._is_mysql = is_mysql

    def tokens(self) -> Iterator[tuple[str, str, int]]:
        """The words, marks and client commands outside of strings, quoted names and comments, with their lines."""
        text, position, line, counted = self._text, 0, 1, 0
        while (match := self._pattern().search(text, position)) is not None:
            kind, token, position = str(match.lastgroup), match[0], match.end()
            if kind in ("word", "mark", "client"):
                line, counted = line + text.count("\n", counted, match.start()), match.start()
                yield kind, token, line
            elif kind == "block":
                if self._is_mysql and _EXECUTED_COMMENT.match(text, match.start()):
                    yield "executed", token, line
                position = _end_of_block(text, position, nested=not self._is_mysql)
            elif kind == "dollar":
                end = text.find(token, position)
                position = end + len(token) if end >= 0 else len(text)
            elif kind == "unclosed":
                return

    def _pattern(self) -> re.Pattern[str]:
        return _PATTERNS[self._is_mysql, self.statement.wants_words]


def _end_of_block(text: str, position: int, *, nested: bool) -> int:
    """Where a block comment ends; in PostgreSQL comments nest."""
    depth = 1
    while depth and (mark := _BLOCK_MARK.search(text, position)) is not None:
        position = mark.end()
        if mark[0] == "*/":
            depth -= 1
        elif nested:
            depth += 1
    return position if depth == 0 else len(text)
