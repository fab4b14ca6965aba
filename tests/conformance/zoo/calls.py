"""Single calls of functions that do all the work at once: most are deaf while they run."""

from tests.conformance.zoo.kind import Kind


def _call(name: str, sql: str) -> Kind:
    return Kind(name, "one call", sql, deaf=True)


CALLS = (
    _call("unnest_series", "SELECT sum(x) FROM (SELECT unnest(generate_series(1, 120000000)) x)"),
    _call("levenshtein", "SELECT levenshtein(repeat('ab', 200000), repeat('ba', 200000))"),
    _call("list_transform", "SELECT len(list_transform(range(90000000), lambda x: x * 2 + 1))"),
    _call("list_reduce", "SELECT list_reduce(range(90000000), lambda a, b: (a + b) % 1000003)"),
    _call("list_filter", "SELECT len(list_filter(range(90000000), lambda x: x % 3 = 1))"),
    _call("damerau", "SELECT damerau_levenshtein(repeat('ab', 12000), repeat('ba', 12000))"),
    _call("regexp_replace", "SELECT length(regexp_replace(repeat('abcdefgh', 60000000), '(a|c|e)+', 'zz', 'g'))"),
    _call("string_split", "SELECT len(string_split(repeat('a,b,', 100000000), ','))"),
    _call("to_json", "SELECT length(to_json(range(60000000))::varchar)"),
    _call(
        "levenshtein_rows",
        "SELECT sum(levenshtein(repeat('xy', 60000), repeat('yx', 60000) || i)) FROM range(50) t(i)",
    ),
    _call("list_sort", "SELECT list_sort(list_transform(range(60000000), lambda x: hash(x)))[1]"),
    _call("list_distinct", "SELECT len(list_distinct(range(60000000)))"),
    _call("list_of_lists", "SELECT list_sum(list_transform(range(20000), lambda x: list_sum(range(100000))))"),
    _call("json_parse", "SELECT len(from_json('[' || repeat('1,', 90000000) || '1]', '[\"INT\"]'))"),
    _call("regexp_extract_all", "SELECT len(regexp_extract_all(repeat('ab12', 60000000), '[a-z]+'))"),
    _call("repeat", "SELECT length(upper(repeat('x', 1500000000)))"),
    _call("bit_string", "SELECT bit_count(bitstring('1', 2000000000))"),
    _call("digest", "SELECT md5(repeat('ab', 700000000))"),
    Kind("sleep", "one call", "SELECT sleep_ms(600000)", idle=True),
)
