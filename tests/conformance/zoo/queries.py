"""Queries that compute: aggregates, joins, sorts, windows, texts."""

from tests.conformance.zoo.kind import Kind

AGGREGATES = (
    Kind(
        "cross_join",
        "join",
        "SELECT count(*) FROM range(100000000) a, range(100000) b WHERE (a.range * b.range) % 7 = 3",
    ),
    Kind("aggregate", "aggregate", "SELECT sum(i % 1009 * 7 % 17) FROM range(1000000000000) t(i)"),
    Kind(
        "recursive_cte",
        "aggregate",
        "WITH RECURSIVE t(i) AS (SELECT 1::bigint UNION ALL SELECT i + 1 FROM t WHERE i < 100000000000) "
        "SELECT count(*) FROM t",
    ),
    Kind(
        "recursive_paths",
        "aggregate",
        "WITH RECURSIVE walk(node, path) AS (SELECT 0, [0] UNION ALL "
        "SELECT (w.node * 3 + s.i) % 1000, list_append(w.path, s.i::int) "
        "FROM walk w, range(3) s(i) WHERE len(w.path) < 60) SELECT count(*) FROM walk",
    ),
    Kind(
        "hash_aggregate",
        "aggregate",
        "SELECT count(*) FROM (SELECT hash(i) h, count(*) FROM range(900000000) t(i) GROUP BY 1)",
    ),
    Kind("count_distinct", "aggregate", "SELECT count(DISTINCT hash(i)) FROM range(900000000) t(i)"),
    Kind(
        "cube",
        "aggregate",
        "SELECT count(*) FROM (SELECT i % 10, i % 100, i % 1000, sum(i) FROM range(4000000000) t(i) "
        "GROUP BY CUBE (i % 10, i % 100, i % 1000))",
    ),
    Kind("median_of_all", "aggregate", "SELECT median(hash(i)) FROM range(10000000) t(i)", finite=True),
    Kind(
        "string_agg", "aggregate", "SELECT length(string_agg(i::varchar, ',')) FROM range(10000000) t(i)", finite=True
    ),
    Kind("list_of_all", "aggregate", "SELECT len(list(i)) FROM range(30000000) t(i)", finite=True),
    Kind(
        "pivot",
        "aggregate",
        "PIVOT (SELECT i % 5 k, i v FROM range(30000000000) t(i)) ON k IN (0, 1, 2) USING sum(v)",
    ),
    Kind("summarize", "aggregate", "SUMMARIZE SELECT i, hash(i) h FROM range(30000000000) t(i)"),
    Kind(
        "sample",
        "aggregate",
        "SELECT sum(i) FROM (SELECT i FROM range(100000000000) t(i) USING SAMPLE reservoir(1000000 ROWS))",
    ),
)

JOINS = (
    Kind(
        "hash_join",
        "join",
        "SELECT count(*) FROM range(60000000) a JOIN range(60000000) b "
        "ON hash(a.range) % 10007 = hash(b.range) % 10007",
    ),
    Kind(
        "hash_join_spilling",
        "join",
        "SELECT count(*), sum(b.p) FROM (SELECT hash(i) k FROM range(500000000) t(i)) a "
        "JOIN (SELECT hash(i) k, i p, i::varchar || repeat('x', 40) s FROM range(400000000) t(i)) b "
        "ON a.k = b.k WHERE b.s <> 'q'",
    ),
    Kind(
        "inequality_join",
        "join",
        "SELECT count(*) FROM (SELECT hash(i) % 1000000 x, hash(i + 1) % 1000000 y FROM range(3000000) t(i)) a "
        "JOIN (SELECT hash(i + 2) % 1000000 x, hash(i + 3) % 1000000 y FROM range(3000000) t(i)) b "
        "ON a.x < b.x AND a.y > b.y",
    ),
    Kind(
        "asof_join",
        "join",
        "SELECT count(*), sum(b.v) FROM (SELECT hash(i) % 1000000000 t FROM range(60000000) r(i)) a "
        "ASOF JOIN (SELECT hash(i + 7) % 1000000000 t, i v FROM range(60000000) r(i)) b ON a.t >= b.t",
    ),
    Kind(
        "anti_join",
        "join",
        "SELECT count(*) FROM range(40000000000) t(i) "
        "WHERE NOT EXISTS (SELECT 1 FROM range(3000000) u(j) WHERE j * 7 = i)",
    ),
    Kind(
        "correlated",
        "join",
        "SELECT sum((SELECT count(*) FROM range(20000) u(j) WHERE hash(j) % 100 = t.i % 100 AND j > t.i % 77)) "
        "FROM range(20000000) t(i)",
    ),
)

SORTS = (
    Kind(
        "sort", "sort", "SELECT sum(n) FROM (SELECT row_number() OVER (ORDER BY hash(i)) n FROM range(400000000) t(i))"
    ),
    Kind(
        "sort_in_memory",
        "sort",
        "SELECT sum(i) FROM (SELECT i FROM range(6000000) t(i) ORDER BY hash(i) OFFSET 10)",
        finite=True,
    ),
    Kind("top_n", "sort", "SELECT i FROM range(60000000000) t(i) ORDER BY hash(i) DESC, i LIMIT 1000"),
    Kind(
        "sort_of_texts",
        "sort",
        "SELECT count(*) FROM (SELECT md5(i::varchar) || repeat('y', 40) s FROM range(200000000) t(i) "
        "ORDER BY s OFFSET 3)",
    ),
)

WINDOWS = (
    Kind(
        "window",
        "window",
        "SELECT sum(m) FROM (SELECT median(i) OVER (ORDER BY i ROWS BETWEEN 50000 PRECEDING AND CURRENT ROW) m "
        "FROM range(20000000) t(i))",
    ),
    Kind(
        "window_partitions",
        "window",
        "SELECT sum(r), sum(l) FROM (SELECT rank() OVER w r, lag(i, 3) OVER w l FROM range(300000000) t(i) "
        "WINDOW w AS (PARTITION BY i % 1009 ORDER BY hash(i)))",
    ),
    Kind(
        "window_distinct",
        "window",
        "SELECT sum(c) FROM (SELECT count(DISTINCT i % 977) "
        "OVER (ORDER BY i ROWS BETWEEN 9000 PRECEDING AND CURRENT ROW) c FROM range(60000000) t(i))",
    ),
)

TEXTS = (
    Kind(
        "regexp_scan",
        "text",
        "SELECT count(*) FROM range(10000000000) t(i) "
        "WHERE regexp_matches(i::varchar || 'abcabcabc', '(a|b|c)+9(.*)7$')",
    ),
    Kind("like_scan", "text", "SELECT count(*) FROM range(60000000000) t(i) WHERE i::varchar LIKE '%9%8%7%6%'"),
    Kind("digest_scan", "text", "SELECT count(*) FROM range(60000000000) t(i) WHERE sha256(i::varchar) LIKE 'ffffff%'"),
    Kind(
        "json_scan",
        "text",
        "SELECT sum((('{\"a\": {\"b\": [1, 2, ' || i || ']}}')::json -> '$.a.b[2]')::bigint) "
        "FROM range(60000000000) t(i)",
    ),
    Kind(
        "time_scan",
        "text",
        "SELECT count(*) FROM range(60000000000) t(i) "
        "WHERE strftime(TIMESTAMPTZ '2000-01-01' + to_seconds(i % 1000000000), '%A %j %H:%M') LIKE 'Friday 13%'",
    ),
)

QUERIES = (*AGGREGATES, *JOINS, *SORTS, *WINDOWS, *TEXTS)
