"""From DuckDB's errors to SQLSTATEs: by their words where those say more, else by the engine's word for the family.

The states are PostgreSQL's for the same mistake where PostgreSQL knows it.
"""

import re
from typing import Final, NamedTuple

from treadle.engines.duckdb.raised import Raised

_FAMILIES: Final = {
    "Parser": "42601",
    "Syntax": "42601",
    "Catalog": "42704",
    "Binder": "42000",
    "Constraint": "23000",
    "Conversion": "22P02",
    "Decimal": "22003",
    "Out of Range": "22003",
    "Divide by Zero": "22012",
    "Out of Memory": "53200",
    "Object Size": "54000",
    "Permission": "42501",
    "Not implemented": "0A000",
    "Missing Extension": "0A000",
    "Extension Autoloading": "0A000",
    "Invalid type": "42804",
    "Mismatch Type": "42804",
    "Unknown Type": "42804",
    "Expression": "42804",
    "Parameter Not Allowed": "22023",
    "Parameter Not Resolved": "42P18",
    "Invalid": "22023",
    "Invalid Input": "22023",
    "Invalid Configuration": "22023",
    "Settings": "22023",
    "Dependency": "2BP01",
    "Sequence": "55000",
    "IO": "58030",
    "HTTP": "58030",
    "Serialization": "58030",
    "Connection": "08006",
    # Not 40001, which asks for another try: only a conflict, which says so, may succeed then.
    "TransactionContext": "25000",
    # The engine's own fault in a statement that it should have run or refused: what it cannot do, it does not support.
    "INTERNAL": "0A000",
    # The instance has gone with everything in it.
    "FATAL": "XX001",
}
"""The state of a family where none of the rules below says more."""

_UNKNOWN: Final = "58000"
"""Whatever else the client, the file system or Arrow raises: system_error."""


class _Rule(NamedTuple):
    """The state of errors of some families whose words match a pattern."""

    kinds: frozenset[str]
    pattern: re.Pattern[str]
    state: str


def _rules(kinds: str, *rules: tuple[str, str]) -> tuple[_Rule, ...]:
    families = frozenset(kinds.split(", "))
    return tuple(_Rule(families, re.compile(pattern), state) for pattern, state in rules)


# A message repeats names and values of the caller's, and those could be words of a rule: a rule holds for the families
# that have such messages only, and a pattern that can say how a message begins does so. The first match counts.
_REFINED: Final = (
    # A full disk, reported by any layer of the engine: a data file, spill, the catalog's server, a commit.
    *_rules(
        "IO, TransactionContext, INTERNAL, FATAL, Serialization, HTTP, Connection, Out of Memory",
        (r": (No space left on device|Disk quota exceeded)", "53100"),
    ),
    *_rules(
        "Catalog, Invalid Input, Binder",
        (r"^Failed to [^\0]*: (No space left on device|Disk quota exceeded)", "53100"),
    ),
    # The commands of a commit to the metadata's server end at a NUL as well, so that such text cannot be stored there.
    *_rules(
        "TransactionContext",
        (
            r"\AFailed to commit: Failed to commit DuckLake transaction\.\n"
            r"Failed to flush changes into DuckLake: unterminated quoted string at or near",
            "22021",
        ),
    ),
    # The catalog's server, and commits that met others.
    *_rules(
        "TransactionContext, IO, Catalog, Invalid, Invalid Input, FATAL, INTERNAL",
        (r"another transaction has|could not serialize access|deadlock detected|ducklake_\w+_pkey", "40001"),
        (r"due to lock timeout", "55P03"),
        # Another clean-up was there first.
        (r"files scheduled for deletion[^\0]*No such file", "40001"),
        (r"server closed the connection|terminating connection|could not connect|connection to server", "08006"),
    ),
    *_rules(
        "TransactionContext",
        (r"Exceeded the maximum retry count", "40001"),
        (r"transaction is aborted", "25P02"),
        (r"no transaction is active", "25P01"),
        (r"within a transaction$", "25001"),
        (r"[Uu]nsupported type|can only write to a single attached", "0A000"),
        (r"launched in read-only mode", "25006"),
        (r"[Tt]ransaction conflict|[Cc]onflict on (tuple|update)|write-write conflict", "40001"),
        (r"(Table|View) with name .* already exists", "42P07"),
        (r"No space left on device", "53100"),
        (r"not yet supported|DuckLake does not support|[Uu]nsupported|[Nn]ot implemented", "0A000"),
    ),
    # DuckLake writes the filter into a query to the metadata, which ends at a NUL.
    *_rules(
        "Parser",
        (r"^Adding columns with constraints not yet supported|NOT IMPLEMENTED$", "0A000"),
        (r"^PIVOT statements with pivot elements extracted from the data cannot", "0A000"),
        (r"^Adding generated columns after|^Qualified column names in UPDATE|^Table must have at least one", "0A000"),
        (r"^Adding columns is only supported for tables", "42809"),
        (r"^Only TEMPORARY table names can use", "42P16"),
    ),
    *_rules("Parser", (r"^Failed to get .*data file list from DuckLake: unterminated quoted string", "22021")),
    # What a constraint forbids.
    *_rules(
        "Constraint, TransactionContext",
        (r"NOT NULL constraint failed", "23502"),
        (r"[Dd]uplicate key|PRIMARY KEY or UNIQUE", "23505"),
        (r"CHECK constraint", "23514"),
    ),
    # Operations that a session may not use, or that are not supported.
    *_rules(
        "Permission, Invalid Input, Invalid Configuration, Catalog, Binder",
        (r"configuration has been locked|disabled by configuration|disabled through configuration", "42501"),
        (r"launched in read-only mode", "25006"),
        (r"not yet supported|are not supported in DuckLake|DuckLake does not support", "0A000"),
        (r"^[A-Z ]+ clause is not supported for tables in a ducklake|^Unsupported catalog type for SET", "0A000"),
        (r"^Unsupported ALTER TABLE type in DuckLake", "0A000"),
        (r"^There are no UNIQUE/PRIMARY KEY constraints|^The specified columns as conflict target", "42P10"),
        (r"^Cannot comment on columns for entry", "0A000"),
        (r"^(Default value .*for parameter|Table function) .*(cannot contain subqueries|not a constant)", "0A000"),
        (r"^Cannot (SET|DROP) (NOT )?NULL on ", "55000"),
        (r"^(Copy Function with name|Unrecognized file format|Cannot change type of column)", "0A000"),
        (r"^Failed to convert DuckDB type to DuckLake|^[A-Z ]+ is not supported for tables in a ducklake", "0A000"),
        (r"^column \".*\" has the type .* is not read exactly from JSON", "0A000"),
    ),
    # What does not exist, exists already, or is something else.
    *_rules(
        "Catalog, Binder, Invalid Input, Dependency, INTERNAL",
        (r"^(Table|View|Sequence) with name .* does not exist|^Referenced table .* not found", "42P01"),
        (r"^(Table|View|Entry) with name .* already exists", "42P07"),
        (r"^Column with name .* already exists", "42701"),
        (r"^[A-Za-z ]*Function with name .* already exists", "42723"),
        (r"^(Cannot|Could not) rename (table|view) .* already exists", "42P07"),
        (r"^Failed to create foreign key", "42830"),
        (r"^No matching columns found that match regex|with a string key cannot be used on an unnamed", "42703"),
        (r"is a table function but it was used as a scalar function", "42809"),
        (r"^Invalid named parameter ", "42883"),
        (r"^infinite recursion detected", "42P17"),
        (r"referenced in UNPIVOT but no matching|does not contain column .* referenced in", "42703"),
        (r"is not an table$|^Can only (delete from|update|insert into|merge into) base table", "42809"),
        (r"^Schema with name .* already exists", "42P06"),
        (r"^Schema with name .* does not exist|^Schema .* not found in |No catalog \+ schema named", "3F000"),
        (r"^[A-Za-z ]*Function with name .* (does not exist|is not in the catalog)|^No function matches", "42883"),
        (r"^No matching aggregate function|^Macro .* does not support the supplied arguments", "42883"),
        (r"^Could not choose a best candidate function", "42725"),
        (r"is not an aggregate function$|^Existing object .* is of type", "42809"),
        (r"^Referenced (update )?column .* (was )?not found|does not have a column (named|with name)", "42703"),
        (r"^Column .* does not exist|^Column .* in (EXCLUDE|REPLACE|RENAME) list not found", "42703"),
        (r"^Column with name .* does not exist|^Failed to \w+ column - column .* does not exist", "42703"),
        (r" expected to find .*, but it was not found", "42703"),
        (r"^Could not find key .* in (struct|union)", "42703"),
        (r"^Catalog .* does not exist|^Failed to find attached database", "3D000"),
        (r"^Prepared statement .* does not exist", "26000"),
        (r"[Dd]uplicate alias ", "42712"),
        (r"^Ambiguous reference", "42702"),
        (r"^Duplicate (column|STRUCT type argument) name", "42701"),
        (r"^Column name \".*\" specified in FIELD_IDS not found|COLUMNS expression can only contain lambda", "42703"),
        (r"^No key with name .* exists", "42704"),
        (r"there are entries that depend on it|the table is (partitioned|sorted) by this column", "2BP01"),
        (r"^Cannot drop internal catalog entry", "2BP01"),
        (r"table only has one column", "42P16"),
        (r"only widening type promotions", "0A000"),
        (r"column \".*\" does not exist|SET SORTED BY statement were not found", "42703"),
        (r"[Ff]ield .*already exists", "42701"),
        (r"it's not a struct|Fields can only be added to structs", "42804"),
        (r"it is not a (table|view)", "42809"),
        (r"^Catalog with name .* does not exist", "3D000"),
    ),
    # What cannot stand together in a statement.
    *_rules(
        "Binder, Parser, Invalid Input, Catalog, Not implemented",
        (r"must appear in the GROUP BY clause|cannot contain aggregates", "42803"),
        (r"aggregate function(s are not allowed| calls cannot be)", "42803"),
        (r"cannot contain window functions|window function(s are not| calls)|^RANGE frames must have", "42P20"),
        (r"columns? but [0-9]+ values were supplied|same number of result columns", "42601"),
        (r"[Ss]ubquery returns [0-9]+ columns|^[Uu]nrecognized option", "42601"),
        (r"^Target table has more colum|^UNPIVOT value count mismatch", "42601"),
        (r"^Multiple assignments to same column|^Need named argument for|^JSON path error", "42601"),
        (r"^Duplicate CTE name", "42712"),
        (r"^LIMIT/OFFSET cannot be negative", "2201W"),
        (r"^window \".*\" does not exist|^unrecognized configuration parameter", "42704"),
        (r"^SELECT locking clause|^SELECT INTO not supported|^Only one ALTER command|^T_\w+$", "0A000"),
        (r"^(PARTITIONED BY is|DuckLake does) not support|^TRY can not be used", "0A000"),
        (r"^DECIMAL type (width|scale)", "22023"),
        (r"^More VIEW aliases|without selection list|^\* expression without FROM", "42601"),
        (r"^ORDER term out of range|^GROUP BY term out of range|out of range - should be between", "42P10"),
        (r"^Incorrect number of parameters|needs [0-9]+ parameters?, got|takes exactly one argument", "42883"),
        (r"must have exactly one argument|requires an even number of arguments|at least one argument", "42883"),
        (r"^DEFAULT value cannot contain", "0A000"),
        (r"^Cannot extract field", "42809"),
        (r"^Cannot (compare|mix|combine|concatenate) |an explicit cast is required", "42804"),
        (r"^This function needs |argument type must be |must be the same as the list child type", "42804"),
        (r"can only (be used|be applied|operate) (on|to)|can only remap|requires a (single|boolean)", "42804"),
        (r"(should|must|to) be (of type|a) ", "42804"),
        (r"expects (a function with|the second argument)", "42804"),
        (r"template (parameter )?type .* (could not be resolved|in function)|^Parameter type needs to be ", "42804"),
        (r"^Max expression depth limit|[Mm]aximum (recursion|expression) depth|stack (overflow|depth)", "54001"),
        (r"^Unexpected prepared parameter", "42P02"),
        (r"Parameter argument/count mismatch|must be a valid number of parameters", "08P01"),
        (r"prepared statement.*parameter|[Vv]alues were not provided", "08P01"),
        (r"^More than one row returned by a subquery", "21000"),
    ),
    # Files: of tables, then the caller's own.
    *_rules(
        "IO, Invalid Input, Serialization",
        (r'^Failed to create directory "[^\0]*": File name too long', "54000"),
        (r"/proc/self/fd/[0-9]+/|/ducklake-[0-9a-f-]{36}\.parquet", "58030"),
        (r"No space left on device|max_temp_directory_size", "53100"),
        (r"^No files found|: No such file or directory$|^File .* does not exist", "58P01"),
        (r": Permission denied$", "42501"),
        (r": Is a directory$", "42809"),
        (r"No magic bytes found|too small to be a Parquet file", "22P04"),
        (r"^Invalid (footer|Input Error: footer)|^Failed to read Parquet|^Malformed JSON in file", "22P04"),
        (r"needs at least one file", "22023"),
        (r"^(Corrupted VARIANT|Data corruption detected)", "22P03"),
    ),
    *_rules(
        "Invalid Input, Conversion",
        (r"^CSV Error[^\0]*Error when converting column", "22P02"),
        (r"^(CSV Error|Error when sniffing)", "22P04"),
    ),
    # Values: of the wrong form, out of range, or not for this function.
    *_rules(
        "Conversion, Out of Range, Invalid Input, Not implemented, Binder, Decimal",
        (r"^Unimplemented type for cast", "42846"),
        (r"^Could not convert string '[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?' to U?INT", "22003"),
        (r"^invalid (date|time|timestamp|interval) field format", "22007"),
        (r"^Could not parse string .* according to format|^Could not convert string '.*' to INTERVAL", "22007"),
        (r"^time field value out of range: \"[^0-9]", "22007"),
        (
            r"^(date|time|timestamp|interval)[a-z ]*field value out of range|^(Date|Time|Timestamp) out of range",
            "22008",
        ),
        (r"[Dd]ate out of range|^Interval value .* out of range|not in timestamp range", "22008"),
        (r"in (date|timestamp|interval) (addition|subtraction)|^Epoch seconds out of range", "22008"),
        (r"^Could not convert (DATE|TIME|INTERVAL|TIMESTAMP|Timestamp)", "22008"),
        (r"out of range for the destination type|value is out of range|^Could not cast value", "22003"),
        (r"^(extract specifier|interval units|\".*\" units) .*not recognized|^Unknown TimeZone", "22023"),
        (r"^Enum value: unrecognized|^Period must be greater|out of range - expected an index between", "22023"),
        (
            r"must (be bigger|start with)|cannot be (be )?less|must be non-empty|requires non-empty|: Unknown argument",
            "22023",
        ),
        (r"^The \w+( option)? must be (between|greater|less|at least) |^interval cannot be 0", "22023"),
        (r"^(MAP|LIST) type requires|^Compression level must be|^CSV Reader function option \w+ requires", "22023"),
        (r"^Expected \w+ argument to be any of|^Encountered unrecognized coordinate system", "22023"),
        (r"Array arguments must be of the same size", "2202E"),
        (r"^Malformed JSON", "22P02"),
        (r"^Argument for ntile", "22014"),
        (r"[Dd]ivision by zero|^divison by zero", "22012"),
        (r"^cannot take logarithm", "2201E"),
        (r"^cannot take square root|^cannot raise|undefined outside", "2201F"),
        (
            r"^(missing [\])]|unexpected \)|invalid (character|escape|repetition|perl|named)|no argument for rep)",
            "2201B",
        ),
        (r"^(bad repetition|trailing \\|invalid UTF-8|pattern too large|Pattern failed to parse)", "2201B"),
        (r"(cannot|must not|can not) (be|have|take|contain|use) (a )?NULL|NULLs are not allowed", "22004"),
        (r"must be a non-NULL|needs to be neither NULL nor empty", "22004"),
        (r"QUANTILE (can only take|requires)|QUANTILE parameter|^RESERVOIR_QUANTILE", "22023"),
    ),
    *_rules(
        "Syntax",
        (r"^Invalid escape string|^Like pattern must not end with escape", "22025"),
    ),
    *_rules(
        "Parser",
        (r"cannot take NULL list|needs to be neither NULL nor empty", "22004"),
        (r"^Error parsing json", "22023"),
    ),
    *_rules(
        "Invalid Input, IO, Conversion, Object Size, Out of Range, Not implemented",
        (r"^[Ff]ailed to (allocate|offload)|max_temp_directory_size", "53200"),
    ),
    # Arrow's, which has no word for a family.
    *_rules("", (r"Recursion level in ArrowSchema", "0A000")),
    # Faults of the engine whose cause is in the statement.
    *_rules(
        "INTERNAL",
        (r"on a NULL value|on a value that is NULL|without constant pattern", "22004"),
    ),
)


def sql_state_of(error: Raised) -> str:
    """The SQLSTATE of an error."""
    for rule in _REFINED:
        if error.kind in rule.kinds and rule.pattern.search(error.message):
            return rule.state
    return _FAMILIES.get(error.kind, _UNKNOWN)
