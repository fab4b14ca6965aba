"""The engine's own parameters that a session may set: which there are, and what values they may have.

They hold for the whole instance, which means for DuckLake's own statements as well. A value that changes what
those do, or that cannot be taken back, is therefore not among them: ``default_order`` is fixed (descending, the
metadata comes in the wrong order), one optimizer has to stay on (without it an UPDATE reads garbage), and an
expression may always be deep enough for the statement that sets the parameter back.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from treadle.engines.duckdb.vocabulary import words

_TRUE: Final = frozenset(("on", "true", "yes", "1", "t"))
_FALSE: Final = frozenset(("off", "false", "no", "0", "f"))
_LEAST_DEPTH: Final = 50
_MOST_DEPTH: Final = 1000
_MOST_PIVOT: Final = 100_000
_MOST_ROWS: Final = 1_000_000_000

_NULL_ORDERS: Final = {
    "nulls_last": "NULLS_LAST",
    "nulls last": "NULLS_LAST",
    "null last": "NULLS_LAST",
    "last": "NULLS_LAST",
    "nulls_first": "NULLS_FIRST",
    "nulls first": "NULLS_FIRST",
    "null first": "NULLS_FIRST",
    "first": "NULLS_FIRST",
    "sqlite": "NULLS_FIRST_ON_ASC_LAST_ON_DESC",
    "mysql": "NULLS_FIRST_ON_ASC_LAST_ON_DESC",
    "nulls_first_on_asc_last_on_desc": "NULLS_FIRST_ON_ASC_LAST_ON_DESC",
    "postgres": "NULLS_LAST_ON_ASC_FIRST_ON_DESC",
    "nulls_last_on_asc_first_on_desc": "NULLS_LAST_ON_ASC_FIRST_ON_DESC",
}

OPTIMIZERS: Final = words(
    """
    build_side_probe_side column_lifetime common_aggregate common_subexpressions common_subplan
    compressed_materialization cte_filter_pusher cte_inlining deliminator duplicate_groups empty_result_pullup
    expression_rewriter filter_pullup filter_pushdown in_clause join_elimination join_filter_pushdown join_order
    late_materialization limit_pushdown materialized_cte regex_range reorder_filter row_group_pruner
    sampling_pushdown statistics_propagation sum_rewriter top_n top_n_window_elimination unnest_rewriter
    window_self_join
    """
)
"""The optimizers that may be switched off. Not ``unused_columns``, on which UPDATE and MERGE of DuckLake depend,
and not ``extension``, which stands for whatever an extension adds."""


PARSING: Final = frozenset(("integer_division", "max_expression_depth"))
"""Parameters that apply when a statement is parsed, and not when it runs."""


class EngineSetting(msgspec.Struct, frozen=True):
    """One parameter of the engine: its default, what it is for, and its values in the engine's own form.

    ``read`` gives None for a value that is not allowed. The default of ``threads`` is the session's limit.
    """

    name: str
    default: str
    about: str
    read: Callable[[str], str | None]
    aliases: tuple[str, ...] = ()


def _flag(text: str) -> str | None:
    given = text.strip().lower()
    return "true" if given in _TRUE else "false" if given in _FALSE else None


def _one_of(*words: str) -> Callable[[str], str | None]:
    known = {word.lower(): word for word in words}
    return lambda text: known.get(text.strip().lower())


def _number(least: int, most: int) -> Callable[[str], str | None]:
    def read(text: str) -> str | None:
        given = text.strip()
        if not given.isdecimal() or not given.isascii() or len(given) > len(str(most)):
            return None
        return str(int(given)) if least <= int(given) <= most else None

    return read


def _null_order(text: str) -> str | None:
    return _NULL_ORDERS.get(text.strip().lower())


def _optimizers(text: str) -> str | None:
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    return ",".join(names) if OPTIMIZERS.issuperset(names) else None


def of_session(threads: int) -> dict[str, EngineSetting]:
    """The parameters by name and alias, in lower case; ``threads`` is the most that the session may use."""
    settings = (
        EngineSetting(
            "default_null_order", "NULLS_LAST", "Where NULLs are sorted by default.", _null_order, ("null_order",)
        ),
        EngineSetting("disabled_optimizers", "", "Optimizers that are off, separated by commas.", _optimizers),
        EngineSetting(
            "explain_output",
            "PHYSICAL_ONLY",
            "Which plans EXPLAIN shows.",
            _one_of("PHYSICAL_ONLY", "OPTIMIZED_ONLY", "ALL"),
        ),
        EngineSetting("ieee_floating_point_ops", "true", "Dividing a float by 0 gives infinity, not NULL.", _flag),
        EngineSetting("integer_division", "false", "The sign / divides integers without a remainder.", _flag),
        EngineSetting(
            "lambda_syntax",
            "DEFAULT",
            "Whether lambdas may be written with an arrow.",
            _one_of("DEFAULT", "ENABLE_SINGLE_ARROW", "DISABLE_SINGLE_ARROW"),
        ),
        EngineSetting(
            "max_expression_depth", str(_MOST_DEPTH), "How deep expressions may be.", _number(_LEAST_DEPTH, _MOST_DEPTH)
        ),
        EngineSetting("merge_join_threshold", "1000", "The least rows for a merge join.", _number(0, _MOST_ROWS)),
        EngineSetting(
            "nested_loop_join_threshold", "5", "The most rows for a nested loop join.", _number(0, _MOST_ROWS)
        ),
        EngineSetting("order_by_non_integer_literal", "false", "ORDER BY may name other constants.", _flag),
        EngineSetting(
            "pivot_filter_threshold",
            "20",
            "Up to how many values a PIVOT is made of filtered aggregates.",
            _number(0, _MOST_PIVOT),
        ),
        EngineSetting("pivot_limit", str(_MOST_PIVOT), "How many columns a PIVOT may make.", _number(1, _MOST_PIVOT)),
        EngineSetting("prefer_range_joins", "false", "Joins on ranges are preferred to others.", _flag),
        EngineSetting("preserve_insertion_order", "true", "Rows without an order come as they were put in.", _flag),
        EngineSetting(
            "scalar_subquery_error_on_multiple_rows",
            "true",
            "A subquery in place of a value must not have several rows.",
            _flag,
        ),
        EngineSetting("threads", str(threads), "Threads of the engine.", _number(1, threads), ("worker_threads",)),
    )
    return {name.lower(): setting for setting in settings for name in (setting.name, *setting.aliases)}


NAMES: Final = {key: setting.name for key, setting in of_session(1).items()}
"""The name as shown of every name and alias in lower case."""


def statement(name: str, value: str) -> str:
    """The engine's statement that sets a parameter to a value that was read."""
    return f"SET {name} = '{value}'"
