"""Locates errors that the engine raises without a position, by the word in the message.

A name is located only if it occurs once in the statement. For wrong numbers of values and repeated names the lists of
the statement are searched.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from treadle.engines.duckdb.lexer import LITERALS, NAMES, SIGN, WORD, Token, lex, literal_of, name_of
from treadle.engines.duckdb.vocabulary import words

_OPEN: Final = frozenset("([{")
_CLOSE: Final = frozenset(")]}")

_NAMED: Final = re.compile(
    r"(?:Referenced (?:update )?column|Referenced table|Column|column|Table|View|Schema|Function|Type|Catalog"
    r"|Sequence|key|window)(?: Function)?(?: with name| named)? \"?(?P<name>[^\"\s]+)\"? "
    r"(?:not found|does not exist|is not in the catalog|already exists|in (?:EXCLUDE|REPLACE|RENAME) list"
    r"|referenced in UNPIVOT|must appear in the GROUP BY|in (?:struct|union)|from [^\n]+ - only widening"
    r"|referenced by generated column|- it has no NOT NULL)"
    r"|does not have a column (?:named|with name) \"(?P<column>[^\"]+)\""
    r"|^Cannot (?:extract field '(?P<field>[^']+)'|rename table \S+ to (?P<renamed>[^\s,]+), since)"
    r"|^[Uu]nrecognized (?:option \"(?P<option>[^\"]+)\"|sampling method (?P<method>\w+))"
    r"|expected to find (?P<missing>[^\s,]+), but|Unmatched columns were: (?P<unmatched>[^\s,]+)"
    r"|does not contain column (?P<checked>\S+) referenced in|^(?P<object>\S+) is not an table"
    r"|^Cannot use ALTER \w+ on entry (?P<entry>\S+) - it is not"
    r"|^Macro (?P<macro>\w+)\(\) does not support"
    r"|^No function matches the given name and argument types '(?P<function>[^'(]+)\("
    r"|^Invalid named parameter \"(?P<parameter>[^\"]+)\"|: Unknown argument '(?P<argument>[^']+)'"
    r"|^The (?P<limited>\w+)(?: option)? (?:must be|cannot exceed) "
    r"|^Unsupported partition function (?P<transform>\S+) -"
    r"|^Cannot drop \w+ \"(?P<needed>[^\"]+)\" because there are entries that depend"
    r"|^Failed to (?:add|rename) field .*(?:field|to) \"(?P<member>[^\"]+)\" (?:already|- field with)"
    r"|^Cannot drop internal catalog entry \"(?P<internal>[^\"]+)\"|can use the \"(?P<reserved>temp)\" catalog"
    r"|^Column name \"(?P<numbered>[^\"]+)\" specified in|^CSV Reader function option (?P<csv>\w+) requires"
    r"|^Existing object (?P<existing>\S+) is of type|^Cannot comment on columns for entry (?P<commented>\S+) "
    r"|^Could not rename \w+ \"[^\"]+\" to \"(?P<taken>[^\"]+)\": another"
    r"|^Wrong number of arguments (?:for|to) (?P<called>\w+)|^(?P<calling>\w+) expects a function with"
    r"|^(?P<sized>array_\w+): Array arguments"
)
_QUOTED: Final = re.compile(r"\"((?:[^\"\n]|\"\")+)\"|'([^'\n]+)'")

_KEYWORDS: Final = (
    (re.compile(r"^SELECT locking clause"), "for"),
    (re.compile(r"^SELECT INTO not supported"), "into"),
    (re.compile(r"^PRIMARY KEY/UNIQUE constraints are not|^Adding indexes or constraints is not"), "primary unique"),
    (re.compile(r"^DuckLake does not support (?:indexes|sequences|user-defined types)"), "index sequence type"),
    (re.compile(r"^Creating a table without physical"), "generated"),
    (re.compile(r"^We cannot add a column with a non-literal default"), "default"),
    (re.compile(r"^CHECK constraints are not"), "check"),
    (re.compile(r"^FOREIGN KEY constraints are not|^Failed to create foreign key"), "references"),
    (re.compile(r"^PARTITIONED BY is not supported"), "partitioned"),
    (re.compile(r"^at least one window function must"), "qualify"),
    (re.compile(r"^Missing ASOF JOIN"), "asof"),
    (re.compile(r"^Sample sample_size"), "tablesample sample"),
    (re.compile(r"^No snapshot found at"), "at"),
    (re.compile(r"^DECIMAL type (?:width|scale)"), "decimal numeric dec"),
    (re.compile(r"specify ON CONFLICT columns manually"), "conflict replace ignore"),
    (re.compile(r"^CREATE TABLE AS requires a SELECT"), "execute"),
    (re.compile(r"^DEFAULT value cannot contain"), "default"),
    (re.compile(r"^Collations are not supported"), "collate"),
    (re.compile(r"^WITH clause is not supported"), "with"),
    (re.compile(r"^DuckLake does not support generated|^Adding generated columns"), "generated"),
    (re.compile(r"^Column type cannot be modified using"), "using"),
    (re.compile(r"^Cannot SET NOT NULL on|^Adding columns with constraints"), "not"),
    (re.compile(r"^Expected compression argument"), "compression"),
    (re.compile(r"^No column to write as all columns|^Can't combine PER_THREAD_OUTPUT"), "partition_by"),
    (re.compile(r"^Need named argument for"), "struct_pack union_value"),
    (re.compile(r"^Unsupported catalog type for SET COMMENT"), "macro function"),
    (re.compile(r"^Bucket count must be"), "bucket"),
    (re.compile(r"^Adding columns is only supported"), "add"),
    (re.compile(r"^(?:MAP|LIST) type requires"), "map list"),
    (re.compile(r"^Compression level must be"), "compression_level"),
    (re.compile(r"^SET DEFAULT is not yet supported"), "default"),
    (re.compile(r"^The specified columns as conflict target"), "conflict"),
    (re.compile(r"^[Qq]ualified column names in UPDATE"), "set"),
    (re.compile(r"^PIVOT statements with pivot elements"), "pivot"),
    (re.compile(r"^RETURNING clause not yet supported"), "returning"),
)
"""Patterns of messages about a part of the grammar, and its first words."""

_LISTED: Final = words("with recursive ,")
_TARGETS: Final = words("into update from truncate")
_SET_OPERATIONS: Final = words("union except intersect")
_SEVERAL: Final = words("columns unnest on")
_ENDS_SELECT: Final = words(
    "from where group having window qualify order limit offset union except intersect using sample on returning"
)


def word_of(text: str, message: str, name: str | None) -> tuple[int, str] | None:
    """Find the word of a statement that a message of the engine refers to, with its offset in characters from 0.

    ``name`` is the object that the engine names beside its message. None if no word matches, or several do.
    """
    tokens = list(lex(text))
    for pattern, find in _SHAPES:
        if (found := pattern.search(message)) is not None and (token := find(tokens, found)) is not None:
            return token.start, name_of(token)
    for pattern, keywords in _KEYWORDS:
        if pattern.search(message) is not None:
            return _only([token for token in tokens if token.kind == WORD and token.text.lower() in words(keywords)])
    match = _NAMED.search(message)
    about = name or (match and next((group for group in match.groups() if group), None))
    return _only(list(_places(tokens, about.rstrip("!")))) if about else None


def mention_of(text: str, message: str) -> int | None:
    """Find the first quoted part of a message in a text, if it occurs there once."""
    quoted = _QUOTED.search(message)
    if quoted is None:
        return None
    about = (quoted[1] or quoted[2]).replace('""', '"')
    found = _only(list(_places(list(lex(text)), about, literals=True)))
    return None if found is None else found[0]


def literal_in(text: str, message: str) -> int | None:
    """Find the string literal that a message quotes, if it occurs once in the text."""
    quoted = {(found[1] or found[2]) for found in _QUOTED.finditer(message)}
    found = _only([token for token in lex(text) if token.kind in LITERALS and literal_of(token) in quoted])
    return None if found is None else found[0]


def item_at(query: str, number: int) -> int | None:
    """Find the expression of a query's column, counted from 0; None if a star hides the order."""
    tokens = list(lex(query))
    while tokens and tokens[0].text == "(":
        tokens = tokens[1:]
    start = next((at for at, word in _outer(tokens) if word == "select"), None)
    items = None if start is None else _select_list(tokens[start:])
    return items[number][0].start if items is not None and number < len(items) else None


def _only(tokens: Sequence[Token]) -> tuple[int, str] | None:
    return (tokens[0].start, tokens[0].text) if len(tokens) == 1 else None


def _places(tokens: Sequence[Token], name: str, *, literals: bool = False) -> Iterator[Token]:
    """Find a name, alone or qualified; with ``literals``, or if no name matches, also as a string."""
    lowered = name.lower()
    found = [token for at, token in enumerate(tokens) if lowered in _names_at(tokens, at)]
    if literals or not found:
        found += [token for token in tokens if token.kind in LITERALS and literal_of(token) == name]
    yield from found


def _names_at(tokens: Sequence[Token], at: int) -> Iterator[str]:
    """Yield the name at a position in lower case, alone and with each following part."""
    if tokens[at].kind not in NAMES:
        return
    name = name_of(tokens[at]).lower()
    yield name
    while [token.text for token in tokens[at + 1 : at + 2]] == ["."] and at + 2 < len(tokens):
        at += 2
        name += f".{name_of(tokens[at]).lower()}"
        yield name


# -- lists --------------------------------------------------------------------------------------------


def _items(tokens: Sequence[Token], start: int) -> list[list[Token]]:
    """Split into comma-separated items, from a position to the closing parenthesis or the end."""
    depth, items, item = 0, [], list[Token]()
    for token in tokens[start:]:
        depth += (token.text in _OPEN) - (token.text in _CLOSE)
        if depth < 0:
            break
        if depth == 0 and token.text == ",":
            items.append(item)
            item = []
        else:
            item.append(token)
    return [found for found in (*items, item) if found]


def _select_list(tokens: Sequence[Token]) -> list[list[Token]] | None:
    """Split the select list after a leading SELECT; None if one item may be several columns."""
    depth, end = 0, len(tokens)
    for at, token in enumerate(tokens):
        depth += (token.text in _OPEN) - (token.text in _CLOSE)
        if depth < 0 or (depth == 0 and at and token.kind == WORD and token.text.lower() in _ENDS_SELECT):
            end = at
            break
    start = 2 if end > 1 and tokens[1].text.lower() in ("all", "distinct") else 1
    items = _items(tokens[:end], start)
    several = any(
        "*" in (item[0].text, "".join(token.text for token in item[2:3]))
        or not _SEVERAL.isdisjoint(token.text.lower() for token in item)
        for item in items
    )
    return None if several else items


def _miscounted(tokens: Sequence[Token], found: re.Match[str]) -> Token | None:
    """Find the first surplus value or column; otherwise the table."""
    expected, given = int(found["expected"]), int(found["given"])
    lists = _lists_of_values(tokens)
    rows = [(at, items) for at in lists if len(items := _items(tokens, at + 2)) == given]
    if not lists:
        selects = [at for at, word in _outer(tokens) if word == "select"]
        rows = [(at, items) for at in selects[:1] if len(items := _select_list(tokens[at:]) or []) == given]
    if len(rows) != 1:
        return _target(tokens)
    at, items = rows[0]
    if given > expected:
        return items[expected][0]
    columns = _columns_before(tokens, at)
    return columns[given][0] if len(columns) == expected else _target(tokens)


def _lists_of_values(tokens: Sequence[Token]) -> list[int]:
    return [at for at, word in _outer(tokens[:-1]) if word == "values" and tokens[at + 1].text == "("]


def _outer(tokens: Sequence[Token]) -> Iterator[tuple[int, str]]:
    """Yield the words outside of parentheses in lower case, with their positions."""
    depth = 0
    for at, token in enumerate(tokens):
        depth += (token.text in _OPEN) - (token.text in _CLOSE)
        if depth == 0 and token.kind == WORD:
            yield at, token.text.lower()


def _columns_before(tokens: Sequence[Token], at: int) -> list[list[Token]]:
    """List the columns in parentheses before a VALUES or a SELECT."""
    if tokens[at - 1].text != ")":
        return []
    opening = next((index for index in range(at - 1, 0, -1) if tokens[index].text == "("), 0)
    return _items(tokens, opening + 1)


def _target(tokens: Sequence[Token], _: object = None) -> Token | None:
    """Find the target table of a write."""
    at = next((at for at, word in _outer(tokens[:-1]) if word in _TARGETS), None)
    if at is None:
        return None
    return tokens[at + 2] if tokens[at + 1].text.lower() == "table" and at + 2 < len(tokens) else tokens[at + 1]


def _uneven(tokens: Sequence[Token], _: object) -> Token | None:
    """Find the first value of the first row with another length than the first row."""
    lists = _lists_of_values(tokens)
    if len(lists) != 1:
        return None
    rows = [_items(row, 1) for row in _items(tokens, lists[0] + 1) if row[0].text == "("]
    return next((row[0][0] for row in rows if row and len(row) != len(rows[0])), None)


def _repeated(tokens: Sequence[Token], found: re.Match[str]) -> Token | None:
    """Find the second of two equal names in a list."""
    name = found["name"].lower()
    first = [
        token
        for at, token in enumerate(tokens)
        if at and token.kind in NAMES and name_of(token).lower() == name and tokens[at - 1].text.lower() in ("(", ",")
    ]
    return first[1] if len(first) == 2 else None


def _repeated_query(tokens: Sequence[Token], found: re.Match[str]) -> Token | None:
    """Find the second of two queries with the same name in a WITH."""
    name = found["name"].lower()
    named = [
        token
        for at, token in enumerate(tokens[:-1])
        if at
        and token.kind in NAMES
        and name_of(token).lower() == name
        and tokens[at - 1].text.lower() in _LISTED
        and tokens[at + 1].text.lower() in ("as", "(")
    ]
    return named[1] if len(named) == 2 else None


def _second(tokens: Sequence[Token], _: object) -> Token | None:
    """Find the first token after the first comma outside of parentheses."""
    items = _items(tokens, 0)
    return items[1][0] if len(items) > 1 else None


def _star(tokens: Sequence[Token], _: object) -> Token | None:
    stars = [token for token in tokens if token.kind == SIGN and token.text == "*"]
    return stars[0] if len(stars) == 1 else None


def _uneven_query(tokens: Sequence[Token], _: object) -> Token | None:
    """Find the first column of the first query that has another number of columns than the first query."""
    joined = [at for at, word in _outer(tokens) if word in _SET_OPERATIONS]
    selects = [at for at, word in _outer(tokens) if word == "select"]
    lists = [_select_list(tokens[at:]) or [] for at in selects]
    if not joined or len(selects) != len(joined) + 1 or not all(lists):
        return None
    return next((items[0][0] for items in lists if len(items) != len(lists[0])), None)


def _parameter(tokens: Sequence[Token], found: re.Match[str]) -> Token | None:
    """Find the parameter of a macro with a default."""
    name = found["name"].lower()
    named = (one for one, sign in pairwise(tokens) if name_of(one).lower() == name and sign.text in (":", ":="))
    return next(named, None)


def _interval(tokens: Sequence[Token], found: re.Match[str]) -> Token | None:
    """Find the only string with a number of an unknown unit."""
    strings = [(token, (literal_of(token) or "").lower().split()) for token in tokens if token.kind in LITERALS]
    named = [token for token, parts in strings if found["name"].lower() in parts[1:]]
    return named[0] if len(named) == 1 else None


def _position_in_list(tokens: Sequence[Token], found: re.Match[str]) -> Token | None:
    """Find the number in a GROUP BY that is not a column of the query."""
    lowered = [token.text.lower() for token in tokens]
    for at in range(len(tokens) - 2):
        if lowered[at : at + 2] == ["group", "by"]:
            numbers = [item[0] for item in _items(tokens, at + 2) if item[0].text.isdecimal()]
            return next((one for one in numbers if not 1 <= int(one.text) <= int(found["last"])), None)
    return None


_Find = Callable[[Sequence[Token], re.Match[str]], Token | None]
_SHAPES: Final[tuple[tuple[re.Pattern[str], _Find], ...]] = (
    (re.compile(r"(?P<expected>\d+) columns? but (?P<given>\d+) values were supplied$"), _miscounted),
    (re.compile(r"^VALUES lists must all be the same length"), _uneven),
    (re.compile(r"^Duplicate CTE name \"(?P<name>[^\"]+)\""), _repeated_query),
    (
        re.compile(
            r"^(?:Duplicate column name \"(?=[^\"]+\" in INSERT)|Duplicate STRUCT type argument name \""
            r"|Column with name )(?P<name>[^\"\s]+)"
        ),
        _repeated,
    ),
    (re.compile(r"^(?:Only one ALTER command|Can only drop one object)"), _second),
    (re.compile(r"^\* expression without FROM"), _star),
    (re.compile(r"^Set operations can only apply"), _uneven_query),
    (re.compile(r"^Default value (?:.* )?for parameter '(?P<name>[^']+)'", re.DOTALL), _parameter),
    (re.compile(r"^extract specifier \"(?P<name>[^\"]+)\" not recognized"), _interval),
    (re.compile(r"^Can only (?:delete from|update|insert into|merge into) base table"), _target),
    (re.compile(r"^GROUP BY term out of range - should be between 1 and (?P<last>\d+)"), _position_in_list),
)
"""Patterns of messages that are located by a position in a list."""
