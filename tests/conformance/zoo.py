"""Kinds of statement to cancel: those that look at interrupts, and those that do not."""

from typing import NamedTuple


class Kind(NamedTuple):
    """A statement that runs far longer than any test, and what has to be there first."""

    name: str
    sql: str
    setup: str = ""
    deaf: bool = False


COOPERATIVE = (
    Kind("cross_join", "SELECT count(*) FROM range(100000000) a, range(100000) b WHERE (a.range * b.range) % 7 = 3"),
    Kind("aggregate", "SELECT sum(i % 1009 * 7 % 17) FROM range(1000000000000) t(i)"),
    Kind(
        "recursive_cte",
        "WITH RECURSIVE t(i) AS (SELECT 1::bigint UNION ALL SELECT i + 1 FROM t WHERE i < 100000000000) "
        "SELECT count(*) FROM t",
    ),
    Kind("sort", "SELECT sum(n) FROM (SELECT row_number() OVER (ORDER BY hash(i)) n FROM range(400000000) t(i))"),
    Kind(
        "hash_join",
        "SELECT count(*) FROM range(60000000) a JOIN range(60000000) b "
        "ON hash(a.range) % 10007 = hash(b.range) % 10007",
    ),
    Kind("hash_aggregate", "SELECT count(*) FROM (SELECT hash(i) h, count(*) FROM range(900000000) t(i) GROUP BY 1)"),
    Kind(
        "window",
        "SELECT sum(m) FROM (SELECT median(i) OVER (ORDER BY i ROWS BETWEEN 50000 PRECEDING AND CURRENT ROW) m "
        "FROM range(20000000) t(i))",
    ),
    Kind(
        "regexp_scan",
        "SELECT count(*) FROM range(10000000000) t(i) "
        "WHERE regexp_matches(i::varchar || 'abcabcabc', '(a|b|c)+9(.*)7$')",
    ),
    Kind("create_table_as", "CREATE TABLE zoo_ctas AS SELECT i, hash(i) h FROM range(4000000000) t(i)"),
    Kind(
        "insert_select",
        "INSERT INTO zoo_insert SELECT i, hash(i) FROM range(4000000000) t(i)",
        setup="CREATE TABLE IF NOT EXISTS zoo_insert (i bigint, h ubigint)",
    ),
    Kind("temp_table_as", "CREATE TEMP TABLE zoo_temp AS SELECT i, hash(i) h FROM range(4000000000) t(i)"),
    Kind("copy_parquet", "COPY (SELECT i, hash(i) h FROM range(4000000000) t(i)) TO 'zoo.parquet'"),
    Kind("copy_csv", "COPY (SELECT i, hash(i) h FROM range(4000000000) t(i)) TO 'zoo.csv'"),
    Kind("large_result", "SELECT i, hash(i) FROM range(4000000000) t(i)"),
    Kind("pivot", "PIVOT (SELECT i % 5 k, i v FROM range(3000000000) t(i)) ON k IN (0, 1, 2) USING sum(v)"),
    Kind("summarize", "SUMMARIZE SELECT i, hash(i) h FROM range(3000000000) t(i)"),
    Kind("script", "SELECT 1; SELECT sum(i % 1009 * 7 % 17) FROM range(1000000000000) t(i); SELECT 3"),
)

_IN_LIST = ", ".join(f"'{n:06d}'" for n in range(900_000))

DEAF = (
    Kind("unnest_series", "SELECT sum(x) FROM (SELECT unnest(generate_series(1, 120000000)) x)", deaf=True),
    Kind("levenshtein", "SELECT levenshtein(repeat('ab', 200000), repeat('ba', 200000))", deaf=True),
    Kind("list_transform", "SELECT len(list_transform(range(90000000), lambda x: x * 2 + 1))", deaf=True),
    Kind("list_reduce", "SELECT list_reduce(range(90000000), lambda a, b: (a + b) % 1000003)", deaf=True),
    Kind("list_filter", "SELECT len(list_filter(range(90000000), lambda x: x % 3 = 1))", deaf=True),
    Kind("damerau", "SELECT damerau_levenshtein(repeat('ab', 12000), repeat('ba', 12000))", deaf=True),
    Kind(
        "regexp_replace",
        "SELECT length(regexp_replace(repeat('abcdefgh', 60000000), '(a|c|e)+', 'zz', 'g'))",
        deaf=True,
    ),
    Kind("string_split", "SELECT len(string_split(repeat('a,b,', 100000000), ','))", deaf=True),
    Kind("to_json", "SELECT length(to_json(range(60000000))::varchar)", deaf=True),
    Kind("in_list", f"SELECT count(*) FROM range(1000000000) t(i) WHERE i::varchar IN ({_IN_LIST})", deaf=True),
    Kind(
        "levenshtein_rows",
        "SELECT sum(levenshtein(repeat('xy', 60000), repeat('yx', 60000) || i)) FROM range(50) t(i)",
        deaf=True,
    ),
)

KINDS = COOPERATIVE + DEAF
